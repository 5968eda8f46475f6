"""`kfctl reset --local`: clean this host without its coordinator, by the agent's own way of leaving a cluster."""

from __future__ import annotations

import asyncio

import click
import msgspec
import yaml
from kubefort import document, files, membership, paths
from kubefort.errors import KubefortError
from kubefort.model.spec import NodeSpec
from kubefort.run import CommandFailed, run
from kubefort.waiting import backoff, within

from kfctl import thishost
from kfctl.membership import AGENT


async def clean(timeout: float) -> None:
    """Give the agent a spec that asks for nothing, wait until it owns nothing any more, forget the membership."""
    thishost.require_root("reset --local")
    await _stop()
    if _owns_something():
        _ask_for_nothing()
        await thishost.start_service(AGENT)
        try:
            await within(timeout, _until_bare())
        except TimeoutError as error:
            raise KubefortError(
                f"after {timeout:.0f} s the agent still has to remove {_owned()} things",
                "see `journalctl -u kubefort-agent -n 50`; then type it again",
            ) from error
        await _stop()
    membership.forget()
    click.echo("this host is clean and may join a cluster")


async def _stop() -> None:
    try:
        await run("systemctl", "disable", "--now", AGENT, timeout=60)
    except CommandFailed as error:
        raise KubefortError(f"{AGENT} does not stop: {error.message}", f"see `journalctl -u {AGENT} -n 50`") from error


def _owned() -> int:
    try:
        return len(document.decode(paths.OWNED.read_bytes(), list[msgspec.Raw], str(paths.OWNED)))
    except FileNotFoundError:
        return 0


def _owns_something() -> bool:
    return paths.SPEC.exists() and _owned() > 0


def _ask_for_nothing() -> None:
    spec = document.decode(paths.SPEC.read_bytes(), NodeSpec, str(paths.SPEC))
    # Without a coordinator, nobody gives the agent another spec meanwhile.
    files.write(paths.AGENT_CONFIG, yaml.safe_dump({"coordinator": []}))
    left = msgspec.structs.replace(spec, stage="absent", generation=spec.generation + 1, paused_until=0.0)
    files.write(paths.SPEC, document.encode(left), 0o600)


async def _until_bare() -> None:
    for pause in backoff(0.2, 2.0):
        if not _owned():
            return
        await asyncio.sleep(pause)
