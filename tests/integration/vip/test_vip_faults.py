from __future__ import annotations

import json
import signal
import sys
from typing import Any

from tests.netns.hosts import VIP, VIP6, Host, Lab, wait_for

KEY = {"id": 7, "secret": "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"}
OTHER = {"id": 8, "secret": "ff" * 32}
ENFORCE = {"mode": "enforce", "keys": [KEY], "send_key_id": 7}


def pair(lab: Lab, **settings: Any) -> tuple[Host, Host]:
    one, two = lab.host(), lab.host()
    one.vip(**settings)
    lab.wait_holder(1)
    two.vip(**settings)
    wait_for(lambda: two.status()["state"] == "backup" and two.status()["received"], "the second hears the first")
    return one, two


def test_cold_start_elects_one_and_graceful_stop_hands_over(lab: Lab) -> None:
    hosts = [lab.host(), lab.host()]
    for host in hosts:
        host.vip(auth=ENFORCE, extra_addresses=["10.99.0.101/32"], routes=[{"destination": "10.77.0.0/16"}])

    def elected() -> bool:
        return sorted(host.status()["state"] for host in hosts) == ["active", "backup"] and len(lab.holders()) == 1

    wait_for(elected, "one holder")
    # On a busy machine the second may have been started late, or the first been the late one.
    one, two = sorted(hosts, key=lambda host: not host.holds())
    assert one.holds("10.99.0.101")
    assert "10.77.0.0/16" in one.inside("ip", "route")
    one.kill(signal.SIGTERM)
    lab.wait_holder(two.number)
    assert not one.holds("10.99.0.101")
    assert "10.77.0.0/16" not in one.inside("ip", "route")
    assert two.status()["rejected"] == {}, two.status()


def test_cut_cable_moves_the_address_and_it_does_not_come_back_by_itself(lab: Lab) -> None:
    one, _ = pair(lab)
    one.cable(plugged=False)
    lab.wait_holder(2)
    assert "is down" in one.status()["reason"]
    one.cable(plugged=True)
    wait_for(lambda: one.status()["state"] == "backup", "the first is back as a backup")
    lab.wait_holder(2)


def test_preemption_brings_it_back(lab: Lab) -> None:
    one, _ = pair(lab, preempt=True)
    one.cable(plugged=False)
    lab.wait_holder(2)
    one.cable(plugged=True)
    lab.wait_holder(1)


def test_a_killed_process_loses_the_address_by_its_lifetime(lab: Lab) -> None:
    one, two = pair(lab)
    one.kill(signal.SIGKILL)
    lab.wait_holder(2)
    one.vip()
    wait_for(lambda: one.status()["state"] == "backup", "the first is back as a backup")
    assert two.status()["state"] == "active"


def test_a_stopped_process_loses_the_address_and_gives_up_when_it_goes_on(lab: Lab) -> None:
    one, two = pair(lab)
    one.kill(signal.SIGSTOP)
    lab.wait_holder(2)
    one.kill(signal.SIGCONT)
    wait_for(lambda: one.status()["state"] == "backup", "the first has given up")
    assert one.status()["late_timers"] == 1
    assert two.status()["transitions"] == 2


def test_an_address_taken_off_by_hand_comes_back(lab: Lab) -> None:
    one, _ = pair(lab)
    one.inside("ip", "address", "delete", f"{VIP}/32", "dev", "eth0")
    lab.wait_holder(1)
    wait_for(lambda: any("taken off" in event for event in one.status()["events"]), "the event is told")


def test_move_take_and_release(lab: Lab) -> None:
    one, two = pair(lab)
    answer = one.ask("move", to=two.address)
    assert answer["ok"], answer
    lab.wait_holder(2)
    assert not one.ask("move")["ok"]
    assert one.ask("take")["ok"]
    lab.wait_holder(1)
    assert one.ask("release")["ok"]
    lab.wait_holder(2)
    assert not one.ask("dance")["ok"]


def test_move_with_nobody_to_move_to_keeps_the_address(lab: Lab) -> None:
    one = lab.host().vip()
    lab.wait_holder(1)
    answer = one.ask("move")
    assert not answer["ok"]
    assert "nobody took over" in answer["message"]
    assert one.holds()


def test_keys_rotate_and_authentication_rolls_out_in_place(lab: Lab) -> None:
    one, two = pair(lab)
    both = {"keys": [KEY, OTHER]}
    steps: list[dict[str, Any]] = [
        {"mode": "receive-only", **both},
        {"mode": "permissive", "send_key_id": 7, **both},
        {"mode": "enforce", "send_key_id": 7, **both},
        {"mode": "enforce", "send_key_id": 8, **both},
    ]
    for auth in steps:
        for host in (one, two):
            host.write(auth=auth)
            host.kill(signal.SIGHUP)
            expected = (auth["mode"], auth.get("send_key_id"))
            wait_for(
                lambda host=host, expected=expected: (  # type: ignore[misc]
                    (host.status()["auth_mode"], host.status()["auth_send_key_id"]) == expected
                ),
                f"{auth} is in force",
            )
    before = two.status()["received"]
    wait_for(lambda: two.status()["received"] > before + 3, "adverts with the new key are heard")
    assert (one.status()["transitions"], two.status()["transitions"]) == (2, 1)
    assert two.status()["rejected"] == {}


def test_a_stranger_without_the_key_changes_nothing(lab: Lab) -> None:
    one, two = pair(lab, auth=ENFORCE)
    stranger = lab.host().vip(auth={**ENFORCE, "keys": [{**KEY, "secret": "aa" * 32}]})
    wait_for(lambda: stranger.status()["state"] == "backup", "it listens")
    assert stranger.ask("take")["ok"]
    wait_for(lambda: one.status()["rejected"].get("auth-forged", 0) > 3, "forged adverts are counted")
    assert one.status()["state"] == "active"
    assert two.status()["state"] == "backup"
    assert any("10.99.0.3" in stranger for stranger in one.status()["strangers"])


def test_wrong_settings_change_nothing(lab: Lab) -> None:
    one, _ = pair(lab)
    one.config.write_text('{"interface": 7}')
    one.kill(signal.SIGHUP)
    wait_for(lambda: one.status()["warnings"], "a warning")
    assert one.holds()


def test_unicast_and_ipv6(lab: Lab) -> None:
    one, two = lab.host(), lab.host()
    addresses = ["fe80::5e:1/64", f"{VIP6}/128"]
    one.vip(addresses=addresses, source=one.address6, peers=[two.address6], auth=ENFORCE)
    two.vip(addresses=addresses, source=two.address6, peers=[one.address6], auth=ENFORCE)
    lab.wait_holder(1, address=VIP6)
    one.kill(signal.SIGTERM)
    lab.wait_holder(2, address=VIP6)


READYZ = """
import http.server, pathlib, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        good = not pathlib.Path(sys.argv[1]).exists()
        body = b"ok" if good else b"[+]ping ok\\n[-]etcd failed: reason withheld\\nreadyz check failed\\n"
        self.send_response(200 if good else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 6443), Handler).serve_forever()
"""


def serve_readyz(host: Host) -> Any:
    """A pretended API server; it is sick while the returned file exists."""
    process, sick = host.process, host.folder / f"sick{host.number}"
    host.server = host.spawn(sys.executable, "-c", READYZ, str(sick))
    host.process = process
    return sick


def test_the_address_is_with_somebody_healthy_and_with_somebody_when_nobody_is(lab: Lab) -> None:
    one, two = lab.host(), lab.host()
    health = {"url": "http://127.0.0.1:6443/readyz", "interval_ms": 100}
    one.vip(health=health)
    lab.wait_holder(1)  # nobody is healthy: one holder all the same
    assert one.status()["health"]["cause"] == "refused"
    sick_two = serve_readyz(two)
    two.vip(health=health)
    lab.wait_holder(2)
    sick_one = serve_readyz(one)
    wait_for(lambda: one.status()["health"]["healthy"], "the first is healthy")
    sick_two.touch()
    lab.wait_holder(1)
    assert "etcd" in two.status()["health"]["reason"]
    sick_one.touch()
    wait_for(lambda: not one.status()["health"]["healthy"], "the first is sick too")
    lab.wait_holder(1)


def test_cleanup_takes_off_what_was_left(lab: Lab) -> None:
    one = lab.host()
    one.write()
    one.inside("ip", "address", "add", f"{VIP}/32", "dev", "eth0")
    one.inside(sys.executable, "-m", "kubefort_agent.vip.main", "cleanup", "--config", str(one.config))
    assert not one.holds()
    assert json.loads(one.config.read_text())["vrid"] == 51


def test_an_address_that_a_stranger_has_is_not_claimed_before_it_is_free(lab: Lab) -> None:
    one, stranger = lab.host(), lab.host()
    stranger.inside("ip", "address", "add", f"{VIP}/32", "dev", "eth0")
    mac = json.loads(stranger.inside("ip", "-j", "link", "show", "eth0"))[0]["address"]
    one.vip()
    wait_for(lambda: f"in use by {mac}" in one.status()["reason"], "the stranger is named")
    assert not one.holds()
    stranger.inside("ip", "address", "delete", f"{VIP}/32", "dev", "eth0")
    lab.wait_holder(1)


def test_probe_hears_other_routers_and_who_has_the_address(lab: Lab) -> None:
    one = lab.host().vip()
    lab.wait_holder(1)
    two = lab.host()
    two.write()
    said = json.loads(two.inside(sys.executable, "-m", "kubefort_agent.vip.main", "probe", "--config", str(two.config)))
    assert [(speaker["address"], speaker["vrid"]) for speaker in said["speakers"]] == [(one.address, 51)]
    assert VIP in said["in_use"]


def test_a_host_that_hears_but_is_not_heard_yields(lab: Lab) -> None:
    one, two = pair(lab, preempt=True)
    one.mute(muted=True)
    lab.wait_holder(2)
    assert "does not hear us" in one.status()["reason"]
    one.mute(muted=False)
    assert two.status()["state"] == "active"


def test_metrics_are_printed_for_the_running_process(lab: Lab) -> None:
    one, _ = pair(lab)
    said = one.inside(sys.executable, "-m", "kubefort_agent.vip.main", "metrics", "--run-folder", str(one.run_folder))
    assert "kubefort_vip_holder 1\n" in said
    assert 'kubefort_vip_state{state="active"} 1\n' in said
