"""The real agent and the real coordinator, on a host below a temporary folder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from kubefort import files
from kubefort.model.cluster import Cluster
from kubefort.model.spec import NodeSpec
from kubefort.model.status import Check
from kubefort.waiting import within
from kubefort_agent.host import Host
from kubefort_agent.reconcile.loop import Desired
from kubefort_agent.service.agent import Agent
from kubefort_coordinator.phases.leave import ForgetHost
from kubefort_coordinator.records import ClusterRecord

from tests.integration.coordinator.conftest import LONG, World

CLUSTER = ClusterRecord(Cluster("v1.36.2", endpoint="192.0.2.1:6443"), "cp-1", bootstrapped=True)
NOTHING = cast(Desired, SimpleNamespace(resources=lambda spec, facts: (), probes=lambda spec: ()))


async def no_checks(host: Host, spec: NodeSpec) -> tuple[Check, ...]:
    return ()


async def joined(world: World, root: Path) -> Agent:
    """An agent whose host enrolled as w-1, not yet running."""
    world.coordinator.records.put_cluster(CLUSTER)
    host = world.host("w-1")
    await host.enrol(await world.token("worker"))
    assert host.identity is not None
    host.identity.save(root / "var/lib/kubefort/identity")
    files.write(root / "etc/kubefort/agent.yaml", f"coordinator: ['{world.fleet_address}']\n")
    return Agent(NOTHING, no_checks, root)


async def test_a_host_that_was_reset_forgets_its_membership_and_ends(world: World, tmp_path: Path) -> None:
    root = tmp_path / "root"
    files.write(root / "usr/share/kubefort/agent.yaml", "# as installed\n")
    agent, coordinator = await joined(world, root), world.coordinator
    running = asyncio.create_task(agent.run())
    await world.until(lambda: coordinator.unsettled("w-1") == "")
    assert (root / "var/lib/kubefort/spec.json").exists()
    coordinator.update_host("w-1", stage="absent")
    await world.until(lambda: coordinator.unsettled("w-1") == "")
    assert not running.done()
    await ForgetHost("w-1").run(coordinator)
    await asyncio.wait_for(running, LONG)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert left == ["etc/kubefort/agent.yaml", "usr/share/kubefort/agent.yaml"]
    assert (root / "etc/kubefort/agent.yaml").read_text() == "# as installed\n"


async def test_a_host_that_was_not_reset_keeps_its_membership_when_it_is_refused(world: World, tmp_path: Path) -> None:
    agent, coordinator = await joined(world, tmp_path), world.coordinator
    running = asyncio.create_task(agent.run())
    await world.until(lambda: coordinator.unsettled("w-1") == "")
    decide, told = agent._link._refused, asyncio.Event()

    def refused() -> None:
        decide()
        told.set()

    agent._link._refused = refused
    coordinator.records.delete_host("w-1")
    await within(LONG, told.wait())
    assert not agent._over.is_set()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (tmp_path / "var/lib/kubefort/identity/tls.crt").exists()
    assert (tmp_path / "var/lib/kubefort/spec.json").exists()
