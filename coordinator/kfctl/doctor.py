"""What kfctl can find out: from the coordinator, and from this host where the coordinator does not answer."""

from __future__ import annotations

from pathlib import Path

from kubefort.errors import KubefortError, Unavailable
from kubefort.run import CommandFailed, run

from kfctl import operator
from kfctl.client import connect
from kfctl.health import Finding, findings

_UNITS = ("kubefort-coordinator.service", "kubefort-agent.service", "kubefort-vip.service")
_PROPERTIES = "UnitFileState,ActiveState,ConditionResult"


async def examine(config: Path) -> tuple[Finding, ...]:
    """All findings; an unreachable coordinator is one of them."""
    try:
        async with connect(config) as client:
            overview = await client.overview()
            found = list(findings(overview))
            if not await client.bundles():
                found.append(Finding("the coordinator has no bundle", "", "kfctl bundle add FOLDER"))
    except Unavailable as error:
        found = [Finding(error.message, "", error.hint)]
    found += await _services()
    found += _identity(config)
    return tuple(found)


async def _services() -> list[Finding]:
    """Services of ours on this host that are enabled, have something to do (their unit's condition) and do not run."""
    found: list[Finding] = []
    for unit in _UNITS:
        try:
            said = await run("systemctl", "show", unit, f"--property={_PROPERTIES}", check=False, timeout=10)
        except CommandFailed:
            return found
        state = dict(line.split("=", 1) for line in said.stdout.splitlines() if "=" in line)
        wanted = state.get("UnitFileState") == "enabled" and state.get("ConditionResult") != "no"
        if wanted and state.get("ActiveState") not in ("active", "activating"):
            why = f"it is {state.get('ActiveState')}"
            found.append(Finding(f"{unit} does not run on this host", why, f"journalctl -u {unit} -n 50"))
    return found


def _identity(config: Path) -> list[Finding]:
    """The operator's certificate, where it ends soon."""
    import datetime

    try:
        expires = operator.load(config).identity.expires
    except KubefortError:
        return []
    left = expires - datetime.datetime.now(datetime.timezone.utc)
    if left > datetime.timedelta(days=14):
        return []
    why = f"it is good until {expires:%Y-%m-%d %H:%M} UTC"
    command = f"on the coordinator's host, as root: rm {config} && kfctl init"
    return [Finding("the operator's certificate ends soon", why, command, severity="warning")]
