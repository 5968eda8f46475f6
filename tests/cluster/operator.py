"""What an operator types to get a cluster: install packages, `kfctl init`, `kfctl join`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.steps import Steps
from tests.cluster.typed import Typed
from tests.lab import Host, Lab, bundle, each
from tests.lab.shell import LabError, until

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("kubefort-common", "kubefort-agent", "kubefort-coordinator", "kfctl")
ADMIN = "/etc/kubernetes/admin.conf"
BUNDLE = "/root/bundle"
CLUSTER_FILE = "/root/cluster.yaml"
JOIN = re.compile(r"kfctl join \S+ --token \S+ --ca-pin \S+")


def packages(kind: str = "deb") -> list[Path]:
    """The packages that `make packages` left in dist/, in the order they are installed."""
    found = [sorted((REPOSITORY / "dist").glob(f"{name}_*.{kind}")) for name in PACKAGES]
    missing = [name for name, files in zip(PACKAGES, found, strict=True) if not files]
    if missing:
        raise LabError(f"no {kind} of {', '.join(missing)} in dist/: run `make packages`")
    return [files[-1] for files in found]


@dataclass
class Operator:
    """An operator with a lab: `control_planes` and `workers` are made as hosts, then made into a cluster.

    version: Kubernetes' version, of which the lab makes a bundle; vip: the cluster's virtual IP or "".
    """

    lab: Lab
    suite: str
    version: str
    control_planes: list[Host]
    workers: list[Host]
    vip: str = ""
    steps: Steps = field(default_factory=Steps)

    @property
    def hosts(self) -> list[Host]:
        return [*self.control_planes, *self.workers]

    @property
    def has_dns(self) -> bool:
        """Whether CoreDNS can serve: the lab's only one, 1.13, needs discovery.k8s.io/v1 of Kubernetes 1.21."""
        return int(self.version.split(".")[1]) >= 21

    @property
    def first(self) -> Host:
        return self.control_planes[0]

    @classmethod
    def with_hosts(
        cls, lab: Lab, suite: str, version: str, control_planes: int, workers: int, *, with_vip: bool = True
    ) -> Operator:
        """Hosts cp1, cp2, ... and w1, ... of one suite, booted."""
        bundle.ensure(version)
        steps = Steps()
        names = [f"cp{n + 1}" for n in range(control_planes)] + [f"w{n + 1}" for n in range(workers)]
        with steps.step(f"start {len(names)} {suite} hosts"):
            hosts = lab.create_all(dict.fromkeys(names, suite))
        vip = f"{hosts[0].address.rpartition('.')[0]}.250" if with_vip else ""
        return cls(lab, suite, version, hosts[:control_planes], hosts[control_planes:], vip, steps)

    def install(self) -> None:
        """Copy the packages to every host and install them as `dpkg -i` does."""
        with self.steps.step("install the packages"):
            each(self._install, self.hosts)

    def _install(self, host: Host) -> None:
        host.allow_realtime("kubefort-vip.service")
        for package in packages():
            host.put(package, f"/root/{package.name}")
        host.run("dpkg", "--install", *(f"/root/{package.name}" for package in packages()), timeout=180)

    def init(self, *arguments: str) -> str:
        """`kfctl init` on the first host; returns what it printed."""
        with self.steps.step("copy the bundle to cp1"):
            self.first.put(bundle.ensure(self.version), BUNDLE)
        vip = [f"--vip={self.vip}"] if self.vip else []
        with self.steps.step("kfctl init on cp1"):
            return self.first.run("kfctl", "init", f"--bundle={BUNDLE}", *vip, *arguments, timeout=600)

    def token(self, role: str) -> list[str]:
        """A new join command for a role, in words."""
        said = self.first.run("kfctl", "token", "create", f"--role={role}")
        found = JOIN.search(said)
        if found is None:
            raise LabError(f"`kfctl token create` printed no join command: {said!r}")
        return found[0].split()

    def join(self, host: Host, role: str) -> None:
        """`kfctl join` on a host, with a token made for it."""
        with self.steps.step(f"kfctl join on {host.name} ({role})"):
            host.run(*self.token(role), timeout=600)

    def build(self) -> None:
        """Everything from bare hosts to the whole cluster."""
        self.install()
        self.init()
        for host in self.control_planes[1:]:
            self.join(host, "control-plane")
        for host in self.workers:
            self.join(host, "worker")

    def cluster_file(self) -> str:
        """A cluster.yaml that names all hosts."""
        roles = dict.fromkeys(self.control_planes, "control-plane") | dict.fromkeys(self.workers, "worker")
        document = {
            "apiVersion": "kubefort.dev/v1",
            "kind": "Cluster",
            "kubernetesVersion": self.version,
            **({"vip": {"address": self.vip}} if self.vip else {}),
            "hosts": [{"name": host.name, "role": role, "address": host.address} for host, role in roles.items()],
        }
        return json.dumps(document, indent=1)

    def bootstrap(self, *arguments: str) -> None:
        """`kfctl init --config` with all hosts, and while it waits for them, `kfctl join` on the others at once."""
        self.first.write(CLUSTER_FILE, self.cluster_file())
        with (
            self.steps.step("kfctl init with a file on cp1, kfctl join on the others meanwhile"),
            Typed(self.first, "kfctl", "init", f"--config={CLUSTER_FILE}", *arguments) as init,
        ):

            def join(host: Host, role: str) -> None:
                host.run(*init.wait_for(rf"{role}: ({JOIN.pattern})", 120)[1].split(), timeout=600)

            others = dict.fromkeys(self.control_planes[1:], "control-plane") | dict.fromkeys(self.workers, "worker")
            each(lambda host: join(host, others[host]), others)
            init.succeed()

    def build_from_file(self) -> None:
        """Everything from bare hosts to the whole cluster, in one bootstrap."""
        self.install()
        with self.steps.step("copy the bundle to cp1"):
            self.first.put(bundle.ensure(self.version), BUNDLE)
        self.bootstrap(f"--bundle={BUNDLE}")

    def kubectl(self, *arguments: str, timeout: float = 60.0, stdin: bytes | None = None) -> str:
        """kubectl as the administrator, on the first control-plane host that is on."""
        host = next(host for host in self.control_planes if host.powered)
        return host.run("kubectl", f"--kubeconfig={ADMIN}", *arguments, timeout=timeout, stdin=stdin)

    def get(self, *arguments: str) -> Any:
        """`kubectl get ... -o json`, parsed."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def retry(self, what: str, condition: Any, timeout: float) -> None:
        """Wait until `condition()` is true; a LabError it raises counts as not yet, and is named at the end."""
        last = ""

        def met() -> bool:
            nonlocal last
            try:
                return bool(condition())
            except LabError as error:
                last = str(error)
                return False

        try:
            until(what, met, timeout, interval=0.5)
        except LabError as error:
            raise LabError(f"{error}\n{last}" if last else str(error)) from None
