from __future__ import annotations

import os
from pathlib import Path

import pytest
from kubefort.errors import KubefortError
from kubefort_agent.host import Host
from kubefort_agent.host.processes import gone, listening, named
from kubefort_agent.resources import StaticPod

HEAD = "  sl  local_address rem_address   st\n"


def listen(host: Host, *ports: int) -> None:
    rows = [f"   {n}: 0100007F:{port:04X} 00000000:0000 0A\n" for n, port in enumerate(ports)]
    rows.append("   9: 0100007F:1F90 0100007F:0050 01\n")  # 8080, a connection
    host.path("/proc/net/tcp").write_text(HEAD + "".join(rows))
    host.path("/proc/net/tcp6").write_text(HEAD + f"   0: {'0' * 32}:192B {'0' * 32}:0000 0A\n")  # 6443


def process(host: Host, pid: str, network: str, *words: str) -> Path:
    folder = host.path(f"/proc/{pid}")
    (folder / "ns").mkdir(parents=True)
    os.symlink(f"net:[{network}]", folder / "ns/net")
    (folder / "cmdline").write_bytes(b"".join(word.encode() + b"\0" for word in words))
    return folder


def test_listening_ports_of_both_families(host: Host) -> None:
    assert listening(host.root) == set()
    listen(host, 2379, 2380)
    assert listening(host.root) == {2379, 2380, 6443}


def test_a_program_is_found_on_the_hosts_network_only(host: Host) -> None:
    process(host, "self", "1", "agent")
    process(host, "7", "1", "/usr/local/bin/etcd", "--name=cp1")
    process(host, "8", "2", "etcd")
    process(host, "9", "1", "etcdctl")
    process(host, "10", "1")
    assert named("etcd", host.root) == [7]


@pytest.mark.parametrize(
    ("exclusive", "said"), [(False, r"port 2379 is still listened on"), (True, r"port 2379 .*, process 7 still runs")]
)
async def test_what_does_not_stop_is_named(host: Host, exclusive: bool, said: str) -> None:
    process(host, "self", "1", "agent")
    process(host, "7", "1", "etcd")
    listen(host, 2379)
    with pytest.raises(KubefortError, match=said):
        await gone("etcd", (2379,), exclusive, host.root, timeout=0)


async def test_a_static_pod_is_gone_when_its_ports_are_free(host: Host) -> None:
    pod = StaticPod("etcd", b"kind: Pod\n", ports=(2379,))
    (undo,) = await pod.undo(host)
    await undo.run(host)  # no folder of manifests yet
    await pod.apply(host)
    listen(host, 2380)
    await undo.run(host)
    assert not host.path(pod.path).exists()
