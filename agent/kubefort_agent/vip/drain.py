"""Connections that outlive a planned move: the former holder goes on serving them, the new holder forwards them to it.

The former holder keeps the address on the loopback interface, where nobody finds it by ARP, with a kernel lifetime. The
new holder has nftables send it every TCP packet to the address that belongs to no connection begun since the move
or open here.
Answers go straight to the clients. Connections from the new holder itself and from its pods are not forwarded, as the
kernel does not accept answers that come from its own address: they are reset at once.
"""

from __future__ import annotations

import ipaddress
import os
import select
import signal
import time
from pathlib import Path

from kubefort.errors import Unavailable
from kubefort.vipfile import VipFile

from kubefort_agent.vip.codec import text
from kubefort_agent.vip.netlink import Kernel
from kubefort_agent.vip.realtime import log

TABLE = "kubefort_vip"
NFT = ("/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft")
_LOOPBACK = 1
# Marks a forwarded packet, so that two hosts never send one to and fro.
_FORWARDED = 63
_SYSCTL = Path("/proc/sys/net/ipv4/conf")


def ruleset(config: VipFile, interface: str, former: bytes) -> str:
    """The nftables script that forwards what began before now to `former` (packed address)."""
    family, kind = ("ip", "ipv4_addr") if len(former) == 4 else ("ip6", "ipv6_addr")
    version = 4 if len(former) == 4 else 6
    every = [ipaddress.ip_interface(cidr).ip for cidr in (*config.addresses, *config.extra_addresses)]
    ours = ", ".join(str(address) for address in every if address.version == version)
    match = f'iifname "{interface}" {family} daddr {{ {ours} }} meta l4proto tcp'
    flow = f"{family} saddr . {family} daddr . tcp sport . tcp dport"
    return f"""{forget(family)}
table {family} {TABLE} {{
  set begun {{
    type {kind} . {kind} . inet_service . inet_service
    size 65535
    flags dynamic,timeout
    timeout {config.drain_s + 60}s
  }}
  chain prerouting {{
    type filter hook prerouting priority raw
    {match} jump sort
  }}
  chain sort {{
    tcp flags & (syn | ack) == syn update @begun {{ {flow} }} accept
    {flow} @begun accept
    socket wildcard 0 accept
    {family} dscp {_FORWARDED} accept
    {family} dscp set {_FORWARDED} dup to {text(former)} device "{interface}"
    drop
  }}
}}
"""  # noqa: S608 - nftables' language, of validated addresses


def forget(family: str) -> str:
    """The script that removes our table; adding it first makes that work when there is none."""
    return f"table {family} {TABLE} {{ }}\ndelete table {family} {TABLE}\n"


class Drain:
    """Both sides. `fileno` (-1: none) becomes readable when `prepare` has ended: call `finish`, then go on.

    Without `nft`, or when the host does not let ARP be kept quiet, connections end at a move: `warning` says so.
    """

    def __init__(self, kernel: Kernel, config: VipFile) -> None:
        self._kernel, self._config = kernel, config
        self._cidrs = (*config.addresses, *config.extra_addresses)
        self._family = "ip6" if ":" in config.source else "ip"
        self._program = next((path for path in NFT if os.access(path, os.X_OK)), "")
        self._child = self._descriptor = -1
        self._serving_until = 0.0
        self.deadline: float | None = None
        self.warning = "" if self._program or not config.drain_s else "no nft: connections end when the address moves"

    def fileno(self) -> int:
        return self._descriptor

    def state(self, now: float) -> str:
        if self.deadline is not None:
            return "forwarding"
        return "serving" if now < self._serving_until else ""

    def prepare(self, now: float, interface: str, former: bytes) -> bool:
        """Begin to forward; False when that is not possible here."""
        if not self._program or not self._config.drain_s:
            return False
        self._run(ruleset(self._config, interface, former))
        self.deadline = now + self._config.drain_s
        return self._child > 0

    def finish(self) -> None:
        """The program has ended, or is no longer waited for."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        if self._child > 0:
            ended, status = os.waitpid(self._child, os.WNOHANG)
            if not ended:
                os.kill(self._child, signal.SIGKILL)
                os.waitpid(self._child, 0)
            elif status:
                self.warning = "nft refused the forwarding rules: connections end when the address moves here"
                log(4, self.warning)
        self._child = self._descriptor = -1

    def timer(self, now: float) -> None:
        if self.deadline is not None and now >= self.deadline:
            self.stop_forwarding()

    def stop_forwarding(self) -> None:
        if self.deadline is not None:
            self.deadline = None
            self._run(forget(self._family))

    def serve(self, now: float, interface: str) -> None:
        """Keep the addresses on the loopback interface: before they are taken off the other."""
        if not self._config.drain_s:
            return
        try:
            if self._family == "ip":
                for name, value in (("arp_ignore", 1), ("arp_announce", 2)):
                    path = _SYSCTL / interface / name
                    if int(path.read_text()) < value:
                        path.write_text(f"{value}\n")
            for cidr in self._cidrs:
                host = ipaddress.ip_interface(cidr).ip
                self._kernel.put_address(_LOOPBACK, f"{host}/{host.max_prefixlen}", self._config.drain_s)
            if self._family == "ip6":
                # The kernel makes an IPv6 address effective a little later; the other is taken off next.
                time.sleep(0.02)
        except (OSError, ValueError, Unavailable) as error:
            self.warning = f"connections end when the address moves: {error}"
            log(4, self.warning)
            self.stop_serving()
            return
        self._serving_until = now + self._config.drain_s

    def stop_serving(self) -> None:
        self._serving_until = 0.0
        for cidr in self._cidrs:
            host = ipaddress.ip_interface(cidr).ip
            try:
                self._kernel.drop_address(_LOOPBACK, f"{host}/{host.max_prefixlen}")
            except Unavailable as error:
                log(4, f"not taken off the loopback interface: {error.message}")

    def clean(self) -> None:
        """The rules that a former process has left. What it still serves ends by its lifetime."""
        if self._program:
            self._run(forget(self._family))
            if self._descriptor >= 0:
                select.select([self._descriptor], [], [], 2.0)
            self.finish()

    def _run(self, script: str) -> None:
        # Not kubefort.run: it needs asyncio, and this process neither has it nor may wait.
        self.finish()
        read, write = os.pipe()
        os.write(write, script.encode())
        os.close(write)
        actions = [(os.POSIX_SPAWN_DUP2, read, 0)]
        try:
            self._child = os.posix_spawn(self._program, [self._program, "-f", "-"], {"PATH": ""}, file_actions=actions)
            self._descriptor = os.pidfd_open(self._child)
        except OSError as error:
            log(4, f"{self._program} does not run: {error.strerror}")
        finally:
            os.close(read)
