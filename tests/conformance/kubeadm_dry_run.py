"""The objects that the real kubeadm would make, read from `kubeadm init --dry-run`."""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import yaml

from tests.conformance import sample
from tests.integration.clients import binaries

Object = dict[str, Any]

_CREATED = re.compile(r"\[dryrun\] Would perform action CREATE on resource ")


def objects(version: str, folder: Path) -> list[Object]:
    """Everything that kubeadm of this version creates through the API for the sample cluster, in its order."""
    (kubeadm,) = binaries.kubernetes(version, "kubeadm")
    configuration = folder / "kubeadm.yaml"
    configuration.write_text(_configuration(version))
    argv = [str(kubeadm), "init", "--dry-run", f"--config={configuration}", "--ignore-preflight-errors=all"]
    environment = {**os.environ, "KUBEADM_INIT_DRYRUN_DIR": str(folder)}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return _parsed(done.stdout)


def _configuration(version: str) -> str:
    api = "kubeadm.k8s.io/v1beta2" if version == "v1.20.2" else "kubeadm.k8s.io/v1beta4"
    cluster = sample.cluster(version)
    first: Object = {
        "apiVersion": api,
        "kind": "InitConfiguration",
        "localAPIEndpoint": {"advertiseAddress": sample.FIRST.address, "bindPort": 6443},
        "nodeRegistration": {"name": sample.FIRST.name, "criSocket": "unix:///run/containerd/containerd.sock"},
    }
    second: Object = {
        "apiVersion": api,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": version,
        "controlPlaneEndpoint": cluster.endpoint,
        "networking": {"podSubnet": cluster.pod_subnets[0], "serviceSubnet": cluster.service_subnets[0]},
    }
    return yaml.safe_dump_all([first, second])


def _parsed(output: str) -> list[Object]:
    found: list[Object] = []
    for part in _CREATED.split(output)[1:]:
        lines = part.splitlines()[1:]
        start = next((n for n, line in enumerate(lines) if line.startswith("[dryrun] Attached object")), None)
        if start is None:
            continue
        body = []
        for line in lines[start + 1 :]:
            if line.startswith("["):
                break
            # Corefiles and kubeconfigs have no line that begins with a bracket at the margin; kubeadm's log has.
            body.append(line)
            if line.startswith("Your Kubernetes control-plane"):
                body.pop()
                break
        found.append(yaml.safe_load(textwrap.dedent("\n".join(body).expandtabs(8))))
    return found
