"""A kubeconfig from what the coordinator signs."""

from __future__ import annotations

import base64
from pathlib import Path

import yaml
from kubefort import identity

from kfctl.client import connect

USER = "kubernetes-admin"


def render(cluster: str, server: str, authority: str, certificate: str, key: str) -> str:
    """A kubeconfig as kubeadm's admin.conf; authority, certificate and key are PEM."""

    def data(pem: str) -> str:
        return base64.b64encode(pem.encode()).decode()

    context = f"{USER}@{cluster}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": data(authority), "server": server}}],
        "contexts": [{"name": context, "context": {"cluster": cluster, "user": USER}}],
        "current-context": context,
        "preferences": {},
        "users": [{"name": USER, "user": {"client-certificate-data": data(certificate), "client-key-data": data(key)}}],
    }
    return yaml.safe_dump(document, sort_keys=False, width=10**6)


async def issue(config: Path) -> str:
    """Make a key, have it signed, return the kubeconfig."""
    key = identity.new_key()
    async with connect(config) as client:
        answer = await client.kubeconfig(identity.certificate_request(key, USER))
    return render(answer.cluster_name or "kubernetes", answer.server, answer.authority, answer.certificate, key)
