"""The host that kfctl runs on: its name, its addresses, its facts, its services."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path

from kubefort.clusterrules import address as parse_address
from kubefort.clusterrules import is_name
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.model.status import Facts
from kubefort.run import CommandFailed, run
from kubefort.waiting import backoff, within

NO_SUCH_UNIT = 5  # systemctl's exit code


def require_root(what: str) -> None:
    """Raises Refused where kfctl does not run as root."""
    if os.geteuid() != 0:
        raise Refused(f"{what} changes this host and needs root", f"type sudo kfctl {what}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def hostname() -> str:
    """This host's name, which becomes the node's; raises InvalidInput where Kubernetes would not take it."""
    name = _read("/proc/sys/kernel/hostname") or socket.gethostname()
    lower = name.lower()
    if name != lower and is_name(lower):
        raise InvalidInput(f'the host name "{name}" has capital letters', f"type hostnamectl set-hostname {lower}")
    if not is_name(name) or len(name) > 63 or lower.split(".")[0] == "localhost":
        raise InvalidInput(
            f'the host name "{name}" cannot be a node\'s name: lower-case letters, digits, "-" and dots, at most 63',
            "type hostnamectl set-hostname NAME",
        )
    return name


def source_address(towards: str = "") -> str:
    """The address that this host uses towards another (default: the world), "" where it has no route."""
    targets = [towards] if towards else ["192.0.2.1", "2001:db8::1"]
    for target in targets:
        try:
            for family, kind, protocol, _, remote in socket.getaddrinfo(target, 9, type=socket.SOCK_DGRAM):
                with socket.socket(family, kind, protocol) as probe:
                    probe.connect(remote)  # a datagram socket: nothing is sent
                    return str(probe.getsockname()[0])
        except OSError:
            continue
    return ""


async def addresses() -> tuple[str, ...]:
    """Global addresses of this host's interfaces."""
    try:
        said = await run("ip", "-json", "address", "show", "scope", "global", "up", timeout=10)
        links = json.loads(said.stdout or "[]")
    except (CommandFailed, ValueError):
        return ()
    return tuple(info["local"] for link in links for info in link.get("addr_info", ()) if "local" in info)


async def advertise_address() -> str:
    """The address others reach this host by: the default route's source, or the only one there is."""
    found = source_address()
    if found:
        return found
    every = await addresses()
    if len(every) == 1:
        return every[0]
    raise InvalidInput(
        "this host has no default route and " + (f"several addresses: {', '.join(every)}" if every else "no address"),
        "say which one others reach: --advertise-address ADDRESS",
    )


async def check_address(text: str) -> str:
    """`text`, where it is an address of this host; raises InvalidInput otherwise."""
    every = await addresses()
    if parse_address(text) is None:
        raise InvalidInput(f'"{text}" is not an IP address', "give one of this host's: " + ", ".join(every))
    if every and text not in every:
        raise InvalidInput(f"{text} is not an address of this host", f"it has {', '.join(every)}")
    return text


async def facts(address: str) -> Facts:
    """What enrolment tells the coordinator about this host."""
    release = dict(line.split("=", 1) for line in _read("/etc/os-release").splitlines() if "=" in line)
    meminfo = dict(line.split(":", 1) for line in _read("/proc/meminfo").splitlines() if ":" in line)
    system = os.uname()
    return Facts(
        hostname=hostname(),
        machine_id=_read("/etc/machine-id"),
        address=address,
        addresses=await addresses(),
        product_uuid=_read("/sys/class/dmi/id/product_uuid"),
        os=release.get("PRETTY_NAME", "").strip("\"'"),
        kernel=system.release,
        architecture=system.machine,
        cpus=os.cpu_count() or 0,
        memory=int(meminfo.get("MemTotal", "0").split()[0]) * 1024,
        cgroup_version=2 if Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        time=time.time(),
    )


async def start_service(unit: str, restart: bool = False) -> None:
    """Enable and start a systemd service (with `restart` also one that runs already)."""
    try:
        await run("systemctl", "enable", unit, timeout=60)
        await run("systemctl", "restart" if restart else "start", unit, timeout=120)
    except CommandFailed as error:
        raise KubefortError(f"{unit} does not start: {error.message}", f"see `journalctl -u {unit} -n 50`") from error


async def stop_service(unit: str) -> None:
    """Stop a systemd service; it stays enabled. Raises InvalidInput where there is none of that name."""
    try:
        await run("systemctl", "stop", unit, timeout=120)
    except CommandFailed as error:
        if error.code == NO_SUCH_UNIT:
            package = unit.partition(".")[0]
            raise InvalidInput(f"{package} is not installed on this host", f"install the package {package}") from error
        raise KubefortError(f"{unit} does not stop: {error.message}", f"see `journalctl -u {unit} -n 50`") from error


async def wait_for_port(host: str, port: int, timeout: float, what: str, unit: str) -> None:
    """Wait until something answers at host:port; raises Unavailable after `timeout` seconds."""

    async def knock() -> None:
        for pause in backoff(0.05, 1.0):
            try:
                _, writer = await asyncio.open_connection(host, port)
            except OSError:
                await asyncio.sleep(pause)
                continue
            writer.close()
            return

    try:
        await within(timeout, knock())
    except TimeoutError as error:
        raise Unavailable(
            f"{what} does not answer at {host}:{port} after {timeout:.0f} s", f"see `journalctl -u {unit} -n 50`"
        ) from error
