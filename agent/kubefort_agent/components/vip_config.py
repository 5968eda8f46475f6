"""The virtual IP's input file as a resource: its keys are fetched, its interface is looked up on the host."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from kubefort import files, vipfile
from kubefort.errors import InvalidInput, Unavailable
from kubefort.model.spec import NodeSpec
from kubefort.paths import VIP_CONFIG

from kubefort_agent.components.vip import vip_file
from kubefort_agent.resources.file import difference
from kubefort_agent.resources.secret import KEPT
from kubefort_agent.resources.undo import RestoreFile, Undo

if TYPE_CHECKING:
    from kubefort_agent.host import Host


@dataclass(frozen=True)
class VipConfig:
    """/etc/kubefort/vip.json. The secrets come from their kept copies, which Secret resources before this one make."""

    spec: NodeSpec
    every: ClassVar[float] = 5.0

    @property
    def key(self) -> str:
        return "virtual IP"

    async def diff(self, host: Host) -> tuple[str, ...]:
        try:
            content = self._content(host)
        except FileNotFoundError as error:
            return (f"{VIP_CONFIG}: {error.filename} is missing",)
        return difference(host.path(VIP_CONFIG), VIP_CONFIG, content, 0o600, secret=True)

    async def apply(self, host: Host) -> None:
        files.write(host.path(VIP_CONFIG), self._content(host), 0o600)

    async def undo(self, host: Host) -> tuple[Undo, ...]:
        return (RestoreFile(str(VIP_CONFIG)),)

    def _content(self, host: Host) -> bytes:
        vip = self.spec.cluster.vip
        if vip is None:
            raise InvalidInput("the cluster has no virtual IP")
        secrets = {key.id: host.path(KEPT / key.secret).read_bytes().hex() for key in self.spec.vip_keys}
        interface = vip.interface or interface_of(self.spec.node.address, host.root)
        return vipfile.encode(vip_file(self.spec, vip, interface, secrets))


def interface_of(address: str, root: Path = Path("/")) -> str:
    """The interface whose network holds the address. Raises Unavailable when there is none (yet)."""
    found = _interface_of_ipv6(address, root) if ":" in address else _interface_of_ipv4(address, root)
    if not found:
        raise Unavailable(
            f"no interface of this host has a network with {address}", "set vip.interface in cluster.yaml"
        )
    return found


def _interface_of_ipv4(address: str, root: Path) -> str:
    """The most specific route without a gateway (/proc/net/route: little-endian hexadecimal)."""
    wanted = int(ipaddress.IPv4Address(address))
    best, name = -1, ""
    for line in (root / "proc/net/route").read_text().splitlines()[1:]:
        interface, destination, gateway, *rest = line.split()
        network, mask = (int.from_bytes(bytes.fromhex(field), "little") for field in (destination, rest[4]))
        if int(gateway, 16) == 0 and wanted & mask == network and mask > best:
            best, name = mask, interface
    return name


def _interface_of_ipv6(address: str, root: Path) -> str:
    wanted = ipaddress.IPv6Address(address)
    for line in (root / "proc/net/if_inet6").read_text().splitlines():
        fields = line.split()
        if ipaddress.IPv6Address(int(fields[0], 16)) == wanted:
            return fields[-1]
    return ""
