"""A real kube-apiserver with a real etcd on loopback, for tests that ask what the API makes of our objects."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from kubefort_coordinator.kubernetes.client import KubernetesClient

from tests.integration.clients import binaries
from tests.integration.clients.authority import Authority
from tests.integration.clients.processes import etcd_argv, eventually, free_ports, program

SECONDS_PER_REQUEST = 30.0


@dataclass(frozen=True)
class ApiServer:
    """Where it is, who it trusts, and a client with all rights (system:masters)."""

    url: str
    authority: Authority
    client: KubernetesClient

    def client_of(self, common_name: str, organization: str, *servers: str) -> KubernetesClient:
        pair = self.authority.issue(common_name, organization)
        return KubernetesClient(
            servers or (self.url,), self.authority.certificate, pair.certificate, pair.key, SECONDS_PER_REQUEST
        )


@contextlib.asynccontextmanager
async def api_server(folder: Path, version: str) -> AsyncIterator[ApiServer]:
    """A kube-apiserver of that version until the block ends."""
    (binary,) = binaries.kubernetes(version, "kube-apiserver")
    authority = Authority("kubernetes")
    (folder / "ca.crt").write_bytes(authority.certificate)
    authority.issue("etcd").write(folder, "etcd")
    authority.issue("kube-apiserver").write(folder, "server")
    authority.issue("sa").write(folder, "sa")
    client_port, peer_port, port = free_ports(3)
    etcd = etcd_argv(binaries.etcd(), "e", folder, client_port, peer_port, f"e=https://127.0.0.1:{peer_port}", "new")
    argv = [
        str(binary),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--etcd-servers=https://127.0.0.1:{client_port}",
        f"--etcd-cafile={folder}/ca.crt",
        f"--etcd-certfile={folder}/etcd.crt",
        f"--etcd-keyfile={folder}/etcd.key",
        f"--client-ca-file={folder}/ca.crt",
        f"--tls-cert-file={folder}/server.crt",
        f"--tls-private-key-file={folder}/server.key",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
        "--service-cluster-ip-range=10.96.0.0/12",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--enable-bootstrap-token-auth",
        "--endpoint-reconciler-type=none",
    ]
    if version.startswith("v1.20."):
        argv.append("--insecure-port=0")
    user = authority.issue("kubefort", "system:masters")
    url = f"https://127.0.0.1:{port}"
    client = KubernetesClient([url], authority.certificate, user.certificate, user.key, SECONDS_PER_REQUEST)
    with (
        program(folder / "etcd.log", *etcd) as database,
        program(folder / "apiserver.log", *argv) as server,
    ):

        async def ready() -> None:
            ok, why = await client.ready()
            assert ok, why

        await eventually(ready, database, server)
        yield ApiServer(url, authority, client)
