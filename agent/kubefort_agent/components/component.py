"""What a component is: everything a run mode must know to run it, and nothing about how it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from kubefort.errors import InvalidInput
from kubefort.kubeadm.versions import Rules, parse, rules
from kubefort.model.cluster import ComponentSettings
from kubefort.model.spec import Artifact, NodeSpec, UpgradeStep

from kubefort_agent.host.facts import HostFacts

MountKind = Literal["", "DirectoryOrCreate", "FileOrCreate"]


@dataclass(frozen=True)
class Mount:
    """A folder or file of the host, seen by the component. Names are unique in a component."""

    name: str
    host_path: str
    mount_path: str
    read_only: bool = True
    kind: MountKind = "DirectoryOrCreate"


@dataclass(frozen=True)
class HttpCheck:
    """An HTTP GET that a healthy component answers with 200."""

    path: str
    host: str = "127.0.0.1"
    scheme: Literal["HTTP", "HTTPS"] = "HTTPS"


@dataclass(frozen=True)
class Component:
    """A component of one host. `args` are flags without dashes, in kubeadm's order (by name); `port` is the checks'.

    read_at_start  files whose change it does not notice: it is to be restarted
    other_ports    what it listens on beside `port`
    exclusive      two at once on one host would use the same data
    """

    name: str
    image: str
    args: tuple[tuple[str, str], ...]
    port: int
    liveness: HttpCheck
    startup: HttpCheck
    readiness: HttpCheck | None = None
    mounts: tuple[Mount, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    requests: tuple[tuple[str, str], ...] = ()
    annotations: tuple[tuple[str, str], ...] = ()
    read_at_start: tuple[Path, ...] = ()
    patch: Mapping[str, object] = field(default_factory=dict)
    other_ports: tuple[int, ...] = ()
    exclusive: bool = False

    @property
    def ports(self) -> tuple[int, ...]:
        return (self.port, *self.other_ports)

    @property
    def command(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return (self.name, *(f"--{flag}={value}" for flag, value in self.args))


@dataclass(frozen=True)
class Context:
    """What components are made from."""

    spec: NodeSpec
    facts: HostFacts

    def at(self, step: UpgradeStep) -> Context:
        """The context for what belongs to a step of an upgrade: in the old version, or already in the new one."""
        return replace(self, spec=self.spec.at(step))

    @property
    def rules(self) -> Rules:
        return rules(parse(self.spec.cluster.kubernetes_version))

    def image(self, name: str) -> str:
        """The reference of an image of the host's bundle. Raises InvalidInput when the bundle has no such image."""
        return self.artifact("image", name).ref

    def artifact(self, kind: Literal["binary", "image"], name: str) -> Artifact:
        """A file of the host's bundle. Raises InvalidInput when the bundle has no such one."""
        for artifact in self.spec.artifacts:
            if artifact.kind == kind and artifact.name == name:
                return artifact
        raise InvalidInput(
            f"the bundle of {self.spec.cluster.kubernetes_version} has no {kind} {name}",
            "make it again with `kfctl bundle create`",
        )


def arguments(flags: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Flags in kubeadm's order."""
    return tuple(sorted(flags.items()))


def customise(component: Component, settings: ComponentSettings) -> Component:
    """The component with what the operator changes about it."""
    volumes = tuple(
        Mount(volume.name, volume.host_path, volume.mount_path, volume.read_only, "")
        for volume in settings.extra_volumes
    )
    return replace(
        component,
        args=arguments(dict(component.args) | settings.extra_args),
        mounts=component.mounts + volumes,
        patch=settings.patch,
    )
