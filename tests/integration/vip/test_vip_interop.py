"""kubefort-vip and keepalived in one group: Debian's package, and 2.4 with auth_hmac where it is at hand."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from tests.netns.hosts import VIP, VIP6, Lab

KEY = "kubefort-and-keepalived-share-this-key"
HMAC = f"  auth_hmac {{\n    mode enforce\n    anti_replay monotonic\n    active_key 7\n    key 7 {KEY}\n  }}\n"


def unicast(source: str, peer: str) -> str:
    return f"  unicast_src_ip {source}\n  unicast_peer {{\n    {peer}\n  }}\n"


@pytest.mark.parametrize(
    ("version", "family", "cast"),
    [(3, 4, "multicast"), (3, 4, "unicast"), (2, 4, "multicast"), (3, 6, "unicast")],
    ids=["v3", "v3-unicast", "v2", "v3-ipv6-unicast"],
)
def test_both_ways_with_debians_keepalived(lab: Lab, keepalived: str, version: int, family: int, cast: str) -> None:
    ours, theirs = lab.host(), lab.host()
    source, peer = (ours.address, theirs.address) if family == 4 else (ours.address6, theirs.address6)
    settings: dict[str, Any] = {"source": source, "version": version, "preempt": True}
    settings |= {"interval_ms": 1000 if version == 2 else 100, "peers": [peer] if cast == "unicast" else []}
    if family == 6:
        settings["addresses"] = ["fe80::5e:1/64", f"{VIP6}/128"]
    extra = unicast(peer, source) if cast == "unicast" else ""
    vip = VIP if family == 4 else VIP6
    theirs.keepalived(
        keepalived, version, extra + ("IPV6" if family == 6 else ""), advert_int=1 if version == 2 else 0.1
    )
    lab.wait_holder(2, address=vip)
    ours.vip(priority=100, **settings)
    theirs.kill(signal.SIGTERM)  # priority 0 from them
    lab.wait_holder(1, address=vip)
    theirs.keepalived(
        keepalived, version, extra + ("IPV6" if family == 6 else ""), advert_int=1 if version == 2 else 0.1
    )
    lab.wait_holder(2, address=vip)  # they preempt us
    ours.write(priority=254, **settings)
    lab.wait_holder(1, address=vip)  # we preempt them
    ours.kill(signal.SIGTERM)  # priority 0 from us
    lab.wait_holder(2, address=vip)


def test_equal_priorities_and_different_intervals(lab: Lab, keepalived: str) -> None:
    ours, theirs = lab.host(), lab.host()
    ours.vip(priority=200)
    lab.wait_holder(1)
    theirs.keepalived(keepalived, advert_int=0.3)
    theirs_is_up = lab.host().vip(priority=1)
    assert theirs_is_up.status()["state"] in ("initialize", "backup")
    lab.wait_holder(1)
    ours.kill(signal.SIGKILL)
    lab.wait_holder(2)


def test_both_ways_with_auth_hmac(lab: Lab, keepalived_24: str) -> None:
    ours, theirs = lab.host(), lab.host()
    auth = {"mode": "enforce", "keys": [{"id": 7, "secret": KEY.encode().hex()}], "send_key_id": 7}
    theirs.keepalived(keepalived_24, extra=HMAC)
    lab.wait_holder(2)
    ours.vip(priority=100, auth=auth)
    theirs.kill(signal.SIGTERM)
    lab.wait_holder(1)
    theirs.keepalived(keepalived_24, extra=HMAC)
    lab.wait_holder(2)
    assert ours.status()["rejected"] == {}
    ours.write(priority=254, preempt=True, auth=auth)
    lab.wait_holder(1)
    ours.kill(signal.SIGTERM)
    lab.wait_holder(2)
