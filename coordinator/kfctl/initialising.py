"""`kfctl init` step by step. Each step looks first whether it is done, so that all of it can be typed again."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
from kubefort import clusterfile, identity, manifests, paths
from kubefort.bundle import read_manifest
from kubefort.clusterfile import ClusterFile
from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm.addresses import host_port
from kubefort.model.cluster import CONTROL_PLANE, WORKER, Cluster, Role
from kubefort.model.operation import BootstrapArguments, OperationState, Overview

from kfctl import operator, setup, thishost
from kfctl.client import Client
from kfctl.membership import Ticket, enrol, enrolled, own_state, same_cluster, start_agent
from kfctl.plans import differences, wished_cluster
from kfctl.progress import Output, Report, demand, follow, reporter

TOKEN_LIFETIME_S = 24 * 3600.0


@dataclass(frozen=True)
class Wish:
    """What the operator typed; empty: take cluster.yaml's, or the default."""

    operator_config: Path
    cluster_file: Path | None
    address: str
    vip: str
    kubernetes_version: str
    bundles: tuple[Path, ...]
    pod_subnets: tuple[str, ...]
    service_subnets: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def names_cluster(self) -> bool:
        """Whether anything was said about the cluster itself."""
        return bool(
            self.cluster_file or self.vip or self.kubernetes_version or self.pod_subnets or self.service_subnets
        )


async def init(wish: Wish, timeout: float, output: Output) -> None:
    """Coordinator, bundles, bootstrap, this host's own membership; then follow the operation to its end."""
    thishost.require_root("init")
    report = reporter(output)
    try:
        with _alone():
            file, host = _read(wish, report)
            address = await _own_address(wish, file, host)
            report.note(f"setting up the coordinator on {host} at {address}")
            who = await setup.coordinator(address, wish.operator_config)
            async with Client(who) as client:
                await _init(wish, file, host, address, client, timeout, report)
    finally:
        report.close()


async def _init(
    wish: Wish, file: ClusterFile, host: str, address: str, client: Client, timeout: float, report: Report
) -> None:
    member = enrolled()
    if member is not None:
        same_cluster(member, identity.pin(client.who.authority))
    overview = await client.overview()
    earlier = _bootstrap(overview)
    if earlier is not None and earlier.status == "succeeded" and overview.hosts:
        if member is None:
            raise Refused(
                f"the cluster is made already, and {host} is no member of it (any more)",
                "to make it one, type here what this prints: `kfctl token create --role control-plane`",
            )
        report.result(f"The cluster is made already, nothing was changed.\n{_next_steps()}", status="unchanged")
        return
    operation = await _operation(wish, file, host, client, overview, report)
    await _join_first(client, host, address, wish.ignored, report)
    others = [entry.name for entry in file.hosts if entry.name != host]
    if others:
        report.note(f"the bootstrap needs these hosts as well: {', '.join(others)}; type there what their role needs:")
        roles = [entry.role for entry in file.hosts if entry.name != host]
        for role in dict.fromkeys(roles):
            report.note(f"{role}: {await _join_command(client, role, roles.count(role))}")
    last = await follow(lambda: client.states(operation.id), report, timeout)
    demand(last)
    commands = {role: await _join_command(client, role) for role in (CONTROL_PLANE, WORKER)}
    report.result(_finished(commands), status="made", host=host, joinCommands=commands)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One `kfctl init` at a time on this host."""
    paths.RUN.mkdir(parents=True, exist_ok=True)
    with (paths.RUN / "init.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Refused(
                "another `kfctl init` runs on this host", "wait for it, or watch it: `kfctl operation watch`"
            ) from error
        yield


def _read(wish: Wish, report: Report) -> tuple[ClusterFile, str]:
    """cluster.yaml (or one with the defaults) and this host's name, which must be among its hosts if it has any."""
    host = thishost.hostname()
    for folder in wish.bundles:
        read_manifest(folder)
    if wish.cluster_file is None:
        return ClusterFile(api_version="kubefort.dev/v1", kind="Cluster"), host
    file, warnings = clusterfile.load(wish.cluster_file)
    for warning in warnings:
        report.note(f"warning: {warning}")
    mine = next((entry for entry in file.hosts if entry.name == host), None)
    if file.hosts and (mine is None or mine.role != CONTROL_PLANE):
        planes = ", ".join(entry.name for entry in file.hosts if entry.role == CONTROL_PLANE)
        raise InvalidInput(
            f"{wish.cluster_file}: this host, {host}, is not one of its control-plane hosts ({planes})",
            "run `kfctl init` on one of these, or mend the file",
        )
    return file, host


async def _own_address(wish: Wish, file: ClusterFile, host: str) -> str:
    """The address others reach this host by: what was said, else what an earlier init took, else what is found."""
    named = wish.address or next((entry.address for entry in file.hosts if entry.name == host), "")
    if named:
        return await thishost.check_address(named)
    if wish.operator_config.is_file():
        earlier = operator.load(wish.operator_config).address.rpartition(":")[0].strip("[]")
        if earlier in await thishost.addresses():
            return earlier
    return await thishost.advertise_address()


def _bootstrap(overview: Overview) -> OperationState | None:
    """The newest bootstrap of the cluster that there is."""
    found = [operation for operation in overview.operations if operation.kind == "bootstrap" and overview.cluster]
    return max(found, key=lambda operation: operation.created, default=None)


async def _operation(
    wish: Wish, file: ClusterFile, host: str, client: Client, overview: Overview, report: Report
) -> OperationState:
    """The bootstrap under way: the running one, the stopped one taken up again, or a new one."""
    await _add_bundles(wish, client, report)
    earlier = _bootstrap(overview)
    if earlier is not None and earlier.status == "running":
        report.note(f"{earlier.title} is under way already")
        return earlier
    if earlier is not None and not wish.names_cluster:
        report.note(f"taking up again: {earlier.title}")
        return await client.resume(earlier.id, wish.ignored)
    cluster, warnings = wished_cluster(wish, file, [b.kubernetes_version for b in await client.bundles()])
    for warning in warnings:
        report.note(f"warning: {warning}")
    if earlier is not None and overview.cluster is not None:
        changed = differences(overview.cluster, cluster)
        if not changed and not file.hosts:
            report.note(f"taking up again: {earlier.title}")
            return await client.resume(earlier.id, wish.ignored)
        report.note(f"the unfinished cluster is begun anew with another {', '.join(changed) or 'list of hosts'}")
    arguments = _arguments(wish, file, cluster, host)
    report.note(f"making cluster {cluster.name} with Kubernetes {cluster.kubernetes_version}")
    return await client.start("bootstrap", arguments)


def _arguments(wish: Wish, file: ClusterFile, cluster: Cluster, host: str) -> BootstrapArguments:
    """What begins the bootstrap, the files of podNetworkManifests (relative to cluster.yaml) read."""
    folder = wish.cluster_file.absolute().parent if wish.cluster_file else Path.cwd()
    return BootstrapArguments(
        cluster=cluster,
        first=host,
        hosts=file.hosts,
        ignored_checks=wish.ignored,
        manifests=tuple(manifests.read(folder / each) for each in cluster.pod_network_manifests),
    )


async def _add_bundles(wish: Wish, client: Client, report: Report) -> None:
    for folder in wish.bundles:
        report.note(f"adding the bundle {folder}")
        version = await client.add_bundle(str(folder))
        report.note(f"the coordinator has the bundle of {version}")


async def _join_first(client: Client, host: str, address: str, ignored: tuple[str, ...], report: Report) -> None:
    """This host becomes a member the way every other does, with a token for one use."""
    member = enrolled()
    if member is not None:
        try:
            await own_state(member)
        except Refused:
            member = None
    if member is None:
        report.note(f"enrolling {host}")
        token = (await client.create_token(CONTROL_PLANE, 3600.0, 1)).token
        ticket = Ticket(address, paths.ENROLMENT_PORT, token, identity.pin(client.who.authority))
        member = await enrol(ticket, address, ignored)
    await start_agent(member)


async def _join_command(client: Client, role: Role, uses: int = 1) -> str:
    return (await client.create_token(role, TOKEN_LIFETIME_S, uses)).join_command


def _finished(commands: dict[Role, str]) -> str:
    lines = ["The cluster is made.", "", "To let hosts join (each command for one host, within 24 hours):", ""]
    for role, command in commands.items():
        lines += [f"  {role}:", f"    {command}", ""]
    return "\n".join([*lines, _next_steps()])


def _next_steps() -> str:
    return "\n".join(
        (
            "More join commands:  kfctl token create --role control-plane|worker",
            "The cluster's state: kfctl status",
            f"kubectl, as root:    export KUBECONFIG={paths.KUBERNETES / 'admin.conf'}",
        )
    )


async def dry_init(wish: Wish, output: Output) -> None:
    """Check input and say what would be done; asks the coordinator for the phases where it runs already."""
    report = reporter(output)
    file, host = _read(wish, report)
    address = await _own_address(wish, file, host)
    known = [read_manifest(folder).kubernetes_version for folder in wish.bundles]
    running = wish.operator_config.is_file() and os.access(wish.operator_config, os.R_OK)
    phases: list[str] = []
    if running:
        async with Client(operator.load(wish.operator_config)) as client:
            overview = await client.overview()
            earlier = _bootstrap(overview)
            if earlier is not None and earlier.status != "aborted":
                report.result(
                    f"{earlier.title}: {earlier.status}; `kfctl init` would go on with it", status="unchanged"
                )
                return
            there = [bundle.kubernetes_version for bundle in await client.bundles()]
            known += there
            cluster, _ = wished_cluster(wish, file, known)
            arguments = _arguments(wish, file, cluster, host)
            if cluster.kubernetes_version in there:  # without its bundle, the coordinator would only refuse
                rehearsed = await client.start("bootstrap", arguments, dry_run=True)
                phases = [phase.title for phase in rehearsed.phases]
    cluster, warnings = wished_cluster(wish, file, known)
    steps = [f"set up the coordinator on {host}: {host_port(address, paths.FLEET_PORT)}"] if not running else []
    steps += [f"add the bundle {folder}" for folder in wish.bundles]
    steps += [f"make cluster {cluster.name} with Kubernetes {cluster.kubernetes_version}", *phases]
    text = "\n".join([*(f"warning: {w}" for w in warnings), "would:", *(f"  {step}" for step in steps)])
    report.result(text, status="dry-run", steps=steps, cluster=msgspec.to_builtins(cluster))
