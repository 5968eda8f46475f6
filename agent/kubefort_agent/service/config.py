"""/etc/kubefort/agent.yaml."""

from __future__ import annotations

from pathlib import Path

from kubefort.document import Document, decode
from kubefort.errors import InvalidInput


class AgentConfig(Document, frozen=True):
    """`coordinator`: host:port of FleetService, tried in turn."""

    coordinator: tuple[str, ...] = ()


def load(path: Path) -> AgentConfig:
    """Read the file; a missing or empty one has the defaults. Raises InvalidInput."""
    import msgspec
    import yaml

    try:
        data = yaml.safe_load(path.read_bytes())
    except FileNotFoundError:
        return AgentConfig()
    except yaml.YAMLError as error:
        raise InvalidInput(f"{path}: {error}") from error
    if data is None:
        return AgentConfig()
    return decode(msgspec.json.encode(data), AgentConfig, str(path))
