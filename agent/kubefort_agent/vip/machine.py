"""VRRP's state machine (RFC 9568 section 6.4), pure: events in, actions out, time an argument in seconds.

    Initialize ──startup──▶ Backup ──active down timer──▶ Active
         ▲                    ▲ ◀──higher priority heard, or handed over──┘
         └──shutdown, link down┴── from both

What goes beyond the RFC: health lowers the priority instead of leaving the group; a planned hand-over keeps the address
until the successor is heard; a late own timer means "give up first, then look"; and an Active whose adverts a lower
rival keeps ignoring (it is not heard: one-way loss, refused authentication) yields.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from kubefort.vipfile import VipFile

from kubefort_agent.vip.codec import pack

HEALTH_PENALTY = 100
# A difference that only health can make, as priorities of one group are meant to be close together.
HEALTH_GAP = HEALTH_PENALTY // 2
TAKE_PRIORITY = 255
UNHEARD_ADVERTS = 8
UNHEARD_HOLD = 30.0
OFFER_FOR = 1.0
PREPARE_FOR = 0.3


class State(Enum):
    INITIALIZE = "initialize"
    BACKUP = "backup"
    ACTIVE = "active"


class Send(msgspec.Struct, frozen=True):
    """Send an advert with this priority to all, or (`to`, packed address) to one router.

    `offer`, with priority 0: the sender stays until the successor is heard, so there is time to prepare.
    """

    priority: int
    to: bytes | None = None
    offer: bool = False


class Prepare(msgspec.Struct, frozen=True):
    """About to take over from this living Active: get ready to forward to it what it has, then call `prepared`."""

    source: bytes


class Claim(msgspec.Struct, frozen=True):
    """Put the address on and announce it."""


class Release(msgspec.Struct, frozen=True):
    """Take the address off; `drain`: another router has it, go on serving the connections there are."""

    drain: bool = False


class Announce(msgspec.Struct, frozen=True):
    """Announce the address again: somebody else has claimed it meanwhile."""


Action = Send | Prepare | Claim | Release | Announce


class Settings(msgspec.Struct, frozen=True):
    """`source` is packed; `interval` the advertisement interval in seconds; `hold` seconds without preempting;
    `drain`: a take-over from a living Active waits for `prepared`."""

    priority: int
    source: bytes
    interval: float = 0.1
    version: int = 3
    preempt: bool = False
    preempt_delay: float = 0.0
    hold: float = 60.0
    drain: bool = False


def settings(config: VipFile) -> Settings:
    """The machine's part of the file."""
    return Settings(
        priority=config.priority,
        source=pack(config.source),
        interval=config.interval_ms / 1000,
        version=config.version,
        preempt=config.preempt,
        preempt_delay=config.preempt_delay_s,
        hold=config.hold_s,
        drain=config.drain_s > 0,
    )


class Machine:
    """One virtual router. Call `timer` when `deadline` has come, after all packets that arrived were given in."""

    def __init__(self, settings: Settings, healthy: bool = True) -> None:
        self.settings = settings
        self.healthy = healthy
        self.state = State.INITIALIZE
        self.deadline: float | None = None
        self.reason = "not started"
        self.transitions = 0
        self.late_timers = 0
        self.active_interval = settings.interval
        self.handing_over = False
        self.stopping = False
        self._offer_until = 0.0
        self._preparing: tuple[bytes, str] | None = None
        self._living: tuple[bytes, float] | None = None
        self._preempt_from = 0.0
        self._hold_until = 0.0
        self._unheard_until = 0.0
        self._take_until = 0.0
        self._sent_at = 0.0
        self._announced_at = 0.0
        self._rival_adverts = 0
        self._rival_since = 0.0
        self._listened_on = False

    def priority(self, now: float) -> int:
        """The priority in our adverts at this moment."""
        if now < self._take_until:
            return TAKE_PRIORITY
        return self.settings.priority if self.healthy else max(1, self.settings.priority - HEALTH_PENALTY)

    def skew(self, now: float) -> float:
        unit = self.active_interval if self.settings.version == 3 else 1.0
        return (256 - self.priority(now)) / 256 * unit

    def down_interval(self, now: float) -> float:
        """RFC 9568's Active_Down_Interval."""
        return 3 * self.active_interval + self.skew(now)

    def startup(self, now: float) -> list[Action]:
        self.active_interval = self.settings.interval
        self._preempt_from = now + self.settings.preempt_delay
        self._become(State.BACKUP, "started, listening for an Active")
        self.deadline = now + self.down_interval(now)
        return []

    def link_down(self, reason: str) -> list[Action]:
        held = self.state is State.ACTIVE
        self._become(State.INITIALIZE, reason)
        self.deadline = None
        return [Release()] if held else []

    def shutdown(self, now: float) -> list[Action]:
        """Leave; an Active does so as soon as a successor is heard, or was given time enough. Done when INITIALIZE."""
        self.stopping = True
        if self.state is not State.ACTIVE:
            return self.link_down("stopped")
        return self._hand_over(now, None)

    def move(self, now: float, to: bytes | None) -> list[Action]:
        """Offer the address to `to`, or to whoever is next, and keep it until the successor is heard."""
        return self._hand_over(now, to) if self.state is State.ACTIVE else []

    def take(self, now: float, hold: float) -> list[Action]:
        """Become Active whatever the priorities are, for `hold` seconds."""
        if self.state is State.INITIALIZE:
            return []
        self._take_until = now + hold
        if self.state is State.ACTIVE:
            return self._advertise(now)
        return self._take_over(now, "told to take over")

    def prepared(self, now: float) -> list[Action]:
        """What Prepare asked for is done, or cannot be."""
        if self.state is not State.BACKUP or self._preparing is None:
            return []
        return self._activate(now, self._preparing[1])

    def release(self, now: float, hold: float) -> list[Action]:
        """Give the address up at once, and do not preempt for `hold` seconds."""
        if self.state is not State.ACTIVE:
            return []
        self._hold_until = now + hold
        self._take_until = 0.0
        return [Send(0), *self._back_up(now, "told to release")]

    def reconfigure(self, now: float, settings: Settings) -> list[Action]:
        """Settings that need no restart of the machine: priority, interval, preemption."""
        self.settings = settings
        if self.state is State.ACTIVE and not self.handing_over:
            self.active_interval = settings.interval
            return self._advertise(now)
        return []

    def health(self, now: float, healthy: bool) -> list[Action]:
        if healthy == self.healthy:
            return []
        self.healthy = healthy
        return self._advertise(now) if self.state is State.ACTIVE and not self.handing_over else []

    def advert(self, now: float, source: bytes, priority: int, interval: float, offer: bool = False) -> list[Action]:
        """A valid advert of our group was heard; `interval` is the one it announces, in seconds; `offer` as in Send."""
        given_up = self.timer(now) if self._is_too_late(now) else []
        return given_up + self._advert(now, source, priority, interval, offer)

    def _advert(self, now: float, source: bytes, priority: int, interval: float, offer: bool) -> list[Action]:
        if self.state is State.BACKUP:
            return self._advert_in_backup(now, source, priority, interval, offer)
        if self.state is State.ACTIVE:
            return self._advert_in_active(now, source, priority, interval)
        return []

    def timer(self, now: float) -> list[Action]:
        if self.deadline is None or now < self.deadline:
            return []
        late = now - self.deadline
        if self.state is State.BACKUP:
            if late > self.down_interval(now):
                self.late_timers += 1
                self._preparing = None
                self.deadline = now + self.down_interval(now)
                return []
            if self._preparing is not None:
                return self._activate(now, self._preparing[1])
            if late > self.active_interval / 8 and not self._listened_on and not self._lives(now):
                # Whatever held us up may have held up the Active on its way to us: a stalled network, or hypervisor.
                self._listened_on = True
                self.late_timers += 1
                self.deadline = now + self.active_interval / 2
                return []
            return self._take_over(now, f"no Active heard for {self.down_interval(now) * 1000:.0f} ms")
        if self._is_too_late(now):
            self.late_timers += 1
            return self._back_up(now, f"own timer {late * 1000:.0f} ms late: gave up to look first")
        if self.handing_over and now >= self._offer_until:
            if self.stopping:
                return [Send(0), *self.link_down("stopped, no successor heard")]
            self._become(State.ACTIVE, "nobody took over: still Active")
        return self._advertise(now, paced=True)

    def postpone(self, seconds: float) -> None:
        """The Active's next advert is due so much later: the one before was, as the claim took long."""
        if self.state is State.ACTIVE and self.deadline is not None:
            self.deadline += seconds

    def obstructed(self, now: float, reason: str) -> None:
        """It would be our turn, but somebody outside the group has the address: wait and see."""
        self._become(State.BACKUP, reason)
        self.deadline = now + 1.0

    def _advert_in_backup(self, now: float, source: bytes, priority: int, interval: float, offer: bool) -> list[Action]:
        if self._preparing is not None and source == self._preparing[0]:
            return []
        self._preparing = None
        self._listened_on = False
        if priority == 0:
            self._living = (source, now + OFFER_FOR) if offer else None
            # It has said that it leaves: nothing more to listen for.
            self._listened_on = True
            self.deadline = now + self.skew(now)
            return []
        # Connections to a sick one are better reset than forwarded: they come back to us.
        self._living = None if self._is_sick(now, priority) else (source, now + 2 * interval)
        if priority >= self.priority(now) or not self._preempts(now, priority):
            self.active_interval = interval
            self.deadline = now + self.down_interval(now)
        else:
            # Preempting a living one.
            self._listened_on = True
        return []

    def _advert_in_active(self, now: float, source: bytes, priority: int, interval: float) -> list[Action]:
        own = self.priority(now)
        if priority == 0:
            return [] if self.handing_over else self._advertise(now)
        higher = priority > own or (priority == own and source > self.settings.source)
        if self.handing_over:
            self._hold_until = now + self.settings.hold
            self._take_until = 0.0
            if self.stopping:
                self.link_down("stopped, handed over")
                return [Release(drain=True)]
            return self._back_up(now, "handed over", interval, drain=True)
        if higher:
            return self._back_up(now, f"priority {priority} heard, ours is {own}", interval, drain=self.healthy)
        if self._ignored_by_rival(now):
            self._unheard_until = now + UNHEARD_HOLD
            return self._back_up(now, f"a rival of priority {priority} does not hear us (ours is {own})", interval)
        actions: list[Action] = []
        if now - self._announced_at >= self.settings.interval:
            self._announced_at = now
            actions.append(Announce())
        if not self.handing_over and now - self._sent_at >= self.settings.interval / 4:
            actions += self._advertise(now)
        return actions

    def _is_too_late(self, now: float) -> bool:
        # The other routers wait 3 intervals from our last advert, and the next one was due after the first.
        late = now - self.deadline if self.deadline is not None else 0.0
        return self.state is State.ACTIVE and not self.stopping and late >= 2 * self.settings.interval

    def _is_sick(self, now: float, priority: int) -> bool:
        return self.healthy and self.priority(now) - priority >= HEALTH_GAP

    def _preempts(self, now: float, priority: int) -> bool:
        if now < self._unheard_until:
            return False
        if self._is_sick(now, priority):
            return True
        return self.settings.preempt and now >= self._preempt_from and now >= self._hold_until

    def _ignored_by_rival(self, now: float) -> bool:
        window = 2 * UNHEARD_ADVERTS * self.settings.interval
        if now - self._rival_since > window:
            self._rival_since, self._rival_adverts = now, 0
        self._rival_adverts += 1
        return self._rival_adverts >= UNHEARD_ADVERTS and now - self._rival_since >= window / 4

    def _take_over(self, now: float, reason: str) -> list[Action]:
        """Become Active; where another Active lives, not before its connections can be forwarded to it."""
        if not self.settings.drain or self._living is None or not self._lives(now):
            return self._activate(now, reason)
        source = self._living[0]
        self._preparing = (source, reason)
        self.deadline = now + PREPARE_FOR
        return [Prepare(source)]

    def _lives(self, now: float) -> bool:
        return self._living is not None and now <= self._living[1]

    def _activate(self, now: float, reason: str) -> list[Action]:
        self._become(State.ACTIVE, reason)
        self.active_interval = self.settings.interval
        self._announced_at, self._rival_since = now, 0.0
        # Claimed before it is said, so that a holder who hands over lets go of an address that is answered for already.
        return [Claim(), *self._advertise(now)]

    def _back_up(self, now: float, reason: str, interval: float | None = None, drain: bool = False) -> list[Action]:
        self._become(State.BACKUP, reason)
        self.active_interval = interval or self.settings.interval
        self.deadline = now + self.down_interval(now)
        return [Release(drain)]

    def _hand_over(self, now: float, to: bytes | None) -> list[Action]:
        """Say 0, and stay until a successor is heard. Who does not know offers just waits its skew time."""
        self.handing_over = True
        self._take_until = 0.0
        offer = self.settings.drain and self.settings.version == 3
        unit = self.settings.interval if self.settings.version == 3 else 1.0
        self._offer_until = now + (OFFER_FOR if offer else unit + 0.05)
        self.deadline = now + self.settings.interval if offer else self._offer_until
        return [Send(0, to, offer)]

    def _advertise(self, now: float, paced: bool = False) -> list[Action]:
        interval = self.settings.interval
        following = (self.deadline or now) + interval if paced else now + interval
        self.deadline = following if following > now else now + interval
        self._sent_at = now
        return [Send(self.priority(now))]

    def _become(self, state: State, reason: str) -> None:
        if state is not self.state:
            self.transitions += 1
        self.state, self.reason = state, reason
        self.handing_over = False
        self._preparing = self._living = None
        self._listened_on = False
