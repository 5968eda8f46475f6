"""kubefort-agent: run, plan, version."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from kubefort import __version__, log, paths
from kubefort.errors import KubefortError


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kubefort-agent", description="Makes this host match its desired state.")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("run", help="serve; started by systemd")
    commands.add_parser("plan", help="print what differs from the last spec, change nothing; exit code 3 where it does")
    commands.add_parser("version", help="print the version")
    options = parser.parse_args(arguments)
    if options.command == "version":
        sys.stdout.write(f"kubefort-agent {__version__}\n")
        return 0
    log.setup(options.log_level)
    try:
        return asyncio.run(_run(options.root) if options.command == "run" else _plan(options.root))
    except KubefortError as error:
        sys.stderr.write(f"kubefort-agent: {error}\n")
        return 1


async def _run(root: Path) -> int:
    from kubefort_agent.host import memory

    memory.few_arenas()
    from kubefort_agent import desired
    from kubefort_agent.preflight import preflight
    from kubefort_agent.service.agent import Agent

    await Agent(desired, preflight, root).run()
    return 0


async def _plan(root: Path) -> int:
    from kubefort_agent import desired
    from kubefort_agent.host import Host, facts
    from kubefort_agent.reconcile.converge import observe
    from kubefort_agent.reconcile.ledger import FILE, Ledger
    from kubefort_agent.reconcile.state import SpecFile
    from kubefort_agent.service.agent import below

    spec = SpecFile(below(root, paths.SPEC)).spec
    if spec is None:
        sys.stdout.write("This host has no spec yet.\n")
        return 0
    host = Host(root)
    resources = desired.resources(spec, await facts.gather(root))
    outcome = await observe(host, resources, Ledger(below(root, FILE)))
    for line in outcome.pending:
        sys.stdout.write(f"{line}\n")
    sys.stdout.write("Nothing is to be changed.\n" if outcome.in_sync else f"{len(outcome.pending)} differences.\n")
    return 0 if outcome.in_sync else 3


if __name__ == "__main__":
    sys.exit(main())
