"""A small client of the Kubernetes API: JSON over mutually authenticated TLS, server-side apply, and nodes.

ApiError      a server answered and refused (KubefortError)
Unavailable   none answered, or none can at the moment: trying again makes sense
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote, urlencode

from kubefort.errors import KubefortError, Unavailable

from kubefort_coordinator.kubernetes import http
from kubefort_coordinator.kubernetes.paths import KNOWN, Kind, group_path, object_path

Object = dict[str, Any]

FIELD_MANAGER = "kubefort"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_PAGE = 500
_BUSY = {429, 500, 502, 503, 504}


class ApiError(KubefortError):
    """The API server said no: `code` is HTTP's, `reason` that of the Status object ("NotFound", "Conflict", ...)."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"the API server refused ({code} {reason}): {message}")
        self.code, self.reason = code, reason


class KubernetesClient:
    """Talks to the first of `servers` ("https://host:6443") that answers; nothing is kept open between requests.

    Every method raises Unavailable where no server answers properly, and ApiError where one refuses. `timeout` in
    seconds is for one request to one server; certificates and key are PEM.
    """

    def __init__(
        self,
        servers: Sequence[str],
        authority_pem: bytes,
        certificate_pem: bytes,
        key_pem: bytes,
        timeout: float = 10.0,
    ) -> None:
        self.servers = tuple(server.rstrip("/") for server in servers)
        self.timeout = timeout
        self._context = http.client_context(authority_pem, certificate_pem, key_pem)
        self._last = 0
        self._kinds = dict(KNOWN)

    async def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Object:
        """One request, tried on each server in turn; the answer's JSON. `body` is encoded as JSON.

        A request may arrive twice: where its answer was lost it is sent to the next server. So everything that this
        client sends may be repeated without harm.
        """
        data = b"" if body is None else json.dumps(body).encode()
        failure: KubefortError = Unavailable("no API server is known")
        for index in self._order():
            server = self.servers[index]
            try:
                answer = await http.request(self._context, server, method, path, data, content_type, self.timeout)
                document = _document(server, answer)
            except Unavailable as error:
                failure = error
                continue
            self._last = index
            return document
        raise failure

    async def ready(self) -> tuple[bool, str]:
        """Whether a server's /readyz says ok, and in words why not. Never raises."""
        why = "no API server is known"
        for index in self._order():
            server = self.servers[index]
            try:
                answer = await http.request(self._context, server, "GET", "/readyz?verbose=1", timeout=self.timeout)
            except Unavailable as error:
                why = error.message
                continue
            if answer.code == 200:
                self._last = index
                return True, ""
            why = f"{server} is not ready: {_failed_checks(answer)}"
        return False, why

    async def version(self) -> str:
        """The server's version, like v1.36.2."""
        return str((await self.request("GET", "/version"))["gitVersion"])

    async def get(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Object | None:
        """An object, or None where there is none."""
        path = object_path(api_version, await self._kind(api_version, kind), namespace, name)
        try:
            return await self.request("GET", path)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def list(
        self, kind: str, namespace: str = "", api_version: str = "v1", labels: str = "", fields: str = ""
    ) -> list[Object]:
        """Objects of a kind, of all namespaces where none is named; `labels` and `fields` are selectors."""
        path = object_path(api_version, await self._kind(api_version, kind), namespace)
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        query |= {"fieldSelector": fields} if fields else {}
        items: list[Object] = []
        while True:
            page = await self.request("GET", f"{path}?{urlencode(query)}")
            items += page.get("items") or []
            following = page.get("metadata", {}).get("continue", "")
            if not following:
                return items
            query["continue"] = following

    async def apply(self, wanted: Object) -> Object:
        """Server-side apply (field manager kubefort, forced); creates where missing. Works for any kind."""
        query = urlencode({"fieldManager": FIELD_MANAGER, "force": "true"})
        try:
            return await self.request("PATCH", f"{await self._path_of(wanted)}?{query}", wanted, APPLY)
        except ApiError as error:
            raise _not_yet(error) from error

    async def create_if_missing(self, wanted: Object) -> bool:
        """Create; False where it was there already (left as it is)."""
        path = (await self._path_of(wanted)).rpartition("/")[0]
        try:
            await self.request("POST", f"{path}?{urlencode({'fieldManager': FIELD_MANAGER})}", wanted)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return False
            raise _not_yet(error) from error
        return True

    async def patch(self, kind: str, name: str, patch: Object, namespace: str = "", api_version: str = "v1") -> Object:
        """JSON merge patch: null removes, a list replaces a list."""
        path = object_path(api_version, await self._kind(api_version, kind), namespace, name)
        return await self.request("PATCH", f"{path}?{urlencode({'fieldManager': FIELD_MANAGER})}", patch, MERGE)

    async def delete(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> bool:
        """False where there was none."""
        path = object_path(api_version, await self._kind(api_version, kind), namespace, name)
        try:
            await self.request("DELETE", path)
        except ApiError as error:
            if error.code == 404:
                return False
            raise
        return True

    async def evict(self, namespace: str, name: str, api_version: str = "policy/v1") -> str:
        """Ask that a pod be evicted: "" where it is going or gone, else why not now, in the API's words.

        `api_version` of the Eviction: policy/v1 from 1.22 on, policy/v1beta1 before.
        """
        path = f"{object_path('v1', KNOWN[('v1', 'Pod')], namespace, name)}/eviction"
        metadata = {"name": name, "namespace": namespace}
        wanted = json.dumps({"apiVersion": api_version, "kind": "Eviction", "metadata": metadata}).encode()
        failure: KubefortError = Unavailable("no API server is known")
        for index in self._order():
            try:
                answer = await http.request(self._context, self.servers[index], "POST", path, wanted)
            except Unavailable as error:
                failure = error
                continue
            said = _said(answer)
            budget = said.get("reason") == "TooManyRequests" or "PodDisruptionBudget" in str(said.get("message"))
            if answer.code >= 400 and budget:
                causes = (said.get("details") or {}).get("causes") or []
                return "; ".join(cause["message"] for cause in causes if cause.get("message")) or str(said["message"])
            try:
                _document(self.servers[index], answer)
            except ApiError as error:
                if error.code != 404:
                    raise
            except Unavailable as error:
                failure = error
                continue
            return ""
        raise failure

    async def node_ready(self, name: str) -> tuple[bool, str]:
        """Whether the node is there and Ready, and in words why not."""
        node = await self.get("Node", name)
        if node is None:
            return False, f"the node {name} has not registered yet"
        return readiness(node)

    async def patch_node(self, name: str, patch: Object) -> Object:
        """JSON merge patch of a node; {} changes nothing. Unavailable when it names a version that is past."""
        try:
            return await self.patch("Node", name, patch)
        except ApiError as error:
            if error.reason == "Conflict":
                raise Unavailable(f"the node {name} was changed by somebody else meanwhile") from error
            raise

    async def delete_node(self, name: str) -> bool:
        """False where there was none."""
        return await self.delete("Node", name)

    def _order(self) -> Sequence[int]:
        count = len(self.servers)
        return [(self._last + step) % count for step in range(count)]

    async def _path_of(self, wanted: Object) -> str:
        metadata = wanted["metadata"]
        kind = await self._kind(wanted["apiVersion"], wanted["kind"])
        namespace = metadata.get("namespace") or ("default" if kind.namespaced else "")
        return object_path(wanted["apiVersion"], kind, namespace, metadata["name"])

    async def _kind(self, api_version: str, kind: str) -> Kind:
        known = self._kinds.get((api_version, kind))
        if known:
            return known
        try:
            resources = (await self.request("GET", group_path(quote(api_version, safe="/")))).get("resources") or []
        except ApiError as error:
            if error.code != 404:
                raise
            resources = []
        for resource in resources:
            if "/" not in resource["name"]:
                self._kinds[(api_version, resource["kind"])] = Kind(resource["name"], bool(resource["namespaced"]))
        if (api_version, kind) not in self._kinds:
            # A definition that was applied a moment ago is served a moment later.
            raise Unavailable(f"the API server does not serve {kind} of {api_version} (yet)")
        return self._kinds[(api_version, kind)]


def readiness(node: Object) -> tuple[bool, str]:
    """Whether a Node object is Ready, and in words why not."""
    name = node["metadata"]["name"]
    conditions = node.get("status", {}).get("conditions") or []
    ready = next((c for c in conditions if c.get("type") == "Ready"), None)
    if ready is None:
        return False, f"the kubelet of {name} has not reported yet"
    if ready.get("status") == "True":
        return True, ""
    why = ready.get("message") or ready.get("reason") or "no reason given"
    return False, f"the node {name} is not Ready: {why}"


def _said(answer: http.Answer) -> Object:
    try:
        said = json.loads(answer.body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _document(server: str, answer: http.Answer) -> Object:
    try:
        document = json.loads(answer.body) if answer.body else {}
    except ValueError:
        document = {"message": answer.body[:500].decode(errors="replace").strip()}
        if answer.code < 400:
            raise Unavailable(f"{server} answered with something that is not JSON") from None
    if answer.code < 400 and isinstance(document, dict):
        return document
    status = document if isinstance(document, dict) else {}
    message, reason = str(status.get("message", "")), str(status.get("reason", ""))
    if answer.code in _BUSY:
        raise Unavailable(f"{server} cannot answer now ({answer.code}): {message or reason or 'no reason given'}")
    raise ApiError(answer.code, reason, message)


def _not_yet(error: ApiError) -> KubefortError:
    """A server that has just become ready makes the system namespaces a moment later."""
    if error.code == 404 and "namespaces " in error.message:
        return Unavailable(f"the namespace is not there yet: {error.message}")
    return error


def _failed_checks(answer: http.Answer) -> str:
    lines = answer.body.decode(errors="replace").splitlines()
    failed = [line[3:].split(" ", 1)[0] for line in lines if line.startswith("[-]")]
    return ", ".join(failed) or f"{answer.code} {' '.join(lines)[:200]}"
