"""The operator's configuration: where the coordinator is, and who the operator is."""

from __future__ import annotations

from pathlib import Path

import msgspec
import yaml
from kubefort import files
from kubefort.document import Document
from kubefort.errors import InvalidInput, Unavailable
from kubefort.identity import Identity


class Operator(Document, frozen=True):
    """kfctl.yaml: `address` is host:port of ControlService; key, certificate and authority are PEM."""

    address: str
    key: str
    certificate: str
    authority: str

    @property
    def identity(self) -> Identity:
        return Identity(self.key, self.certificate, self.authority)


class _Text(yaml.SafeDumper):
    """Writes text of several lines as a block, so that certificates stay readable."""


_Text.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def load(path: Path) -> Operator:
    """Read kfctl.yaml; raises Unavailable where there is none, InvalidInput where it cannot be read."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_bytes()), Operator)
    except FileNotFoundError as error:
        raise Unavailable(
            f"no operator's configuration in {path}",
            "run kfctl on the host where `kfctl init` ran, or copy that file from there and name it in KUBEFORT_CONFIG",
        ) from error
    except PermissionError as error:
        raise InvalidInput(f"{path} may not be read", "run as root (sudo kfctl ...)") from error
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise InvalidInput(f"{path}: {' '.join(str(error).split())}") from error


def save(path: Path, operator: Operator) -> None:
    """Write kfctl.yaml durably, for the owner's eyes only."""
    content = yaml.dump(msgspec.to_builtins(operator), Dumper=_Text, sort_keys=False)
    files.write(path, content, 0o600)
