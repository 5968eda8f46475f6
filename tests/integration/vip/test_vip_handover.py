"""Planned moves under traffic: requests, and connections that were open before."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.netns.hosts import VIP, VIP6, Lab, wait_for
from tests.netns.traffic import serve, traffic


@pytest.mark.parametrize("how", ["move", "take", "stop", "move-ipv6"])
def test_a_planned_move_breaks_nothing(lab: Lab, how: str) -> None:
    one, two, client = lab.host(), lab.host(), lab.host()
    for host in (one, two):
        serve(host)
    ipv6 = how.endswith("ipv6")
    vip = VIP6 if ipv6 else VIP
    for host in (one, two):
        more = {"addresses": ["fe80::5e:1/64", f"{VIP6}/128"], "source": host.address6} if ipv6 else {}
        host.vip(peers=[peer.address6 for peer in (one, two) if ipv6 and peer is not host], **more)
        lab.wait_holder(1, address=vip)
    wait_for(lambda: two.status()["received"], "the second hears the first")
    running = traffic(client, vip)
    time.sleep(0.5)
    if how.startswith("move"):
        assert one.ask("move", to=two.address6 if ipv6 else two.address)["ok"]
    elif how == "take":
        assert two.ask("take")["ok"]
    else:
        one.kill(signal.SIGTERM)
        lab.wait_holder(2, address=vip)
        one.vip()  # as a restart does
    lab.wait_holder(2, address=vip)
    time.sleep(1)
    assert two.status()["draining"] == "forwarding", two.status()
    output, _ = running.communicate("\n", timeout=30)
    told = json.loads(output)
    assert told["errors"] == []
    assert told["before"] == told["after"] == ["1"] * 20
    assert told["requests"].get("1", 0) > 0
    assert told["requests"].get("2", 0) > 0
