"""A lab: hosts on one network, remembered in a file, so that another process finds them again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TypedDict, TypeVar

from tests.lab import image, machine, network
from tests.lab.host import Host
from tests.lab.logs import collect
from tests.lab.paths import cache, locked
from tests.lab.shell import LabError, run, say, step

T = TypeVar("T")
FIRST_ADDRESS = 11


class _State(TypedDict):
    subnet: str
    hosts: dict[str, dict[str, str]]
    partitions: list[list[str]]


class Lab:
    """Real hosts on this machine. As a context manager it takes everything down at the end; without, it stays up.

    Lab("demo") finds what an earlier process created under that name. Methods may be called from several threads.
    Raises LabError and its kinds.
    """

    def __init__(self, name: str = "kubefort") -> None:
        self.name = name
        self._guard = threading.RLock()
        self._held = ExitStack()
        self._folder = cache() / "labs" / name
        self._state: _State = {"subnet": "", "hosts": {}, "partitions": []}
        if self._file.exists():
            self._state = json.loads(self._file.read_text())

    def __enter__(self) -> Lab:
        self._held.enter_context(locked(f"lab-{self.name}"))  # two runs of one test wait for each other
        if self._file.exists():
            self._state = json.loads(self._file.read_text())
        self.down()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        with self._held:
            self.down()

    @property
    def hosts(self) -> list[Host]:
        """All hosts, in the order of their creation."""
        return [Host(lab=self.name, name=name, **fields) for name, fields in self._state["hosts"].items()]

    def host(self, name: str) -> Host:
        for host in self.hosts:
            if host.name == name:
                return host
        raise LabError(f"lab {self.name} has no host {name!r}; it has {', '.join(self._state['hosts']) or 'none'}")

    # -- up and down

    def create(self, name: str, suite: str = "trixie", wait: bool = True) -> Host:
        """A new host, booted (unless wait is False). The name is its host name: lower case, up to 40 characters."""
        return self.create_all({name: suite}, wait=wait)[0]

    def create_all(self, wanted: dict[str, str], wait: bool = True) -> list[Host]:
        """New hosts (name -> suite), all at once."""
        if not wanted:
            return []
        machine.prepare()
        images = {suite: image.ensure(suite) for suite in dict.fromkeys(wanted.values())}
        with self._guard:
            hosts = [self._admit(name, suite, images[suite]) for name, suite in wanted.items()]
        with step(f"starting {', '.join(wanted)}"):
            each(Host.create, hosts)
            if wait:
                each(Host.wait_boot, hosts)
        return hosts

    def _admit(self, name: str, suite: str, tag: str) -> Host:
        if not self._state["subnet"]:
            self._folder.mkdir(parents=True, exist_ok=True)
            with locked("network"):
                network.remove(self.name)
                self._state["subnet"] = network.free_subnet()
                network.create(self.name, self._state["subnet"])
        if name in self._state["hosts"]:
            raise LabError(f"lab {self.name} has a host {name} already")
        prefix = self._state["subnet"].rpartition(".")[0]
        taken = {fields["address"] for fields in self._state["hosts"].values()}
        free = (f"{prefix}.{number}" for number in range(FIRST_ADDRESS, 200))
        address = next(address for address in free if address not in taken)
        self._state["hosts"][name] = {"suite": suite, "image": tag, "address": address}
        self._save()
        return self.host(name)

    def remove(self, *hosts: Host) -> None:
        """These hosts are gone, disks and all."""
        each(Host.remove, hosts)
        with self._guard:
            for host in hosts:
                self._state["hosts"].pop(host.name, None)
            self._save()

    def down(self) -> None:
        """Every host, disk and the network of this lab is gone. Idempotent; also clears what a killed run left."""
        if not self._file.exists():
            return
        machine.prepare()
        with step(f"taking lab {self.name} down"):
            network.set_partitions(self.name, ())
            self.remove(*self.hosts)
            left = run("docker", "ps", "-aq", "--filter", f"label=kubefort-lab={self.name}").split()
            if left:
                run("docker", "rm", "--force", "--volumes", *left, timeout=120)
            network.remove(self.name)
        self._state = {"subnet": "", "hosts": {}, "partitions": []}
        self._file.unlink()

    # -- faults that touch several hosts

    def cut_power(self, *hosts: Host) -> None:
        """The power of these hosts (all, when none is named) fails at one instant; what was not fsynced is gone."""
        victims = [host for host in hosts or self.hosts if host.powered]
        with step(f"cutting the power of {', '.join(host.name for host in victims)}"):
            # First nobody hears of them: what they still sync before their disk stops is a promise to nobody.
            each(Host.unplug_for_good, victims)
            for host in victims:
                host.disk.cut()
            for host in victims:
                host.kill()
            each(Host.wait_off, victims)
            each(lambda host: host.disk.detach(), victims)

    def restore_power(self, *hosts: Host, wait: bool = False) -> None:
        """Switch these hosts (all, when none is named) on; wait: until they have booted."""
        chosen = hosts or self.hosts
        with step(f"power to {', '.join(host.name for host in chosen)}"):
            each(Host.start, chosen)
            self._apply_partitions()
            if wait:
                each(Host.wait_boot, chosen)

    start = restore_power

    def partition(self, some: Iterable[Host], others: Iterable[Host]) -> None:
        """No frame passes between the two sets, either way; adds to partitions made before."""
        pairs = [[a.name, b.name] for a in some for b in others]
        with self._guard:
            self._state["partitions"] += pairs
            self._save()
        say(f"partition: {' '.join('|'.join(pair) for pair in pairs)}")
        self._apply_partitions()

    def heal(self) -> None:
        """End all partitions."""
        with self._guard:
            self._state["partitions"] = []
            self._save()
        self._apply_partitions()

    def _apply_partitions(self) -> None:
        with self._guard:
            names = {name for pair in self._state["partitions"] for name in pair}
            cables = {name: self.host(name).cable() for name in names if self.host(name).powered}
            pairs = [(cables[a], cables[b]) for a, b in self._state["partitions"] if a in cables and b in cables]
            network.set_partitions(self.name, pairs)

    # -- evidence

    def logs(self, folder: Path) -> None:
        """Gather what a person needs to understand a failure into `folder`/HOST/; never raises for a dead host."""
        each(lambda host: collect(host, folder / host.name), self.hosts)
        say(f"logs are in {folder}")

    @property
    def _file(self) -> Path:
        return self._folder / "state.json"

    def _save(self) -> None:
        fresh = self._folder / ".state.json"
        fresh.write_text(json.dumps(self._state, indent=1))
        fresh.replace(self._file)


def each(action: Callable[[Host], T], hosts: Iterable[Host]) -> list[T]:
    """Do the same to several hosts at once; raises the first error after all have ended."""
    chosen = list(hosts)
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        futures = [pool.submit(action, host) for host in chosen]
    return [future.result() for future in futures]
