"""cluster.yaml: reading it with the place of every mistake, and its defaults.

What its values must mean is in kubefort.clusterrules, which the coordinator uses as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from kubefort import document, shape, strictyaml
from kubefort.clusterrules import Problem, validate
from kubefort.errors import InvalidInput
from kubefort.model.cluster import Cluster, HostEntry

__all__ = ["ClusterFile", "Problem", "load", "problems", "schema", "validate"]

HINT = "see docs/cluster-yaml.md, or `kfctl config print-defaults` for a complete example"


class ClusterFile(Cluster, frozen=True, kw_only=True):
    """cluster.yaml: a cluster and the hosts that shall be its members.

    Without hosts, every host with a token may join. An empty kubernetesVersion means the newest bundle at hand.
    """

    api_version: Literal["kubefort.dev/v1"]
    kind: Literal["Cluster"]
    kubernetes_version: str = ""
    hosts: tuple[HostEntry, ...] = ()

    def cluster(self, kubernetes_version: str = "") -> Cluster:
        """The cluster's settings alone, with `kubernetes_version` where the file names none."""
        values = {name: getattr(self, name) for name in Cluster.__struct_fields__}
        values["kubernetes_version"] = self.kubernetes_version or kubernetes_version
        return Cluster(**values)


def _placed(source: strictyaml.Source, problem: Problem, name: str) -> str:
    place = source.keys.get(problem.path) if problem.at_key else source.place(problem.path)
    where = f"{name}:{place.line}:{place.column}" if place else name
    return f"{where}: {problem}"


def problems(content: bytes | str, name: str) -> tuple[ClusterFile | None, list[str], list[str]]:
    """Read cluster.yaml: (the file, or None where its form is wrong; errors; warnings), lines `name:line:column: ...`.

    Raises InvalidInput where it is not YAML at all.
    """
    source = strictyaml.parse(content, name)
    found = shape.problems(source.data, ClusterFile)
    file: ClusterFile | None = None
    if not found:
        try:
            file = msgspec.convert(source.data, ClusterFile)
        except msgspec.ValidationError as error:  # what the walk above does not know
            found = [Problem("", str(error))]
    if file is not None:
        found = validate(file.cluster("v1.36.0"), file.hosts)
    errors = [_placed(source, p, name) for p in found if p.severity == "error"]
    warnings = [_placed(source, p, name) for p in found if p.severity == "warning"]
    return file, errors, warnings


def load(path: Path) -> tuple[ClusterFile, list[str]]:
    """Read and check cluster.yaml; returns it with the warnings. Raises InvalidInput that lists all mistakes."""
    try:
        with path.open("rb") as stream:
            content = stream.read(strictyaml.MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", "name an existing file") from error
    file, errors, warnings = problems(content, str(path))
    if file is None or errors:
        raise InvalidInput("\n".join(errors) or f"{path}: empty", HINT)
    return file, warnings


def schema() -> bytes:
    """JSON Schema of cluster.yaml, pretty, as docs/cluster.schema.json holds it."""
    described: dict[str, Any] = msgspec.json.schema(ClusterFile, schema_hook=lambda _: {"description": "any value"})
    described = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Kubefort cluster.yaml",
        **described,
    }
    return msgspec.json.format(document.encode(described), indent=2) + b"\n"
