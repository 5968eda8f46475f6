"""One VRRP group seen from the wire: which packets count, who else speaks, and how our adverts look."""

from __future__ import annotations

import time
from collections.abc import Iterable

import msgspec
from kubefort.vipfile import PeerHeard, VipFile

from kubefort_agent.vip import auth, codec
from kubefort_agent.vip.codec import Advert, CodecError
from kubefort_agent.vip.sockets import Packet

_MOST_ROUTERS = 64
# What cannot change without leaving the group first.
IDENTITY = (
    "interface",
    "addresses",
    "extra_addresses",
    "routes",
    "vrid",
    "version",
    "source",
    "lifetime_s",
    "announce",
)
# With priority 0 the interval says nothing to other implementations; ours is longer by this when it is an offer.
OFFER_MS = 10


class Router(msgspec.Struct):
    """What we know of one sender; `heard` is the time of its last valid advert."""

    heard: float
    priority: int
    interval_ms: int
    adverts: int = 0
    clock_offset: float | None = None


class Heard(msgspec.Struct, frozen=True):
    """A valid advert of our group; `interval` in seconds, `offer` as in machine.Send."""

    source: bytes
    priority: int
    interval: float
    offer: bool


class Group:
    """Settings, counters and the routers heard. `sequence` and `verifier` live on when settings change."""

    def __init__(self, config: VipFile) -> None:
        self.sequence = auth.Sequence()
        self.verifier = auth.Verifier("off", {})
        self.routers: dict[bytes, Router] = {}
        self.rejected: dict[str, int] = {}
        self.strangers: dict[bytes, str] = {}
        self.received = self.lost = 0
        self.pseudo_header: bool | None = None
        self.configure(config)

    def configure(self, config: VipFile) -> None:
        """Take over new settings, keeping what was heard."""
        self.config = config
        self.source = codec.pack(config.source)
        self.peers = frozenset(codec.pack(peer) for peer in config.peers)
        self.addresses = tuple(codec.pack(address) for address in config.addresses)
        self.keys = {key.id: bytes.fromhex(key.secret) for key in config.auth.keys}
        window = max(3 * config.interval_ms / 1000, 5.0) if config.auth.freshness == "time" else None
        self.verifier.mode, self.verifier.keys, self.verifier.window_s = config.auth.mode, self.keys, window

    def advert(self, priority: int, offer: bool = False) -> tuple[Advert, bytes]:
        """Our next advert and its trailer (empty when adverts are sent without)."""
        config = self.config
        interval = config.interval_ms + (OFFER_MS if offer else 0)
        advert = Advert(config.version, config.vrid, priority, interval, self.addresses)
        key_id = config.auth.send_key_id
        if config.auth.mode not in ("permissive", "enforce") or key_id is None:
            return advert, b""
        return advert, auth.trailer(key_id, self.keys[key_id], self.sequence.next(time.time()), advert, self.source)

    def receive(self, packet: Packet, now: float) -> Heard | None:
        """Check one packet; None (and a count by cause) when it must not matter."""
        try:
            decoded, offset = self._check(packet)
        except (CodecError, auth.AuthError) as error:
            self.rejected[error.cause] = self.rejected.get(error.cause, 0) + 1
            if (
                error.cause in ("vrid", "addresses", "auth-forged", "wrong-source")
                and len(self.strangers) < _MOST_ROUTERS
            ):
                self.strangers[packet.source] = str(error)
            return None
        advert = decoded.advert
        self.received += 1
        if advert.version == 3 and not packet.sum_checked:
            self.pseudo_header = decoded.pseudo_header
        router = self._note(packet.source, advert, offset, now)
        offer = advert.version == 3 and not advert.priority and advert.interval_ms == router.interval_ms + OFFER_MS
        return Heard(packet.source, advert.priority, router.interval_ms / 1000, offer)

    def refuse(self, packets: Iterable[Packet], unread: int, now: float) -> None:
        """Count what is not ours, and so many more that found no room to be looked at."""
        for packet in packets:
            self.receive(packet, now)
        if unread:
            self.rejected["overflow"] = self.rejected.get("overflow", 0) + unread

    def _check(self, packet: Packet) -> tuple[codec.Decoded, float | None]:
        if len(packet.payload) > 1 and packet.payload[1] != self.config.vrid:
            raise CodecError("vrid", f"another group: VRID {packet.payload[1]}")
        # keepalived sends IPv6 unicast with the host's default hop limit.
        if packet.ttl != 255 and not (self.peers and len(packet.source) == 16):
            raise CodecError("ttl", f"TTL {packet.ttl} is not 255: the packet came through a router")
        if packet.source == self.source:
            raise CodecError("own-source", "an advert with our own address as its source")
        if self.peers and packet.source not in self.peers:
            raise CodecError("wrong-source", "the sender is not among the peers")
        decoded = codec.decode(packet.payload, packet.source, packet.destination, verify=not packet.sum_checked)
        advert = decoded.advert
        if advert.version != self.config.version:
            raise CodecError("version", f"VRRP version {advert.version}, ours is {self.config.version}")
        if advert.interval_ms == 0 or (advert.version == 2 and advert.interval_ms != self.config.interval_ms):
            raise CodecError(
                "interval", f"advertisement interval {advert.interval_ms} ms, ours {self.config.interval_ms} ms"
            )
        # A common address is enough: while one is being added, the hosts of a group differ for a moment.
        if not set(self.addresses) & set(advert.addresses):
            theirs = ", ".join(codec.text(address) for address in advert.addresses)
            raise CodecError("addresses", f"our VRID {advert.vrid} with other addresses: {theirs}")
        return decoded, self.verifier.check(decoded, packet.source, time.time())

    def _note(self, source: bytes, advert: Advert, offset: float | None, now: float) -> Router:
        router = self.routers.get(source)
        if router is None:
            if len(self.routers) >= _MOST_ROUTERS:
                del self.routers[min(self.routers, key=lambda address: self.routers[address].heard)]
            router = self.routers[source] = Router(now, advert.priority, advert.interval_ms)
        elif router.priority and advert.priority:
            missed = round((now - router.heard) * 1000 / router.interval_ms) - 1
            # A longer silence is no loss: somebody else was Active meanwhile.
            self.lost += missed if 0 < missed < 50 else 0
        if advert.priority:
            router.interval_ms = advert.interval_ms
        router.heard, router.priority, router.clock_offset = now, advert.priority, offset
        router.adverts += 1
        return router

    def peers_heard(self, now: float) -> tuple[PeerHeard, ...]:
        return tuple(
            PeerHeard(
                address=codec.text(address),
                priority=router.priority,
                interval_ms=router.interval_ms,
                ago_s=round(now - router.heard, 3),
                adverts=router.adverts,
                clock_offset_s=None if router.clock_offset is None else round(router.clock_offset, 3),
            )
            for address, router in self.routers.items()
        )
