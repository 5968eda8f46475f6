"""The coordinator on this host: its setup, its service, and the operator's identity for kfctl."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from kubefort import files, identity, paths
from kubefort.errors import InvalidInput, KubefortError, Refused, Unavailable
from kubefort.kubeadm.addresses import host_port
from kubefort.run import CommandFailed, run

from kfctl import operator, thishost
from kfctl.client import Client
from kfctl.operator import Operator

PROGRAM = "kubefort-coordinator"
UNIT = "kubefort-coordinator.service"


async def coordinator(address: str, config: Path) -> Operator:
    """Set up and start the coordinator at `address`; returns the operator of `config`, made here where it is missing.

    An operator of another coordinator, one that was on this host before, is replaced, and so is one whose certificate
    has ended or was revoked. Raises Unavailable where the coordinator does not come up, InvalidInput where its package
    is not installed.
    """
    pin = (await _setup(address)).strip().rpartition("\n")[2]
    await thishost.start_service(UNIT)
    await thishost.wait_for_port(address, paths.FLEET_PORT, 60, "the coordinator", UNIT)
    who = _known(config)
    if who is None or identity.pin(who.authority) != pin or not await _counts(who):
        who = await _admit(address)
        operator.save(config, who)
    return who


async def _setup(address: str, *more: str) -> str:
    """Run `kubefort-coordinator setup`; it prints the pin of its authority."""
    try:
        return (await run(PROGRAM, "setup", "--address", address, *more, timeout=120)).stdout
    except CommandFailed as error:
        if error.code == 127:
            raise InvalidInput(
                f"{PROGRAM} is not installed on this host", "install the package kubefort-coordinator"
            ) from error
        raise KubefortError(f"the coordinator cannot be set up: {_last_words(error.stderr) or error}") from error


async def _admit(address: str) -> Operator:
    """A new operator, whose key never leaves this process but for kfctl.yaml."""
    with tempfile.TemporaryDirectory(prefix="kfctl-") as folder:
        request, answer = Path(folder) / "operator.csr", Path(folder) / "operator.pem"
        key = identity.new_key()
        files.write(request, identity.certificate_request(key, _name()), 0o600)
        await _setup(address, "--operator-request", str(request), "--operator-out", str(answer))
        return _operator(host_port(address, paths.FLEET_PORT), key, answer)


async def _counts(who: Operator) -> bool:
    """Whether the coordinator still takes this operator's certificate."""
    if who.identity.life_left <= 0:
        return False
    try:
        async with Client(who) as client:
            await client.overview()
    except Refused:
        return False
    return True


def _known(config: Path) -> Operator | None:
    try:
        return operator.load(config)
    except Unavailable:
        return None


def _name() -> str:
    return f"{os.environ.get('SUDO_USER') or 'root'}@{thishost.hostname()}"


def _last_words(stderr: str) -> str:
    """What the program said at its end, without its name."""
    return stderr.strip().removeprefix(f"{PROGRAM}: ")


def _operator(address: str, key: str, answer: Path) -> Operator:
    """The identity that `setup` wrote: the operator's certificate, then the authority's."""
    end = "-----END CERTIFICATE-----\n"
    parts = [part + end for part in answer.read_text().split(end) if part.strip()]
    if len(parts) != 2:
        raise KubefortError(f"`{PROGRAM} setup` wrote {len(parts)} certificates, expected 2", "are the versions equal?")
    return Operator(address=address, key=key, certificate=parts[0], authority=parts[1])
