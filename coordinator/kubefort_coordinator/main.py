"""kubefort-coordinator: `setup` makes authority and store, `run` serves."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from kubefort import files, identity, log, paths
from kubefort.errors import KubefortError
from kubefort.notify import notify, watchdog

from kubefort_coordinator.authority import common_name_of
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.records import OperatorRecord, Settings
from kubefort_coordinator.server import Server


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(prog="kubefort-coordinator", description="Decides what Kubefort's hosts do.")
    result.add_argument("--folder", type=Path, default=paths.COORDINATOR, help="state (default: %(default)s)")
    result.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    commands = result.add_subparsers(dest="command", required=True)
    setup = commands.add_parser("setup", help="make the authority and the store; a second time: keep them")
    setup.add_argument("--address", required=True, help="where agents reach this host")
    setup.add_argument("--operator-request", type=Path, help="an operator's certificate request to sign")
    setup.add_argument("--operator-out", type=Path, help="where to write the certificate, and its authority after it")
    run = commands.add_parser("run", help="serve agents and operators")
    run.add_argument("--listen", default="[::]", help="address to listen on (default: all)")
    run.add_argument("--enrolment-port", type=int, default=paths.ENROLMENT_PORT)
    run.add_argument("--fleet-port", type=int, default=paths.FLEET_PORT)
    return result


def setup(folder: Path, address: str, request: Path | None, out: Path | None) -> str:
    """Make what is missing, admit an operator where there is a request; returns the authority's pin."""
    coordinator = Coordinator(folder)
    try:
        pin = coordinator.pki.pin
        coordinator.records.put_settings(Settings(address))
        if request is not None and out is not None:
            text = request.read_text()
            name = common_name_of(text) or "admin"
            certificate = coordinator.pki.fleet.sign(text, name, (identity.OPERATORS,))
            known = coordinator.records.operator(name)
            pins = dict.fromkeys((identity.pin(certificate), *(known.identities if known else ())))
            coordinator.records.put_operator(OperatorRecord(name, tuple(pins)))
            files.write(out, certificate + coordinator.pki.fleet.certificate, 0o600)
    finally:
        coordinator.close()
    return pin


async def run(folder: Path, listen: str, enrolment_port: int, fleet_port: int) -> None:
    """Serve until SIGTERM or SIGINT."""
    coordinator = Coordinator(folder, enrolment_port=enrolment_port, fleet_port=fleet_port)
    server = Server(coordinator)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.start(listen)
    notify("READY=1")
    alive = asyncio.create_task(watchdog(lambda: f"{coordinator.observer.present} agents are connected"))
    ended = {asyncio.create_task(stop.wait()), asyncio.create_task(server.wait())}
    done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
    notify("STOPPING=1")
    alive.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await alive
    await server.stop()
    coordinator.close()
    for task in done:
        task.result()


def main() -> None:
    """Entry point of the program."""
    arguments = parser().parse_args()
    log.setup(arguments.log_level)
    try:
        if arguments.command == "setup":
            print(setup(arguments.folder, arguments.address, arguments.operator_request, arguments.operator_out))
        else:
            asyncio.run(run(arguments.folder, arguments.listen, arguments.enrolment_port, arguments.fleet_port))
    except KubefortError as error:
        sys.exit(f"kubefort-coordinator: {error}")


if __name__ == "__main__":
    main()
