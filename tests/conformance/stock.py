"""What the real kubeadm makes of a cluster: its files below a folder of their own, its objects from a dry run."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.lab.artifacts import obtainable, programs
from tests.lab.shell import run

VERSIONS = tuple(each for each in ("v1.20.2", "v1.35.6", "v1.36.2") if each in obtainable())
NODE, ADDRESS, ENDPOINT = "cp1", "10.30.0.11", "10.30.0.100:6443"

_PHASES = ("certs all", "kubeconfig all", "control-plane all", "etcd local", "kubelet-start")
_DEBIANS_AUTHORITIES = (
    "etc/ssl/certs",
    "etc/ca-certificates",
    "usr/share/ca-certificates",
    "usr/local/share/ca-certificates",
)
_ATTACHED = re.compile(
    r'^\[dryrun\] Would perform action (?P<action>\w+) on resource "(?P<resource>\w+)".*\n'
    r"(?:\[dryrun\] Resource name .*\n)?\[dryrun\] Attached object:\n(?P<object>(?:(?!\[)\t?.*\n)*)",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Stock:
    """kubeadm's result. `objects` are what its dry run creates; `log` all that the dry run says."""

    version: str
    root: Path
    objects: tuple[dict[str, Any], ...]
    log: str

    def file(self, path: str | Path) -> Path:
        return self.root / str(path).lstrip("/")

    def document(self, path: str | Path) -> dict[str, Any]:
        content = yaml.safe_load(self.file(path).read_text())
        assert isinstance(content, dict)
        return content


def configuration(version: str) -> str:
    """kubeadm's configuration of the cluster that the tests describe to both."""
    api = "v1beta2" if version.startswith("v1.20.") else "v1beta4"
    documents: list[dict[str, Any]] = [
        {
            "apiVersion": f"kubeadm.k8s.io/{api}",
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": ADDRESS, "bindPort": 6443},
            "nodeRegistration": {"name": NODE, "criSocket": "unix:///run/containerd/containerd.sock"},
        },
        {
            "apiVersion": f"kubeadm.k8s.io/{api}",
            "kind": "ClusterConfiguration",
            "kubernetesVersion": version,
            "clusterName": "kubernetes",
            "controlPlaneEndpoint": ENDPOINT,
            "networking": {
                "podSubnet": "10.244.0.0/16",
                "serviceSubnet": "10.96.0.0/12",
                "dnsDomain": "cluster.local",
            },
        },
    ]
    return yaml.safe_dump_all(documents)


def stock(version: str, folder: Path) -> Stock:
    """Run the kubeadm of that version, which changes its root to a folder (root needed)."""
    program = programs(version) / "kubeadm"
    root = _root(folder / "files", version)
    for phase in _PHASES:
        run(program, "init", "phase", *phase.split(), "--config", "/config.yaml", "--rootfs", root, timeout=120)
    dry = _root(folder / "dry", version)
    arguments = ("--dry-run", "--ignore-preflight-errors=all", "--config", "/config.yaml", "--rootfs", dry)
    log = run(program, "init", *arguments, timeout=120)
    objects = tuple(
        yaml.safe_load(textwrap.dedent(found["object"]))
        for found in _ATTACHED.finditer(log)
        if found["action"] == "CREATE"
    )
    return Stock(version, root, objects, log)


def _root(root: Path, version: str) -> Path:
    for name in (*_DEBIANS_AUTHORITIES, "tmp", "proc"):
        (root / name).mkdir(parents=True)
    (root / "config.yaml").write_text(configuration(version))
    return root
