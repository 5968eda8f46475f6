"""Kubelet's own files after a power cut."""

from __future__ import annotations

from pathlib import Path

import pytest
from kubefort.paths import KUBELET
from kubefort_agent.host import Host
from kubefort_agent.resources import KubeletFiles

WHOLE = "-----BEGIN X-----\nAA==\n-----END X-----\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    host = Host(root=tmp_path)
    host.path(KUBELET / "pki").mkdir(parents=True)
    return host


async def check(host: Host, contents: dict[str, str], gone: set[str]) -> None:
    for name, content in contents.items():
        host.path(KUBELET / name).write_text(content)
    found = await KubeletFiles().diff(host)
    assert {line.split(":")[0] for line in found} == {str(KUBELET / name) for name in gone}
    await KubeletFiles().apply(host)
    assert {name for name in contents if not host.path(KUBELET / name).exists()} == gone
    assert await KubeletFiles().diff(host) == ()


@pytest.mark.parametrize(
    ("contents", "gone"),
    [
        ({}, set()),
        ({"pki/kubelet.crt": WHOLE, "pki/kubelet.key": WHOLE, "cpu_manager_state": "{}"}, set()),
        ({"pki/kubelet.crt": "", "pki/kubelet.key": WHOLE}, {"pki/kubelet.crt", "pki/kubelet.key"}),
        ({"pki/kubelet.crt": WHOLE, "pki/kubelet.key": WHOLE[:9]}, {"pki/kubelet.crt", "pki/kubelet.key"}),
        ({"pki/kubelet.crt": ""}, {"pki/kubelet.crt"}),
        ({"cpu_manager_state": "", "memory_manager_state": '{"a": 1}'}, {"cpu_manager_state"}),
        ({"cpu_manager_state": '{"polic', "dra_manager_state": "\0\0"}, {"cpu_manager_state", "dra_manager_state"}),
    ],
)
async def test_what_was_cut_off_is_removed_and_nothing_else(
    host: Host, contents: dict[str, str], gone: set[str]
) -> None:
    await check(host, contents, gone)
