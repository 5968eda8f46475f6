"""Before an address is used for the first time: does somebody else have it, or speak VRRP here?"""

from __future__ import annotations

import select
import time

from kubefort.errors import InvalidInput, Unavailable
from kubefort.vipfile import Speaker, VipFile, VipProbe

from kubefort_agent.vip import codec
from kubefort_agent.vip.arp import Detector
from kubefort_agent.vip.codec import CodecError
from kubefort_agent.vip.netlink import Kernel, Link
from kubefort_agent.vip.sockets import Packet, Wire

# Three adverts of a router with the usual interval of a second.
PROBE_FOR = 3.2
_ASK_EVERY = 0.5


def probe(config: VipFile, seconds: float) -> VipProbe:
    """Listen for so long, asking for the address meanwhile. Blocks. Raises Unavailable or InvalidInput."""
    link = _link(config.interface)
    addresses = [codec.pack(address) for address in config.addresses]
    speakers: dict[tuple[bytes, int], Speaker] = {}
    try:
        wire = Wire(link.name, link.index, codec.pack(config.source))
        detector = Detector(link.name, link.mac, addresses)
    except OSError as error:
        raise Unavailable(f"nothing can be heard on {config.interface}: {error.strerror}") from error
    in_use = ""
    end = time.monotonic() + seconds
    try:
        while (left := end - time.monotonic()) > 0:
            if not in_use:
                detector.ask()
            pause = min(left, _ASK_EVERY)
            until = time.monotonic() + pause
            while (rest := until - time.monotonic()) > 0:
                select.select([wire.fileno(), detector.fileno()], [], [], rest)
                detector.read()
                in_use = in_use or detector.found
                for packet in wire.receive(64):
                    speaker = _speaker(packet)
                    if speaker is not None and len(speakers) < 64:
                        speakers[packet.source, speaker.vrid] = speaker
    finally:
        wire.close()
        detector.close()
    return VipProbe(speakers=tuple(speakers.values()), in_use=in_use)


def _link(name: str) -> Link:
    kernel = Kernel()
    try:
        link = kernel.link(name)
    finally:
        kernel.close()
    if link is None:
        raise InvalidInput(f"there is no interface {name}", "`ip -br link` lists those there are.")
    return link


def _speaker(packet: Packet) -> Speaker | None:
    try:
        decoded = codec.decode(packet.payload, packet.source, packet.destination, verify=not packet.sum_checked)
    except CodecError:
        return None
    advert = decoded.advert
    return Speaker(
        address=codec.text(packet.source),
        vrid=advert.vrid,
        version=advert.version,
        priority=advert.priority,
        interval_ms=advert.interval_ms,
        addresses=tuple(codec.text(address) for address in advert.addresses),
        authenticated=bool(decoded.trailer),
    )
