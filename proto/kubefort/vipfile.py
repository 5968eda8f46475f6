"""What the agent and kubefort-vip say to each other: the input file, and the documents on the status socket.

The agent writes VipFile to /etc/kubefort/vip.json (mode 0600, it carries keys) and kubefort-vip reads it again when it
changes or on SIGHUP. kubefort-vip answers on a unix socket: one line with a VipRequest, one line back with a VipReply.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Literal

import msgspec

from kubefort.errors import InvalidInput

CONFIG_PATH = Path("/etc/kubefort/vip.json")
SOCKET_PATH = Path("/run/kubefort-vip/vip.sock")

AuthMode = Literal["off", "receive-only", "permissive", "enforce"]


def _need(condition: bool, message: str) -> None:
    if not condition:
        raise ValueError(message)


class VipKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A secret that authenticates adverts; `secret` is 16 to 64 bytes in hexadecimal."""

    id: int
    secret: str

    def __post_init__(self) -> None:
        _need(1 <= self.id <= 255, f"key id {self.id} is not within 1..255")
        try:
            size = len(bytes.fromhex(self.secret))
        except ValueError:
            raise ValueError(f"the secret of key {self.id} is not hexadecimal") from None
        _need(16 <= size <= 64, f"the secret of key {self.id} has {size} bytes, needed are 16 to 64")


class VipAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How adverts are authenticated (draft-cassen-vrrp-auth-hmac).

    off: neither sent nor accepted. receive-only: sent without, accepted with and without. permissive: sent with,
    accepted with and without. enforce: sent with, accepted only with. A trailer that does not verify is refused always.
    `freshness` is what a receiver demands of the sequence: growth, or growth within a window around its own clock.
    """

    mode: AuthMode = "off"
    keys: tuple[VipKey, ...] = ()
    send_key_id: int | None = None
    freshness: Literal["monotonic", "time"] = "monotonic"

    def __post_init__(self) -> None:
        ids = [key.id for key in self.keys]
        _need(len(set(ids)) == len(ids), "two keys have the same id")
        _need(self.mode == "off" or bool(ids), f"authentication mode {self.mode} needs a key")
        _need(
            self.send_key_id is None or self.send_key_id in ids, f"send_key_id {self.send_key_id} is not among the keys"
        )
        if self.mode in ("permissive", "enforce"):
            _need(self.send_key_id is not None, f"authentication mode {self.mode} needs send_key_id")


class VipHealth(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The check that makes this host fit to hold the address: an HTTP GET that answers 200.

    `ca_file` empty: the server's certificate is not verified (sensible on loopback only). `server_name` is the name to
    find in the certificate when it is not the URL's host. `rise` and `fall`: results in a row that change the verdict.
    """

    url: str
    ca_file: str = ""
    server_name: str = ""
    interval_ms: int = 500
    timeout_ms: int = 1000
    rise: int = 2
    fall: int = 2

    def __post_init__(self) -> None:
        _need(self.url.startswith(("https://", "http://")), f"health url {self.url!r} is neither https:// nor http://")
        _need(50 <= self.interval_ms <= 60_000, "health interval_ms is not within 50..60000")
        _need(50 <= self.timeout_ms <= 60_000, "health timeout_ms is not within 50..60000")
        _need(1 <= self.rise <= 100 and 1 <= self.fall <= 100, "health rise and fall are not within 1..100")


class VipAnnounce(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Gratuitous ARP or unsolicited neighbour advertisements: at once, then `repeat` more, then every `refresh_s`."""

    repeat: int = 5
    interval_ms: int = 200
    refresh_s: int = 60

    def __post_init__(self) -> None:
        _need(0 <= self.repeat <= 100, "announce repeat is not within 0..100")
        _need(10 <= self.interval_ms <= 60_000, "announce interval_ms is not within 10..60000")
        _need(0 <= self.refresh_s <= 86_400, "announce refresh_s is not within 0..86400 (0: never)")


class VipRoute(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A route that follows the address: through `gateway` when there is one, else directly on the interface."""

    destination: str
    gateway: str = ""

    def __post_init__(self) -> None:
        ipaddress.ip_network(self.destination)
        if self.gateway:
            ipaddress.ip_address(self.gateway)


class VipFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """/etc/kubefort/vip.json: everything kubefort-vip needs to know.

    `addresses` (CIDR, at most 20, one family, IPv6: a link-local one first when there is any) are those in the adverts;
    `extra_addresses` and `routes` just follow. `source` is this host's own address on `interface`; `peers` empty means
    multicast. `priority` 1..254: high and close (254, 253, ...) makes planned moves fast. `lifetime_s`: how long the
    kernel keeps the address when the process stops renewing it (0: 1 s, or 2 s when adverts are a second apart).
    `hold_s`: how long the former holder of a planned move does not take the address back. `drain_s`: how long it still
    serves the connections it has, which the new holder forwards to it (needs `nft` there; 0: they end at the move).
    """

    interface: str
    addresses: tuple[str, ...]
    vrid: int
    priority: int
    source: str
    peers: tuple[str, ...] = ()
    interval_ms: int = 100
    version: Literal[2, 3] = 3
    preempt: bool = False
    preempt_delay_s: float = 0.0
    auth: VipAuth = VipAuth()
    health: VipHealth | None = None
    announce: VipAnnounce = VipAnnounce()
    lifetime_s: int = 0
    hold_s: float = 60.0
    drain_s: int = 30
    extra_addresses: tuple[str, ...] = ()
    routes: tuple[VipRoute, ...] = ()

    def __post_init__(self) -> None:
        _need(
            0 < len(self.interface) <= 15 and "/" not in self.interface, f"no interface can be named {self.interface!r}"
        )
        _need(1 <= len(self.addresses) <= 20, "addresses needs 1 to 20 entries")
        families = {ipaddress.ip_interface(address).version for address in self.addresses}
        families |= {ipaddress.ip_address(address).version for address in (self.source, *self.peers)}
        _need(len(families) == 1, "addresses, source and peers mix IPv4 and IPv6: a group has one family")
        for address in self.extra_addresses:
            ipaddress.ip_interface(address)
        _need(self.source not in self.peers, f"peers contains this host's own address {self.source}")
        _need(1 <= self.vrid <= 255, f"vrid {self.vrid} is not within 1..255")
        _need(1 <= self.priority <= 254, f"priority {self.priority} is not within 1..254")
        _need(0 <= self.preempt_delay_s <= 3600, "preempt_delay_s is not within 0..3600")
        _need(0 <= self.lifetime_s <= 60, "lifetime_s is not within 0..60")
        _need(0 <= self.hold_s <= 86_400, "hold_s is not within 0..86400")
        _need(0 <= self.drain_s <= 3600, "drain_s is not within 0..3600")
        if self.version == 2:
            _need(families == {4}, "VRRP version 2 knows IPv4 only")
            _need(self.interval_ms % 1000 == 0 and 1000 <= self.interval_ms <= 255_000, "version 2 needs whole seconds")
        else:
            _need(
                self.interval_ms % 10 == 0 and 10 <= self.interval_ms <= 40_950,
                f"interval_ms {self.interval_ms} is not a multiple of 10 within 10..40950",
            )


class PeerHeard(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A router of our group, as last heard; `ago_s` seconds since."""

    address: str
    priority: int
    interval_ms: int
    ago_s: float
    adverts: int
    clock_offset_s: float | None = None


class HealthStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The health check's verdict. `cause` is a word to count by, `reason` a sentence for people."""

    healthy: bool
    cause: Literal["", "unknown", "refused", "hung", "http", "tls", "error"] = ""
    reason: str = ""
    checks: int = 0
    failures: int = 0


class VipStatus(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What kubefort-vip knows; all counters since its start.

    `lost` counts adverts of an Active that came late or never. `rejected` is by cause: checksum, length, ttl, vrid,
    version, source, addresses, interval, auth-missing, auth-key, auth-forged, auth-replayed, auth-clock, ...
    """

    state: Literal["initialize", "backup", "active"]
    holder: bool
    reason: str
    since_s: float
    interface: str
    addresses: tuple[str, ...]
    vrid: int
    version: int
    priority: int
    effective_priority: int
    interval_ms: int
    active: str
    transitions: int
    sent: int
    received: int
    lost: int
    rejected: dict[str, int]
    peers: tuple[PeerHeard, ...]
    auth_mode: AuthMode
    auth_send_key_id: int | None
    health: HealthStatus
    strangers: tuple[str, ...] = ()
    auth_key_ids: tuple[int, ...] = ()
    checksum: Literal["", "with-pseudo-header", "without-pseudo-header"] = ""
    draining: Literal["", "serving", "forwarding"] = ""
    late_timers: int = 0
    worst_late_ms: float = 0.0
    real_time: bool = False
    warnings: tuple[str, ...] = ()
    events: tuple[str, ...] = ()


class VipRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """status: answer with a VipStatus. The others change who holds the address.

    move: the holder lets `to` (or whoever is next) take over, and gives up when it hears it; answered at the end.
    take: this host takes over now, though its priority may be lower. release: give up, and stay away for `hold_s`.
    """

    command: Literal["status", "move", "take", "release"]
    to: str = ""
    hold_s: float | None = None

    def __post_init__(self) -> None:
        if self.to:
            ipaddress.ip_address(self.to)


class VipReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The answer: `message` in words; `status` as it is after the command."""

    ok: bool
    message: str = ""
    status: VipStatus | None = None


class Speaker(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A VRRP router heard on the segment, of whatever group."""

    address: str
    vrid: int
    version: int
    priority: int
    interval_ms: int
    addresses: tuple[str, ...]
    authenticated: bool


class VipProbe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `kubefort-vip probe` found before the address is ever claimed; `in_use` empty: nobody answers for it."""

    speakers: tuple[Speaker, ...]
    in_use: str


def decode(content: bytes, name: str = "vip.json") -> VipFile:
    """Parse and check a VipFile; raises InvalidInput that names what is wrong and where."""
    try:
        return msgspec.json.decode(content, type=VipFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{name} is not a valid virtual IP file: {error}") from error


def encode(document: VipFile) -> bytes:
    """The file's content, the same bytes for the same settings."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def load(path: Path = CONFIG_PATH) -> VipFile:
    """Read and check the file; raises InvalidInput, also when it cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    return decode(content, str(path))
