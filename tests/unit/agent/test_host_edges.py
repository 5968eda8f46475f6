from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubefort.errors import InvalidInput, KubefortError
from kubefort.notify import notify
from kubefort_agent.host import Host, cleanup, facts, firewall, kernel
from kubefort_agent.host.child import Child
from kubefort_agent.reconcile.probes import Prober
from kubefort_agent.service import config
from kubefort_agent.service.identity import common_name, life_left

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

Place = Callable[[str, str], Path]


async def test_facts_of_a_version_2_host(host: Host, place: Place, programs: Programs) -> None:
    programs.add("containerd", "print('containerd github.com/containerd/containerd v1.7.24 abc')")
    place("/sys/fs/cgroup/cgroup.controllers", "cpu memory")
    host.path("/run/systemd/system").mkdir(parents=True)
    place("/etc/os-release", "ID=ubuntu\nID_LIKE=debian\n")
    place("/usr/lib/cni/bridge", "")
    place("/etc/resolv.conf", "nameserver 192.0.2.53\n")
    place("/proc/self/status", "CapBnd:\t000001ffffffffff\n")
    found = await facts.gather(host.root)
    assert found == facts.HostFacts("systemd", 2, containerd_version="1.7.24", cni_bin_dir="/usr/lib/cni")


async def test_facts_of_a_lean_version_1_host(host: Host, place: Place) -> None:
    place("/etc/os-release", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n')
    place("/etc/resolv.conf", "nameserver 127.0.0.11\n")
    place("/proc/self/status", "CapBnd:\t00000000a80425fb\n")
    found = await facts.gather(host.root)
    assert (found.cgroup_driver, found.cgroup_version, found.os_family) == ("cgroupfs", 1, "el")
    assert (found.resolv_conf, found.oom_restricted, found.containerd_version) == ("", True, "")


async def test_systemd_resolved_knows_the_real_servers(host: Host, place: Place) -> None:
    place("/etc/resolv.conf", "nameserver 127.0.0.53\n")
    place("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.53\n")
    assert (await facts.gather(host.root)).resolv_conf == "/run/systemd/resolve/resolv.conf"


def test_modules_that_are_built_in(host: Host, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.release", lambda: "6.1")
    assert not kernel.has_module("ip-vs", host.root)
    place("/lib/modules/6.1/modules.builtin", "kernel/net/netfilter/ipvs/ip_vs.ko\n")
    assert kernel.has_module("ip-vs", host.root)


SAVED = """\
*nat
:PREROUTING ACCEPT [0:0]
:KUBE-SERVICES - [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -j DOCKER
-A KUBE-SERVICES -d 10.96.0.1/32 -j KUBE-SVC-X
-A DOCKER -i docker0 -j RETURN
COMMIT
"""


def test_kubernetes_chains_go_and_others_stay() -> None:
    kept = firewall.without_kubernetes(SAVED)
    assert kept.splitlines() == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":DOCKER - [0:0]",
        "-A PREROUTING -j DOCKER",
        "-A DOCKER -i docker0 -j RETURN",
        "COMMIT",
    ]


async def test_masquerade_leaves_out_the_pods_themselves(programs: Programs) -> None:
    programs.add("iptables")
    missing = await firewall.difference(("10.244.0.0/16",))
    assert "iptables nat: + -A KUBEFORT-POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j RETURN" in missing
    assert missing.index("iptables nat: + -A KUBEFORT-POSTROUTING -s 10.244.0.0/16 -j MASQUERADE") > missing.index(
        "iptables nat: + -A KUBEFORT-POSTROUTING -s 10.244.0.0/16 -d 10.244.0.0/16 -j RETURN"
    )
    chains = firewall.rules("iptables", ["10.244.0.0/16"])
    rules = [rule for chain in chains.values() for rule in chain]
    rules += ["-A POSTROUTING -j KUBEFORT-POSTROUTING", "-A FORWARD -j KUBEFORT-FORWARD"]
    programs.add("iptables", f"for rule in {rules!r}:\n    if rule.split()[1] == argv[-1]: print(rule)")
    assert await firewall.difference(("10.244.0.0/16",)) == ()


@dataclass(frozen=True)
class Url:
    url: str
    component: str = "thing"
    client_certificate: str = ""
    authority: Path | None = None


@pytest.fixture
def server() -> Iterator[tuple[ThreadingHTTPServer, list[int]]]:
    answers, connections = [200], []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            connections.append(1)
            super().setup()

        def do_GET(self) -> None:
            body = b"[+]ping ok\n[-]etcd failed: reason withheld\n" if answers[0] != 200 else b"ok"
            self.send_response(answers[0])
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.answers, httpd.connections = answers, connections  # type: ignore[attr-defined]
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield httpd, answers
    httpd.shutdown()
    thread.join()
    httpd.server_close()


async def test_a_probe_keeps_its_connection_and_names_what_failed(server: tuple[Any, list[int]]) -> None:
    httpd, answers = server
    probe, prober = Url(f"http://127.0.0.1:{httpd.server_port}/readyz"), Prober()
    assert [condition.ok for _ in range(3) for condition in await prober.look([probe])] == [True] * 3
    assert len(httpd.connections) == 1
    answers[0] = 500
    (condition,) = await prober.look([probe])
    assert (condition.ok, condition.message.endswith("HTTP 500: [-]etcd failed: reason withheld")) == (False, True)
    prober.close()


async def test_a_probe_of_nobody_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        prober = Prober()
        (condition,) = await prober.look([Url(f"http://127.0.0.1:{taken.getsockname()[1]}/healthz")])
        prober.close()
    assert not condition.ok
    assert "refused" in condition.message


def test_systemd_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        notify("READY=1", "STATUS=in sync")
        assert listener.recv(100) == b"READY=1\nSTATUS=in sync"


def test_the_identitys_name_and_life(tmp_path: Path) -> None:
    from tests.unit.agent.test_resource_certificates import Signer

    (tmp_path / "tls.crt").write_bytes(Signer().certificate)
    assert common_name(tmp_path / "tls.crt") == "kubernetes"
    assert 0.99 < life_left(tmp_path / "tls.crt") <= 1.0
    assert life_left(tmp_path / "tls.crt", now=1e11) < 0
    (tmp_path / "tls.crt").write_text("nonsense")
    with pytest.raises(InvalidInput, match="is not a certificate"):
        common_name(tmp_path / "tls.crt")


def test_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "agent.yaml"
    assert config.load(path).coordinator == ()
    path.write_text("# nothing\n")
    assert config.load(path).coordinator == ()
    path.write_text("coordinator: ['192.0.2.1:7444']\n")
    assert config.load(path).coordinator == ("192.0.2.1:7444",)
    for wrong in ("coordinator: 7\n", "coordinater: []\n", "a: [\n"):
        path.write_text(wrong)
        with pytest.raises(InvalidInput, match=r"agent\.yaml"):
            config.load(path)


async def test_a_reset_does_not_empty_what_is_still_mounted(host: Host, place: Place, programs: Programs) -> None:
    place("/proc/self/mounts", "server:/x /var/lib/kubelet/pods/a/volumes/my\\040data nfs rw 0 0\n")
    data = place("/var/lib/kubelet/pods/a/volumes/my data/precious", "x")
    await cleanup.stop(host)
    assert programs.calls("umount") == [["--lazy", "/var/lib/kubelet/pods/a/volumes/my data"]]
    with pytest.raises(KubefortError, match=r"still mounted.*my data.*\n.*umount"):
        await cleanup.wipe(host, ("/var/lib/kubelet",))
    assert data.exists()


ECHO = """
import json, sys
requests = json.load(sys.stdin)
if "fail" in requests:
    raise SystemExit("it cannot be done")
json.dump([] if "drop" in requests else [f"{request}!" for request in requests], sys.stdout)
"""


@pytest.fixture
def echo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Child:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/echo_child.py").write_text(ECHO)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return Child("echo_child")


async def test_a_child_answers_each_and_imports_nothing_of_the_folder_that_one_is_in(
    echo: Child, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('taken over')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert list(await asyncio.gather(echo.ask("a"), echo.ask("b"))) == ["a!", "b!"]


@pytest.mark.parametrize(
    ("request_", "said"), [("fail", "^it cannot be done$"), ("drop", "echo_child answered 0 of 1 requests")]
)
async def test_a_child_that_fails_says_why(echo: Child, request_: str, said: str) -> None:
    with pytest.raises(KubefortError, match=said):
        await echo.ask(request_)
