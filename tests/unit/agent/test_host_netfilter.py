from __future__ import annotations

import struct

import pytest
from kubefort_agent.host import Host, firewall, netfilter
from kubefort_agent.resources import Masquerade


def answer(kind: int, attribute: int = netfilter.GEN_ID, number: int = 77) -> bytes:
    body = b"\0\0\0\0" + struct.pack("=HH", 8, attribute) + struct.pack("!I", number)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_the_generation_is_read_from_the_kernels_answer() -> None:
    assert netfilter.parse(answer(netfilter.NEWGEN)) == 77
    assert netfilter.parse(answer(netfilter.NEWGEN, attribute=2)) is None
    assert netfilter.parse(answer(2)) is None, "NLMSG_ERROR"
    assert netfilter.parse(b"") is None


async def test_rules_are_listed_again_only_when_some_rule_has_changed(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    generations, asked = iter([1, 1, 2, 2]), []

    async def difference(sources: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(sources)
        return ("flushed",) if len(asked) == 2 else ()

    monkeypatch.setattr(netfilter, "generation", lambda: next(generations))
    monkeypatch.setattr(firewall, "difference", difference)
    monkeypatch.setattr("kubefort_agent.resources.masquerade._minute", lambda: 0)
    masquerade = Masquerade(("10.244.0.0/16",))
    assert await masquerade.diff(host) == ()
    assert await masquerade.diff(host) == ()
    assert len(asked) == 1
    assert await masquerade.diff(host) == ("flushed",)
    assert await masquerade.diff(host) == (), "what differs is looked at again, whatever the number"
    assert len(asked) == 3


async def test_a_minute_later_they_are_listed_where_nobody_counts(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def difference(sources: tuple[str, ...]) -> tuple[str, ...]:
        asked.append(sources)
        return ()

    now = iter([0, 0, 1])
    monkeypatch.setattr(netfilter, "generation", lambda: None)
    monkeypatch.setattr(firewall, "difference", difference)
    monkeypatch.setattr("kubefort_agent.resources.masquerade._minute", lambda: next(now))
    for _ in range(3):
        assert await Masquerade(("10.244.0.0/16",)).diff(host) == ()
    assert len(asked) == 2
