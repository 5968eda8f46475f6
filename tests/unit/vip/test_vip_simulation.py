"""2 to 5 routers on a network that loses, delays, repeats, reorders and splits, and hosts that crash and freeze.

The world is independent of the process: it only delivers adverts to machines and watches who is Active.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field

import pytest
from kubefort_agent.vip.machine import Action, Machine, Prepare, Send, Settings, State

INTERVAL = 0.1
# With a third of the packets lost, so many adverts in a row all get lost less than once in a billion.
TWO_ACTIVES_AT_MOST = 35 * INTERVAL
SETTLED_AFTER = 12 * INTERVAL


@dataclass
class Host:
    machine: Machine
    alive: bool = True
    frozen: bool = False
    queue: list[tuple[bytes, Send]] = field(default_factory=list)


class World:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.steps = 0
        self.order = itertools.count()
        self.events: list[tuple[float, int, bytes, bytes, Send]] = []
        self.loss = self.delay = self.twice = 0.0
        self.cut: set[tuple[bytes, bytes]] = set()
        self.hosts: dict[bytes, Host] = {}
        self.together: dict[tuple[bytes, bytes], float] = {}
        self.nobody = False
        self.longest_together = 0.0
        self.preempt, self.drain = self.random.random() < 0.5, self.random.random() < 0.5
        self.hold = self.random.choice((0.0, 5.0))
        for number in range(self.random.randint(2, 5)):
            self.boot(bytes((10, 0, 0, number + 1)))

    def boot(self, address: bytes) -> None:
        priority = 254 - (address[-1] - 1) * self.random.choice((0, 1))
        settings = Settings(priority, address, INTERVAL, preempt=self.preempt, hold=self.hold, drain=self.drain)
        self.hosts[address] = Host(Machine(settings, healthy=self.random.random() < 0.7))
        self.hosts[address].machine.startup(self.now)

    def perform(self, source: bytes, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Prepare):
                heapq.heappush(self.events, (self.now + 0.01, next(self.order), source, b"", Send(0)))
            if not isinstance(action, Send):
                continue
            for target in self.hosts if action.to is None else [action.to]:
                lost = target == source or (source, target) in self.cut or self.random.random() < self.loss
                for _ in range(0 if lost else 1 + (self.random.random() < self.twice)):
                    at = self.now + 0.0002 + self.random.random() * self.delay
                    heapq.heappush(self.events, (at, next(self.order), target, source, action))

    def step(self) -> None:
        """The next packet or timer, whichever is first."""
        running = [(h.machine.deadline, a) for a, h in self.hosts.items() if h.alive and not h.frozen]
        timer = min(((at, a) for at, a in running if at is not None), default=(float("inf"), b""))
        self.steps += 1
        if self.events and self.events[0][0] <= timer[0]:
            at, _, target, source, sent = heapq.heappop(self.events)
            self.now = max(self.now, at)
            host = self.hosts[target]
            if host.frozen:
                host.queue.append((source, sent))
            elif host.alive:
                self.perform(target, self.deliver(host.machine, source, sent))
        elif timer[1]:
            self.now = max(self.now, timer[0])
            self.perform(timer[1], self.hosts[timer[1]].machine.timer(self.now))
        else:
            self.now += INTERVAL
        self.watch()

    def deliver(self, machine: Machine, source: bytes, sent: Send) -> list[Action]:
        """An advert, or (no source) the news that a preparation has ended."""
        if not source:
            return machine.prepared(self.now)
        return machine.advert(self.now, source, sent.priority, INTERVAL, sent.offer)

    def actives(self) -> list[bytes]:
        return [a for a, h in self.hosts.items() if h.alive and not h.frozen and h.machine.state is State.ACTIVE]

    def watch(self) -> None:
        actives = self.actives()
        self.nobody = self.nobody or not actives
        pairs = set(itertools.combinations(sorted(actives), 2))
        # Two that cannot hear each other at all cannot know: that ends with the split, and is checked then.
        audible = {pair for pair in pairs if pair not in self.cut or pair[::-1] not in self.cut}
        self.together = {pair: self.together.get(pair, self.now) for pair in audible}
        for since in self.together.values():
            self.longest_together = max(self.longest_together, self.now - since)

    def thaw(self, host: Host, address: bytes) -> None:
        host.frozen = False
        for source, sent in host.queue:
            self.perform(address, self.deliver(host.machine, source, sent))
        host.queue.clear()
        self.perform(address, host.machine.timer(self.now))

    def disturb(self) -> None:
        """One random fault, or the end of one."""
        address = self.random.choice(list(self.hosts))
        other = self.random.choice(list(self.hosts))
        host, machine = self.hosts[address], self.hosts[address].machine
        kind = self.random.randrange(10)
        if kind == 0:
            host.alive, host.frozen = False, False
            host.queue.clear()
        elif kind == 1 and not host.alive:
            self.boot(address)
        elif kind == 2 and host.alive:
            host.frozen = True
        elif kind == 3 and host.frozen:
            self.thaw(host, address)
        elif kind == 4:
            self.loss = self.random.choice((0.0, 0.1, 0.3))
        elif kind == 5:
            self.delay, self.twice = self.random.choice(((0.001, 0.0), (0.02, 0.1), (0.15, 0.3)))
        elif kind == 6 and address != other:
            self.cut ^= {(address, other)}
        elif kind == 7:
            self.cut.clear()
        elif host.alive and not host.frozen:
            acts = (
                lambda: machine.health(self.now, not machine.healthy),
                lambda: machine.move(self.now, self.random.choice((None, other if other != address else None))),
                lambda: machine.take(self.now, 2.0),
                lambda: machine.release(self.now, 1.0),
            )
            self.perform(address, self.random.choice(acts)())

    def heal(self) -> None:
        self.cut.clear()
        self.loss, self.delay, self.twice = 0.0, 0.001, 0.0
        for address, host in list(self.hosts.items()):
            if not host.alive:
                self.boot(address)
            elif host.frozen:
                self.thaw(host, address)

    def run(self, seconds: float, faults_a_second: float = 0.0) -> None:
        end = self.now + seconds
        next_fault = self.now
        while self.now < end:
            self.step()
            if faults_a_second and self.now >= next_fault:
                next_fault = self.now + self.random.expovariate(faults_a_second)
                self.disturb()


def check(steps: int, seed: int) -> None:
    done = 0
    while done < steps:
        seed += 1
        world = World(seed)
        world.run(20.0, faults_a_second=2.0)
        told = f"seed {seed}, {len(world.hosts)} routers, preempt {world.preempt}"
        assert world.longest_together <= TWO_ACTIVES_AT_MOST, told
        world.heal()
        world.run(SETTLED_AFTER)
        assert len(world.actives()) == 1, told
        world.longest_together, world.together, world.nobody = 0.0, {}, False
        world.run(10.0)
        assert world.longest_together <= INTERVAL, told
        assert not world.nobody, told
        assert len(world.actives()) == 1, told
        done += world.steps


def test_one_active_within_the_bound_whatever_happens() -> None:
    check(20_000, seed=0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_active_within_the_bound_over_a_million_steps() -> None:
    check(1_000_000, seed=1_000_000)
