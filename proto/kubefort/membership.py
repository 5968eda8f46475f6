"""What a host keeps of its membership in a fleet, and how it is forgotten."""

from __future__ import annotations

import shutil
from pathlib import Path

from kubefort import files, paths


def forget(root: Path = Path("/")) -> None:
    """Remove identity, spec, artifacts and what the agent noted down; agent.yaml becomes the package's again.

    The certificate goes last but for the spec: as long as it is there, the agent is started, and can do this again.
    """

    def below(path: Path) -> Path:
        return root / str(path).lstrip("/")

    shutil.rmtree(below(paths.ARTIFACTS), ignore_errors=True)
    files.remove(below(paths.OWNED))
    try:
        files.write(below(paths.AGENT_CONFIG), below(paths.AGENT_CONFIG_DEFAULT).read_bytes())
    except FileNotFoundError:
        files.remove(below(paths.AGENT_CONFIG))
    files.remove(below(paths.IDENTITY) / "tls.crt")
    shutil.rmtree(below(paths.IDENTITY), ignore_errors=True)
    files.remove(below(paths.SPEC))
