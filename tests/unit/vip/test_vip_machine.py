from __future__ import annotations

import pytest
from kubefort_agent.vip.machine import Announce, Claim, Machine, Prepare, Release, Send, Settings, State

A, B, C = b"\x0a\0\0\x01", b"\x0a\0\0\x02", b"\x0a\0\0\x03"
I = 0.1  # noqa: E741 - the advertisement interval


def machine(priority: int = 254, source: bytes = A, **more: object) -> Machine:
    return Machine(Settings(priority=priority, source=source, interval=I, **more))  # type: ignore[arg-type]


def active(priority: int = 254, source: bytes = A, **more: object) -> Machine:
    one = machine(priority, source, **more)
    one.startup(0.0)
    assert one.deadline is not None
    one.timer(one.deadline)
    assert one.state is State.ACTIVE
    return one


def test_startup_listens_for_three_intervals_and_skew() -> None:
    one = machine(254)
    assert one.startup(10.0) == []
    assert one.state is State.BACKUP
    assert one.deadline == pytest.approx(10.0 + 3 * I + 2 / 256 * I)


def test_version_2_has_its_skew_in_whole_seconds() -> None:
    one = Machine(Settings(priority=254, source=A, interval=1.0, version=2))
    one.startup(0.0)
    assert one.deadline == pytest.approx(3.0 + 2 / 256)


def test_nobody_heard_makes_active_with_address_first() -> None:
    one = machine()
    one.startup(0.0)
    assert one.timer(0.31) == [Claim(), Send(254)]
    assert one.deadline == pytest.approx(0.41)


def test_a_timer_before_its_time_does_nothing() -> None:
    one = machine()
    one.startup(0.0)
    assert one.timer(0.29) == []
    assert one.state is State.BACKUP


@pytest.mark.parametrize(
    ("preempt", "own", "heard", "waits_on"),
    [
        (True, 253, 254, True),
        (True, 253, 253, True),
        (True, 254, 253, False),
        (False, 254, 253, True),
        (False, 254, 154, False),  # only health makes such a difference
    ],
)
def test_backup_waits_on_or_preempts(preempt: bool, own: int, heard: int, waits_on: bool) -> None:
    one = machine(own, preempt=preempt)
    one.startup(0.0)
    before = one.deadline
    one.advert(0.2, B, heard, I)
    assert (one.deadline != before) == waits_on


def test_preemption_waits_for_its_delay() -> None:
    one = machine(254, preempt=True, preempt_delay=5.0)
    one.startup(0.0)
    before = one.deadline
    one.advert(0.2, B, 253, I)
    assert one.deadline != before
    before = one.deadline
    one.advert(5.1, B, 253, I)
    assert one.deadline == before


def test_backup_takes_the_interval_of_the_active() -> None:
    one = machine(253)
    one.startup(0.0)
    one.advert(0.1, B, 254, 1.0)
    assert one.deadline == pytest.approx(0.1 + 3.0 + 3 / 256 * 1.0)


def test_priority_0_leaves_only_the_skew_to_wait() -> None:
    one = machine(253)
    one.startup(0.0)
    one.advert(0.1, B, 0, I)
    assert one.deadline == pytest.approx(0.1 + 3 / 256 * I)


@pytest.mark.parametrize(
    ("heard", "source", "yields"),
    [(254, B, True), (253, B, True), (253, C, True), (252, C, False), (255, B, True)],
)
def test_active_yields_to_a_higher_priority_or_address(heard: int, source: bytes, yields: bool) -> None:
    one = active(253, A)
    actions = one.advert(0.35, source, heard, I)
    assert (one.state is State.BACKUP) == yields
    assert (Release(drain=True) in actions) == yields


def test_active_keeps_against_an_equal_priority_with_a_lower_address() -> None:
    one = active(253, C)
    assert one.advert(0.45, B, 253, I) == [Announce(), Send(253)]


def test_active_answers_a_rivals_flood_with_few_adverts() -> None:
    one = active(254)
    sent = sum(Send(254) in one.advert(0.31 + step / 10000, B, 0, I) for step in range(1))
    sent += sum(Send(254) in one.advert(0.31 + step / 100000, B, 1, I) for step in range(1000))
    assert sent <= 3


def test_active_paces_by_deadlines_and_does_not_drift() -> None:
    one = active(254)
    first = one.deadline
    assert first is not None
    for step in range(100):
        assert one.timer(first + step * I + 0.003) == [Send(254)]
    assert one.deadline == pytest.approx(first + 100 * I)


def test_a_late_timer_gives_up_first() -> None:
    one = active(254)
    assert one.deadline is not None
    assert one.timer(one.deadline + 2.1 * I) == [Release()]
    assert one.state is State.BACKUP
    assert one.late_timers == 1


def test_a_late_timer_never_answers_as_active_to_packets_that_queued_up() -> None:
    one = active(254)
    actions = one.advert(5.0, B, 253, I)
    assert actions == [Release()]
    assert one.state is State.BACKUP


def test_a_backup_that_was_suspended_looks_again() -> None:
    one = machine(254)
    one.startup(0.0)
    assert one.timer(10.0) == []
    assert one.state is State.BACKUP
    assert one.timer(10.31) == [Claim(), Send(254)]


def test_a_sick_active_stays_until_somebody_healthy_takes_over() -> None:
    one = active(254)
    assert one.health(1.0, False) == [Send(154)]
    assert one.state is State.ACTIVE
    assert one.advert(1.05, B, 253, I) == [Release(drain=False)]


def test_move_keeps_the_address_until_the_successor_is_heard() -> None:
    one = active(254, preempt=True)
    assert one.move(1.0, B) == [Send(0, B)]
    assert one.state is State.ACTIVE
    assert one.advert(1.002, B, 253, I) == [Release(drain=True)]
    assert one.reason == "handed over"
    before = one.deadline
    one.advert(1.1, B, 253, I)  # and it does not preempt the successor at once
    assert one.deadline != before


def test_move_without_successor_goes_on() -> None:
    one = active(254)
    one.move(1.0, None)
    assert one.deadline is not None
    assert one.timer(one.deadline) == [Send(254)]
    assert one.state is State.ACTIVE
    assert "nobody took over" in one.reason


def test_shutdown_of_an_active_waits_for_the_successor() -> None:
    one = active(254)
    assert one.shutdown(1.0) == [Send(0)]
    assert one.advert(1.002, B, 253, I) == [Release(drain=True)]
    assert one.state is State.INITIALIZE


def test_shutdown_ends_without_a_successor() -> None:
    one = active(254)
    one.shutdown(1.0)
    assert one.timer(60.0) == [Send(0), Release()]
    assert one.state is State.INITIALIZE


def test_take_is_above_every_priority_for_a_while() -> None:
    one = machine(100)
    one.startup(0.0)
    assert one.take(0.1, 60.0) == [Claim(), Send(255)]
    assert one.advert(0.2, B, 254, I) == [Announce(), Send(255)]
    assert one.priority(61.0) == 100


def test_an_active_that_its_rival_does_not_hear_yields_for_a_while() -> None:
    one = active(254, preempt=True)
    now = 0.31
    for _ in range(100):
        now += I
        if one.deadline is not None and now >= one.deadline:
            one.timer(now)
        one.advert(now, B, 253, I)
    assert one.state is State.BACKUP
    assert "does not hear us" in one.reason


def test_link_down_leaves_and_releases() -> None:
    one = active()
    assert one.link_down("eth0 is down") == [Release()]
    assert (one.state, one.deadline, one.reason) == (State.INITIALIZE, None, "eth0 is down")
    assert one.advert(1.0, B, 1, I) == []


def offered(one: Machine, now: float, source: bytes = B) -> None:
    one.advert(now, source, 0, I, offer=True)
    assert one.deadline is not None


def test_an_offer_lets_the_sender_go_on_until_the_successor_is_heard() -> None:
    one = active(254, drain=True)
    assert one.move(1.0, B) == [Send(0, B, offer=True)]
    assert one.timer(1.1) == [Send(254)]  # for those that were not asked
    assert one.handing_over
    assert one.advert(1.15, B, 253, I) == [Release(drain=True)]


def test_an_offer_that_nobody_takes_ends() -> None:
    one = active(254, drain=True)
    one.move(1.0, None)
    for step in range(1, 12):
        one.timer(1.0 + step * I)
    assert not one.handing_over
    assert one.state is State.ACTIVE
    assert "nobody took over" in one.reason


def test_a_backup_prepares_before_it_takes_an_offer() -> None:
    one = machine(253, A, drain=True)
    one.startup(0.0)
    offered(one, 0.2)
    assert one.timer(0.2 + I) == [Prepare(B)]
    assert one.advert(0.31, B, 254, I) == []  # still Active till it hears us
    assert one.prepared(0.32) == [Claim(), Send(253)]


def test_preparation_does_not_last_for_ever() -> None:
    one = machine(253, A, drain=True)
    one.startup(0.0)
    offered(one, 0.2)
    one.timer(0.25)
    assert one.timer(0.6) == [Claim(), Send(253)]


def test_another_successor_ends_the_preparation() -> None:
    one = machine(252, A, drain=True)
    one.startup(0.0)
    offered(one, 0.2)
    one.timer(0.25)
    one.advert(0.26, C, 253, I)
    assert one.prepared(0.27) == []
    assert one.state is State.BACKUP


@pytest.mark.parametrize(("heard", "first"), [(252, Prepare(B)), (154, Claim())])
def test_preempting_a_living_active_forwards_to_it_unless_it_is_sick(heard: int, first: object) -> None:
    one = machine(253, A, drain=True, preempt=True)
    one.startup(0.0)
    for step in range(1, 4):
        assert one.advert(step * I, B, heard, I) == []
    assert one.timer(0.32)[0] == first


def test_a_dead_active_is_taken_over_from_without_preparation() -> None:
    one = machine(253, A, drain=True)
    one.startup(0.0)
    one.advert(0.05, B, 254, I)
    assert one.deadline is not None
    assert one.timer(one.deadline) == [Claim(), Send(253)]


def test_taking_over_from_a_living_active_prepares_first() -> None:
    one = machine(100, A, drain=True)
    one.startup(0.0)
    one.advert(0.1, B, 120, I)
    assert one.take(0.15, 60.0) == [Prepare(B)]
    assert one.prepared(0.16) == [Claim(), Send(255)]


def test_a_backup_whose_timer_is_late_listens_once_more_before_it_claims() -> None:
    one = machine(253, A)
    one.startup(0.0)
    assert one.advert(0.0, B, 254, I) == []
    due = one.deadline
    assert due is not None
    assert one.timer(due + I / 4) == []
    assert (one.state, one.late_timers) == (State.BACKUP, 1)
    assert one.deadline == due + I / 4 + I / 2
    assert one.timer(one.deadline + I / 4)
    assert one.state is State.ACTIVE


def test_a_late_backup_that_hears_the_active_after_all_stays_one() -> None:
    one = machine(253, A)
    one.startup(0.0)
    assert one.advert(0.0, B, 254, I) == []
    assert one.deadline is not None
    late = one.deadline + I / 4
    assert one.timer(late) == []
    assert one.advert(late + 0.001, B, 254, I) == []
    assert one.timer(late + I / 2) == []
    assert one.state is State.BACKUP


def test_an_active_that_said_it_leaves_is_not_listened_for() -> None:
    one = machine(253, A)
    one.startup(0.0)
    assert one.advert(0.0, B, 254, I) == []
    assert one.advert(0.01, B, 0, I) == []
    assert one.deadline is not None
    assert one.timer(one.deadline + I / 4)
    assert one.state is State.ACTIVE
