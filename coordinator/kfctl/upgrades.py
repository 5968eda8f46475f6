"""What `kfctl upgrade` asks and says."""

from __future__ import annotations

from pathlib import Path

import click
from kubefort.errors import Refused
from kubefort.kubeadm import upgrades as rules
from kubefort.kubeadm.versions import Version, parse
from kubefort.model.operation import DrainSettings, HostOverview, OperationState, Overview, UpgradeArguments

from kfctl.client import connect
from kfctl.progress import Output, demand, follow, reporter
from kfctl.text import clock, columns, duration, echo_json, taken

SIGNS = {"pending": "·", "running": "▶", "done": "✔", "failed": "✘"}


def members(overview: Overview) -> list[HostOverview]:
    """The hosts that an upgrade is about."""
    return [host for host in overview.hosts if host.stage == "node"]


def arguments(overview: Overview, version: str, max_unavailable: str, drain: DrainSettings) -> UpgradeArguments:
    """The document that begins an upgrade of all hosts."""
    names = tuple(host.name for host in members(overview))
    return UpgradeArguments(normal(version), names, max_unavailable, drain)


def normal(version: str) -> str:
    """v1.36.2 of 1.36.2; raises InvalidInput."""
    return str(parse(version))


def targets(current: Version, bundles: list[str]) -> list[tuple[str, str]]:
    """(version, why the cluster cannot go there, or "") of the bundles that are newer than the cluster."""
    newer = sorted((parse(each) for each in bundles), key=rules.order)
    return [(str(each), rules.obstacle(current, each)) for each in newer if rules.order(each) > rules.order(current)]


async def show_plan(config: Path, version: str, max_unavailable: str, output: Output) -> bool:
    """Print what would be done; whether there is anything."""
    async with connect(config) as client:
        overview = await client.overview()
        bundles = [bundle.kubernetes_version for bundle in await client.bundles()]
        if overview.cluster is None:
            raise Refused("there is no cluster yet", "make one with `kfctl init`")
        current = overview.cluster.kubernetes_version
        choices = targets(parse(current), bundles)
        if not version:
            if output == "json":
                echo_json({"current": current, "targets": [{"version": v, "obstacle": o} for v, o in choices]})
                return bool(choices)
            click.echo(f"The cluster has {current}.")
            for choice, why in choices:
                click.echo(f"  {choice}: " + (why or f"kfctl upgrade plan {choice}"))
            if not choices:
                click.echo("The coordinator has no bundle of a newer version: `kfctl bundle add FOLDER`.")
            return bool(choices)
        if normal(version) == current and not any(host.upgrading_to for host in overview.hosts):
            click.echo("{}" if output == "json" else f"The cluster has {current} already: nothing is to be done.")
            return False
        wanted = arguments(overview, version, max_unavailable, DrainSettings())
        operation = await client.start("upgrade", wanted, dry_run=True)
    hosts = [(h.name, h.role, h.kubernetes_version, wanted.version) for h in members(overview)]
    if output == "json":
        rows = [{"host": n, "role": r, "from": a, "to": b} for n, r, a, b in hosts]
        echo_json({"hosts": rows, "phases": [p.title for p in operation.phases], "warnings": operation.warnings})
        return True
    click.echo(columns([("HOST", "ROLE", "FROM", "TO"), *hosts]))
    click.echo("\nIn this order:")
    for number, phase in enumerate(operation.phases, 1):
        click.echo(f"{number:4}. {phase.title}")
    for warning in operation.warnings:
        click.echo(f"\nMind: {warning}.")
    took = last_time(overview)
    click.echo(f"\nThe last upgrade took {took}." if took else "")
    click.echo(f"Nothing was changed. To do it: kfctl upgrade apply {wanted.version}")
    return True


def last_time(overview: Overview) -> str:
    """How long the newest upgrade that succeeded took, in words; "" where there was none."""
    ended = [o for o in overview.operations if o.kind == "upgrade" and o.status == "succeeded"]
    newest = max(ended, key=lambda o: o.ended, default=None)
    return duration(newest.ended - newest.created) if newest else ""


async def apply(
    config: Path,
    version: str,
    max_unavailable: str,
    drain: DrainSettings,
    folder: Path | None,
    timeout: float,
    output: Output,
) -> None:
    """Begin an upgrade, or take it up again, and follow it to its end; raises what stopped it."""
    async with connect(config) as client:
        if folder is not None:
            await client.add_bundle(str(folder.absolute()))
        wanted = arguments(await client.overview(), version, max_unavailable, drain)
        operation = await client.start("upgrade", wanted)
        report = reporter(output)
        try:
            for warning in operation.warnings:
                report.note(f"mind: {warning}")
            operation = await follow(lambda: client.states(operation.id), report, timeout)
            demand(operation)
            took = duration(operation.ended - operation.created)
            report.result(f"The cluster has {wanted.version} ({took}).", id=operation.id, status=operation.status)
        finally:
            report.close()


async def show_status(config: Path, output: Output) -> None:
    """Print the newest upgrade and the hosts' versions."""
    async with connect(config) as client:
        overview = await client.overview()
    newest = max((o for o in overview.operations if o.kind == "upgrade"), key=lambda o: o.created, default=None)
    hosts = members(overview)
    if output == "json":
        versions = {h.name: {"version": h.kubernetes_version, "upgradingTo": h.upgrading_to} for h in hosts}
        echo_json({"operation": newest, "hosts": versions})
        return
    rows = [(h.name, h.role, h.kubernetes_version, f"→ {h.upgrading_to}" if h.upgrading_to else "") for h in hosts]
    click.echo(columns([("HOST", "ROLE", "KUBERNETES", ""), *rows]))
    click.echo("\nThe cluster was never upgraded." if newest is None else "\n" + tree(newest, overview.time))


def tree(operation: OperationState, now: float) -> str:
    """An operation, its phases below it: done, running (since when, waiting for what), and what is next."""
    lines = [f"{operation.title} ({operation.id}): {operation.status}, begun {clock(operation.created)}"]
    for phase in operation.phases:
        line = f"  {SIGNS[phase.status]} {phase.title}"
        if phase.status in ("done", "failed"):
            line += f" ({taken(phase)})"
        elif phase.status == "running":
            line += f" (for {duration(now - phase.started)})"
            if phase.waiting_for and operation.status == "running":
                line += f"\n      waiting for {phase.waiting_for}"
        lines.append(line)
    lines += [f"{operation.error}"] if operation.error else []
    lines += [f"{operation.hint}"] if operation.hint and operation.status != "succeeded" else []
    return "\n".join(lines)
