from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from kubefort.errors import KubefortError
from kubefort_agent.host import Host
from kubefort_agent.resources import Module, NoSwap, Route, Sysctl

Place = Callable[[str, str], Path]


async def test_a_sysctl_is_set_now_and_for_later_boots(host: Host, place: Place) -> None:
    place("/proc/sys/net/ipv4/ip_forward", "0\n")
    sysctl = Sysctl("net.ipv4.ip_forward", "1")
    undo = await sysctl.undo(host)
    assert "sysctl net.ipv4.ip_forward: is 0, wanted 1" in await sysctl.diff(host)
    await sysctl.apply(host)
    assert await sysctl.diff(host) == ()
    assert "net.ipv4.ip_forward = 1" in host.path("/etc/sysctl.d/99-kubefort.conf").read_text()
    for step in undo:
        await step.run(host)
    assert host.path("/proc/sys/net/ipv4/ip_forward").read_text() == "0\n"
    assert not host.path("/etc/sysctl.d/99-kubefort.conf").exists()


async def test_sysctls_share_a_file_and_leave_it_one_by_one(host: Host, place: Place) -> None:
    for name in ("a", "b"):
        place(f"/proc/sys/net/ipv4/{name}", "0")
    first, second = Sysctl("net.ipv4.a", "1"), Sysctl("net.ipv4.b", "2")
    undo = await first.undo(host)
    for sysctl in (first, second):
        await sysctl.apply(host)
    for step in undo:
        await step.run(host)
    assert await second.diff(host) == ()
    assert "net.ipv4.a" not in host.path("/etc/sysctl.d/99-kubefort.conf").read_text()


async def test_a_new_value_replaces_the_old_line(host: Host, place: Place) -> None:
    place("/proc/sys/net/ipv4/a", "0")
    await Sysctl("net.ipv4.a", "1").apply(host)
    await Sysctl("net.ipv4.a", "2").apply(host)
    assert host.path("/etc/sysctl.d/99-kubefort.conf").read_text().count("net.ipv4.a") == 1


async def test_an_unknown_sysctl_is_an_error_with_a_hint(host: Host) -> None:
    with pytest.raises(KubefortError) as caught:
        await Sysctl("net.none.x", "1").apply(host)
    assert "sysctl -w net.none.x=1" in caught.value.hint


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/sys/module/br_netfilter/refcnt", "0"),
        ("/proc/sys/net/bridge/bridge-nf-call-iptables", "1"),
        ("/proc/modules", "br_netfilter 32768 0 - Live 0x0\n"),
    ],
)
async def test_a_module_is_there_loaded_or_built_in(host: Host, place: Place, path: str, text: str) -> None:
    place(path, text)
    module = Module("br_netfilter")
    await module.apply(host)
    assert await module.diff(host) == ()


async def test_a_module_that_modprobe_loads_not_is_an_error(host: Host) -> None:
    (host.root.parent / "bin/modprobe").unlink()
    with pytest.raises(KubefortError, match="br_netfilter cannot be loaded"):
        await Module("br_netfilter").apply(host)


async def test_swap_goes_off_and_comes_back(host: Host, place: Place) -> None:
    fstab = "# static\nUUID=1 / ext4 defaults 0 1\n/dev/sda2 none swap sw 0 0\n"
    place("/etc/fstab", fstab)
    place("/proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    swap = NoSwap()
    undo = await swap.undo(host)
    assert await swap.diff(host) == (
        "swap /dev/sda2: is in use, wanted off",
        "/etc/fstab: - /dev/sda2 none swap sw 0 0",
    )
    await swap.apply(host)
    place("/proc/swaps", "Filename Type Size Used Priority\n")
    assert await swap.diff(host) == ()
    for step in undo:
        await step.run(host)
    assert host.path("/etc/fstab").read_text() == fstab


async def test_a_route_is_seen_in_the_kernels_table(host: Host, place: Place) -> None:
    route = Route("10.244.1.0/24", "192.0.2.11")
    header = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n"
    place("/proc/net/route", header)
    assert await route.diff(host) == ("route 10.244.1.0/24: is missing, wanted via 192.0.2.11",)
    place("/proc/net/route", header + "eth0 0001F40A 0C0200C0 0003 0 0 0 00FFFFFF 0 0 0\n")
    assert await route.diff(host) == ("route 10.244.1.0/24: goes via 192.0.2.12, wanted via 192.0.2.11",)
    place("/proc/net/route", header + "eth0 0001F40A 0B0200C0 0003 0 0 0 00FFFFFF 0 0 0\n")
    assert await route.diff(host) == ()


async def test_comments_of_fstab_in_any_encoding_stay_as_they_are(host: Host) -> None:
    before = b"# f\xfcr alle\n/dev/sda2 none swap sw 0 0 # gr\xfc\xdfe\n"
    fstab = host.path("/etc/fstab")
    fstab.write_bytes(before)
    swap = NoSwap()
    assert await swap.diff(host) == ("/etc/fstab: - /dev/sda2 none swap sw 0 0 # gr??e",)
    undo = await swap.undo(host)
    await swap.apply(host)
    assert await swap.diff(host) == ()
    assert fstab.read_bytes().startswith(b"# f\xfcr alle\n# kubefort")
    for step in undo:
        await step.run(host)
    assert fstab.read_bytes() == before
