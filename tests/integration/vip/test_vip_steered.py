"""The coordinator's operations with real kubefort-vips: specs become files as the agent makes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from kubefort import vipfile
from kubefort.model.cluster import Cluster, VirtualIP
from kubefort.model.operation import OperationState, VipMoveArguments, VipRotateKeyArguments
from kubefort.model.spec import NodeSpec, VipKey
from kubefort.model.status import Facts, NodeStatus
from kubefort.waiting import within
from kubefort_agent.components.vip import vip_file
from kubefort_agent.host import vip
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.vipwatch import VipWatch
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import kinds
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.records import ClusterRecord, HostRecord, Settings

from tests.netns.hosts import VIP, Host, Lab, wait_for
from tests.netns.traffic import serve, traffic

VIRTUAL = VirtualIP(VIP)


class Steered:
    """A coordinator, and for each of three hosts as much of an agent as concerns the virtual IP."""

    def __init__(self, lab: Lab, folder: Path, *, keys: bool) -> None:
        self.lab, self.folder = lab, folder
        self.coordinator = Coordinator(folder / "coordinator")
        records = self.coordinator.records
        records.put_settings(Settings("10.99.0.1"))
        record = ClusterRecord(Cluster("v1.36.2", vip=VIRTUAL), "cp1", bootstrapped=True)
        if keys:
            record = msgspec.structs.replace(record, vip_keys=(VipKey(1, self.coordinator.pki.ensure_vip_key(1)),))
        records.put_cluster(record)
        self.hosts: dict[str, Host] = {}
        self.taken: dict[str, NodeSpec] = {}
        self.reports: dict[str, Report] = {}
        self.watches: dict[str, VipWatch] = {}
        for index in range(3):
            host = lab.host()
            name = f"cp{host.number}"
            self.hosts[name] = host
            facts = Facts(hostname=name, machine_id=name, address=host.address)
            records.put_host(HostRecord(name, "control-plane", host.address, facts, index, stage="node"))
            self.coordinator.observer.connected(name)
            self.reports[name] = report = Report(name)
            ask = partial(vip.status, host.run_folder / "vip.sock")
            self.watches[name] = VipWatch(report, partial(self.coordinator.spec, name), ask)
        self.coordinator.publish()
        for name in self.hosts:
            self.take_up(name, self.coordinator.spec(name))

    def take_up(self, name: str, spec: NodeSpec) -> None:
        """As the agent does: the file is replaced, nobody is told."""
        secrets = {key.id: self.coordinator.pki.secret(key.secret).hex() for key in spec.vip_keys}
        made = msgspec.structs.replace(vip_file(spec, VIRTUAL, "eth0", secrets), health=None)
        path = self.hosts[name].config.with_suffix(".new")
        path.write_bytes(vipfile.encode(made))
        path.rename(self.hosts[name].config)
        self.taken[name] = spec

    async def agents(self) -> None:
        while True:
            for name in self.hosts:
                spec = self.coordinator.spec(name)
                if spec != self.taken[name]:
                    self.take_up(name, spec)
                await self.watches[name].look(spec)
                facts = self.coordinator.records.need_host(name).facts
                found = self.reports[name].status().vip
                self.coordinator.observer.status(name, NodeStatus(spec.generation, True, facts, vip=found))
            await asyncio.sleep(0.1)

    async def perform(self, kind: str, arguments: VipMoveArguments | VipRotateKeyArguments) -> OperationState:
        id = self.runner.begin(kind, arguments).id

        async def end() -> OperationState:
            return [state async for state in self.runner.watch(id)][-1]

        return await within(60.0, end())

    async def start(self) -> None:
        for host in self.hosts.values():
            host.start()
        await asyncio.to_thread(self.lab.wait_holder, 1)
        self.runner = Runner(self.coordinator, kinds())
        self.tasks = [asyncio.create_task(self.agents()), asyncio.create_task(self.runner.run())]
        while any(self.coordinator.observer.sight(name).status is None for name in self.hosts):
            await asyncio.sleep(0.05)

    def told(self, name: str) -> list[str]:
        """The events of a host's agent."""
        return [event.reason for event in self.reports[name].events]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.wait(self.tasks)
        self.coordinator.close()


@pytest.fixture
async def steered(lab: Lab, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Steered]:
    result = Steered(lab, tmp_path, keys=getattr(request, "param", True))
    await result.start()
    yield result
    await result.close()


async def test_a_move_breaks_nothing(steered: Steered) -> None:
    for host in steered.hosts.values():
        serve(host)
    running = traffic(steered.lab.host(), VIP)
    state = await steered.perform("vip-move", VipMoveArguments("cp2"))
    assert state.status == "succeeded", state
    assert steered.lab.holders() == [2]
    await asyncio.sleep(1)
    assert steered.told("cp1") == ["VipTaken", "VipReleased"]
    assert steered.told("cp2") == ["VipTaken"]
    assert "priority 254 heard, ours is 253" in steered.reports["cp1"].events[-1].message
    output, _ = running.communicate("\n", timeout=30)
    told = json.loads(output)
    assert told["errors"] == []
    assert told["before"] == told["after"] == ["1"] * 20
    assert told["requests"].get("1", 0) > 10
    assert told["requests"].get("2", 0) > 10


async def test_moves_go_round_and_when_one_is_over_nobody_takes_the_address_back(steered: Steered) -> None:
    for number, arguments in ((3, VipMoveArguments("cp3")), (1, VipMoveArguments()), (2, VipMoveArguments())):
        state = await steered.perform("vip-move", arguments)
        assert state.status == "succeeded", state
        assert steered.lab.holders() == [number]
        assert {steered.coordinator.spec(name).vip_holder for name in steered.hosts} == {""}

        def usual() -> bool:
            statuses = [host.status() for host in steered.hosts.values()]
            return [status["priority"] for status in statuses] == [254, 253, 252]

        await asyncio.to_thread(wait_for, usual, "everybody has his usual priority")
        heard = sum(host.status()["received"] for host in steered.hosts.values())
        more = lambda: sum(host.status()["received"] for host in steered.hosts.values()) > heard + 20  # noqa: B023, E731
        await asyncio.to_thread(wait_for, more, "ten adverts")
        assert steered.lab.holders() == [number]


@pytest.mark.parametrize("steered", [True, False], indirect=True, ids=["rotation", "from-no-authentication"])
async def test_a_new_key_costs_no_advert(steered: Steered) -> None:
    before = {name: host.status() for name, host in steered.hosts.items()}
    state = await steered.perform("vip-rotate-key", VipRotateKeyArguments())
    assert state.status == "succeeded", state
    key = steered.coordinator.records.need_cluster().vip_keys[-1].id
    for name, host in steered.hosts.items():
        status = host.status()
        assert (status["auth_mode"], status["auth_send_key_id"], status["auth_key_ids"]) == ("enforce", key, [key])
        assert status["transitions"] == before[name]["transitions"]
        assert status["rejected"] == {}
    assert steered.lab.holders() == [1]
    # And nobody without the key gets anywhere.
    heard = steered.hosts["cp2"].status()["received"]
    wait_for(lambda: steered.hosts["cp2"].status()["received"] > heard + 3, "adverts with the new key are heard")
