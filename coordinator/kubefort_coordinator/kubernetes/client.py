"""A small client of the Kubernetes API (signatures; the body follows)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kubefort.errors import KubefortError

Object = dict[str, Any]


class ApiError(KubefortError):
    """The API server said no: `code` is HTTP's, `reason` that of the Status object ("NotFound", "Conflict", ...)."""

    code: int
    reason: str


class KubernetesClient:
    """Talks to the first of `servers` ("https://host:6443") that answers; nothing is kept open between requests.

    Every method raises Unavailable where no server answers (properly), and ApiError where one refuses.
    """

    def __init__(
        self, servers: Sequence[str], authority_pem: bytes, certificate_pem: bytes, key_pem: bytes, timeout: float = 10.0
    ) -> None: ...

    async def ready(self) -> tuple[bool, str]:
        """Whether a server's /readyz says ok, and in words why not. Never raises."""
        raise NotImplementedError

    async def version(self) -> str:
        """The server's version, like v1.36.2."""
        raise NotImplementedError

    async def get(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Object | None:
        """An object, or None where there is none."""
        raise NotImplementedError

    async def list(self, kind: str, namespace: str = "", api_version: str = "v1", labels: str = "") -> list[Object]:
        raise NotImplementedError

    async def apply(self, wanted: Object) -> Object:
        """Server-side apply (field manager kubefort, forced); creates where missing. Works for any kind."""
        raise NotImplementedError

    async def create_if_missing(self, wanted: Object) -> bool:
        """Create; False where it was there already (left as it is)."""
        raise NotImplementedError

    async def delete(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> bool:
        """False where there was none."""
        raise NotImplementedError

    async def node_ready(self, name: str) -> tuple[bool, str]:
        """Whether the node is there and Ready, and in words why not."""
        raise NotImplementedError

    async def patch_node(self, name: str, patch: Object) -> Object:
        """JSON merge patch of a node."""
        raise NotImplementedError

    async def delete_node(self, name: str) -> bool:
        """False where there was none."""
        raise NotImplementedError
