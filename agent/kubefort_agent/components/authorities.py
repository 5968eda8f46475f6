"""The host's own certificate authorities, which components need to trust what the host trusts.

kubeadm (cmd/kubeadm/app/phases/controlplane/volumes.go) mounts those of a list of folders that exist; which ones do
depends on the distribution.
"""

from __future__ import annotations

from kubefort_agent.components.component import Context, Mount

_COMMON = (("ca-certs", "/etc/ssl/certs"),)
_DEBIAN = (
    ("etc-ca-certificates", "/etc/ca-certificates"),
    ("usr-local-share-ca-certificates", "/usr/local/share/ca-certificates"),
    ("usr-share-ca-certificates", "/usr/share/ca-certificates"),
)
_REDHAT = (("etc-pki-ca-trust", "/etc/pki/ca-trust"), ("etc-pki-tls-certs", "/etc/pki/tls/certs"))

FOLDERS: dict[str, tuple[tuple[str, str], ...]] = {"debian": _DEBIAN, "el": _REDHAT}


def authority_mounts(context: Context) -> tuple[Mount, ...]:
    """Mounts of the host's family of distributions."""
    folders = _COMMON + FOLDERS.get(context.facts.os_family, ())
    return tuple(Mount(name, folder, folder) for name, folder in folders)
