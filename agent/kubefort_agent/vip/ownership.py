"""Holding the address: on the interface with a kernel lifetime that must be renewed, announced, with its routes."""

from __future__ import annotations

from functools import partial

from kubefort.errors import Unavailable
from kubefort.vipfile import VipFile

from kubefort_agent.vip.arp import Announcer
from kubefort_agent.vip.codec import pack
from kubefort_agent.vip.netlink import Kernel, Link
from kubefort_agent.vip.realtime import log
from kubefort_agent.vip.renewal import Renewal

# Renewed this often within a lifetime: the kernel rounds to a few hundredths, and one renewal may be late.
_RENEWALS = 3.3


class Ownership:
    """`deadline` is when `timer` wants to be called; None while nothing is held."""

    def __init__(self, kernel: Kernel, config: VipFile, link: Link) -> None:
        self._kernel, self._config, self._link = kernel, config, link
        self._cidrs = (*config.addresses, *config.extra_addresses)
        self._lifetime = config.lifetime_s or (2 if config.interval_ms >= 1000 else 1)
        self._renewal: float | None = None
        self.held = False
        announce = config.announce
        pause = announce.interval_ms / 1000
        self._renewing = Renewal(link.index, self._cidrs, self._lifetime)
        self._announcer = Announcer(link.name, link.mac, announce.repeat, pause, announce.refresh_s)

    @property
    def deadline(self) -> float | None:
        times = [time for time in (self._renewal, self._announcer.deadline) if time is not None]
        return min(times) if times else None

    def fileno(self) -> int:
        """Readable when a renewal has ended: call `renewed`."""
        return self._renewing.fileno()

    def renewed(self) -> None:
        """Raises Unavailable when the kernel refused it."""
        if not self.held:
            # It may have been put on again after it was taken off.
            drop(self._kernel, self._link.index, self._config)
        self._renewing.finish()

    def claim(self, now: float) -> None:
        """Raises Unavailable when the kernel refuses the address."""
        self._put(now)
        for address in map(pack, self._cidrs):
            if len(address) == 16:
                self._kernel.wait_local(address, 0.1)
        self.held = self._renewing.quiet = True
        self.announce(now)
        for route in self._config.routes:
            self._kernel.put_route(self._link.index, route.destination, route.gateway)

    def release(self) -> None:
        self.held, self._renewal = False, None
        self._renewing.quiet = False
        self._announcer.stop()
        drop(self._kernel, self._link.index, self._config)

    def close(self) -> None:
        self.release()
        self._renewing.close()
        self._announcer.close()

    def announce(self, now: float) -> None:
        self._announcer.start(now, [pack(cidr) for cidr in self._cidrs])

    def timer(self, now: float, early: float = 0.0) -> None:
        """Renew and announce what is due, and renew what will be within `early` seconds."""
        if self._renewal is not None and now + early >= self._renewal:
            # Tried again soon when the last one has not ended.
            pause = self._lifetime / _RENEWALS
            self._renewal = now + (pause if self._renewing.start() else pause / 4)
        self._announcer.timer(now)

    def gone(self, now: float, index: int, address: bytes) -> bool:
        """An address was taken off: if it is one we hold, put it back and announce it again."""
        if not self.held or index != self._link.index or address not in map(pack, self._cidrs):
            return False
        self._put(now)
        self.announce(now)
        return True

    def _put(self, now: float) -> None:
        for cidr in self._cidrs:
            self._kernel.put_address(self._link.index, cidr, self._lifetime)
        self._renewal = now + self._lifetime / _RENEWALS


def drop(kernel: Kernel, index: int, config: VipFile) -> bool:
    """Take every route and address of the file off the interface; True when there was one."""
    drops = [partial(kernel.drop_route, index, route.destination, route.gateway) for route in config.routes]
    drops += [partial(kernel.drop_address, index, cidr) for cidr in (*config.addresses, *config.extra_addresses)]
    found = False
    for one in drops:
        try:
            found |= one()
        except Unavailable as error:
            log(4, f"not taken off: {error.message}")
    return found
