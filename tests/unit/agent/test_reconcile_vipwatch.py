from __future__ import annotations

from typing import Any

import pytest
from kubefort.model.cluster import Cluster, Role, VirtualIP
from kubefort.model.spec import Node, NodeSpec
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.vipwatch import VipWatch, news

BEGAN = 1_800_000_000.0  # 2027-01-15T08:00:00Z
OLD, NEW = "2027-01-15T07:00:00+0000", "2027-01-15T08:00:05+0000"


class Bench:
    """A watch whose kubefort-vip says what a test puts into `status`."""

    def __init__(self) -> None:
        self.report = Report("cp1")
        self.status: dict[str, object] = {}
        self.watch = VipWatch(self.report, lambda: None, self.ask, lambda: BEGAN)

    async def ask(self) -> dict[str, object]:
        return dict(self.status)

    async def look(self, *events: str, **status: object) -> list[tuple[str, str]]:
        self.status = {"events": list(events), **status} if events or status else {}
        self.report.events.clear()
        self.report.changed.clear()
        await self.watch.look(spec())
        return [(event.reason, event.message.rpartition(": ")[2]) for event in self.report.events]


def spec(role: Role = "control-plane", **changes: Any) -> NodeSpec:
    cluster = Cluster("v1.36.2", vip=VirtualIP("10.0.0.100"))
    settings: dict[str, Any] = {"generation": 1, "cluster": cluster, "node": Node("cp1", "10.0.0.1", role)}
    return NodeSpec(**{**settings, "stage": "node", **changes})


async def test_every_transition_is_an_event_with_its_reason() -> None:
    bench = Bench()
    assert await bench.look(f"{NEW} backup: started", state="backup") == []
    assert await bench.look(f"{NEW} backup: started", f"{NEW} active: no Active heard") == [
        ("VipTaken", "no Active heard")
    ]
    quick = (f"{NEW} active: no Active heard", f"{NEW} backup: priority 254 heard", f"{NEW} active: handed over")
    assert await bench.look(*quick) == [("VipReleased", "priority 254 heard"), ("VipTaken", "handed over")]
    assert await bench.look(*quick, f"{NEW} active: nobody took over: still Active") == []


async def test_another_process_of_kubefort_vip_begins_a_new_list() -> None:
    bench = Bench()
    await bench.look(f"{NEW} backup: started", f"{NEW} active: no Active heard")
    assert await bench.look() == []
    assert await bench.look(f"{NEW} backup: started anew") == [("VipReleased", "started anew")]


async def test_what_was_told_before_the_agent_began_is_not_told_again() -> None:
    bench = Bench()
    assert await bench.look(f"{OLD} active: alone", f"{OLD} health: good (answers 200)", holder=True) == []
    events = (f"{OLD} active: alone", f"{OLD} health: good (answers 200)", f"{NEW} backup: released")
    assert await bench.look(*events) == [("VipReleased", "released")]


async def test_what_happened_since_the_agent_began_is_told_at_the_first_look() -> None:
    bench = Bench()
    told = await bench.look(f"{OLD} backup: started", f"{NEW} active: no Active heard", holder=True)
    assert told == [("VipTaken", "no Active heard")]


async def test_health_is_an_event_too() -> None:
    bench = Bench()
    await bench.look(f"{NEW} backup: started")
    await bench.look(f"{NEW} backup: started", f"{NEW} health: bad (HTTP 500)")
    (event,) = bench.report.events
    assert (event.reason, event.kind) == ("VipHealth", "Warning")
    assert "bad (HTTP 500)" in event.message


async def test_the_status_is_sent_at_once_when_it_tells_something_new() -> None:
    bench = Bench()
    await bench.look(state="backup", holder=False, received=5)
    assert bench.report.changed.is_set()
    assert bench.report.status().vip["received"] == 5
    await bench.look(state="backup", holder=False, received=50)
    assert not bench.report.changed.is_set()
    assert bench.report.status().vip["received"] == 50
    await bench.look(state="active", holder=True, received=50)
    assert bench.report.changed.is_set()
    await bench.look()
    assert bench.report.changed.is_set()
    assert bench.report.status().vip == {}


@pytest.mark.parametrize("changes", [{"role": "worker"}, {"stage": "etcd"}, {"cluster": Cluster("v1.36.2")}])
async def test_a_host_without_kubefort_vip_is_not_asked(changes: dict[str, Any]) -> None:
    bench = Bench()
    await bench.look(state="active", holder=True)
    await bench.watch.look(spec(**changes))
    assert bench.report.status().vip == {}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("abc", "xyz", "xyz"),
        ("aa", "aaa", "a"),
        ("ab", "", ""),
    ],
)
def test_news_are_what_came_after(before: str, after: str, expected: str) -> None:
    assert "".join(news(list(before), list(after))) == expected
