"""Which pods a drain moves, which it must not, and what the Eviction API's answers mean."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kubefort.errors import Unavailable
from kubefort.kubeadm.versions import parse
from kubefort.model.operation import DrainSettings
from kubefort_coordinator.kubernetes import drain, http
from kubefort_coordinator.kubernetes.client import ApiError, KubernetesClient


def pod(name: str = "web", owner: str = "ReplicaSet", **changes: Any) -> dict[str, Any]:
    owners = [{"kind": "Node"}, {"kind": owner, "controller": True}] if owner else []
    metadata = {"name": name, "namespace": "shop", "ownerReferences": owners, **changes.pop("metadata", {})}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Running"}, **changes}


@pytest.mark.parametrize(
    ("given", "leaves"),
    [
        (pod(), True),
        (pod(owner=""), True),
        (pod(owner="Job"), True),
        (pod(metadata={"deletionTimestamp": "now"}), True),
        (pod(owner="DaemonSet"), False),
        (pod(metadata={"annotations": {"kubernetes.io/config.mirror": "hash"}}), False),
        (pod(status={"phase": "Succeeded"}), False),
        (pod(status={"phase": "Failed"}), False),
    ],
)
def test_daemons_static_and_finished_pods_stay(given: dict[str, Any], leaves: bool) -> None:
    assert (drain.leaving([given]) == [given]) is leaves


EMPTY_DIR: dict[str, Any] = {"spec": {"volumes": [{"name": "cache", "emptyDir": {}}]}}


@pytest.mark.parametrize(
    ("given", "settings", "words"),
    [
        (pod(), DrainSettings(), ""),
        (pod(owner=""), DrainSettings(), "belongs to nobody"),
        (pod(owner=""), DrainSettings(unmanaged=True), ""),
        (pod(owner="", metadata={"deletionTimestamp": "now"}), DrainSettings(), ""),
        (pod(**EMPTY_DIR), DrainSettings(), "data on the node"),
        (pod(**EMPTY_DIR), DrainSettings(local_data=True), ""),
    ],
)
def test_what_would_be_lost_needs_leave(given: dict[str, Any], settings: DrainSettings, words: str) -> None:
    found = drain.refusal(given, settings)
    assert (words in found and "shop/web" in found) if words else found == ""


class Server:
    """Answers from a list, and remembers what it was sent."""

    def __init__(self, *answers: tuple[int, dict[str, Any]] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    async def request(self, _: object, server: str, method: str, path: str, body: bytes = b"", *__: Any) -> http.Answer:
        self.asked.append((f"{method} {path}", server, json.loads(body)))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return http.Answer(answer[0], json.dumps(answer[1]).encode())


def client(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, dict[str, Any]] | Exception) -> tuple[Any, Server]:
    server = Server(*answers)
    monkeypatch.setattr(http, "client_context", lambda *_: None)
    monkeypatch.setattr(http, "request", server.request)
    return KubernetesClient(["https://one:6443", "https://two:6443"], b"", b"", b""), server


BUDGET = {
    "kind": "Status",
    "reason": "TooManyRequests",
    "message": "Cannot evict pod as it would violate the pod's disruption budget.",
    "details": {
        "causes": [{"reason": "DisruptionBudget", "message": "The disruption budget web needs 2 healthy pods"}]
    },
}
TWO_BUDGETS = {"reason": "InternalError", "message": "This pod has more than one PodDisruptionBudget, which ..."}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((201, {"kind": "Status", "status": "Success"}), ""),
        ((404, {"kind": "Status", "reason": "NotFound", "message": "gone"}), ""),
        ((429, BUDGET), "The disruption budget web needs 2 healthy pods"),
        ((500, TWO_BUDGETS), "This pod has more than one PodDisruptionBudget, which ..."),
    ],
)
async def test_an_eviction_is_done_or_says_which_budget(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, dict[str, Any]], said: str
) -> None:
    kubernetes, server = client(monkeypatch, answer)
    assert await kubernetes.evict("shop", "web") == said
    request, _, body = server.asked[0]
    assert request == "POST /api/v1/namespaces/shop/pods/web/eviction"
    assert (body["apiVersion"], body["kind"], body["metadata"]["name"]) == ("policy/v1", "Eviction", "web")


async def test_another_server_is_asked_where_one_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes, server = client(monkeypatch, Unavailable("off"), (201, {}))
    assert await kubernetes.evict("shop", "web") == ""
    assert [where for _, where, _ in server.asked] == ["https://one:6443", "https://two:6443"]
    kubernetes, _ = client(monkeypatch, (503, {"message": "starting"}), Unavailable("off"))
    with pytest.raises(Unavailable, match="off"):
        await kubernetes.evict("shop", "web")


async def test_what_the_server_forbids_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    kubernetes, _ = client(monkeypatch, (403, {"reason": "Forbidden", "message": "no"}))
    with pytest.raises(ApiError, match="Forbidden"):
        await kubernetes.evict("shop", "web")


@pytest.mark.parametrize(("oldest", "api"), [("v1.21.9", "policy/v1beta1"), ("v1.22.0", "policy/v1")])
async def test_old_servers_get_the_old_form(monkeypatch: pytest.MonkeyPatch, oldest: str, api: str) -> None:
    kubernetes, server = client(monkeypatch, (201, {}))
    gone = pod("old", metadata={"deletionTimestamp": "now"})
    assert await drain.evict(kubernetes, [pod(), gone], parse(oldest)) == [
        "pod shop/web to end",
        "pod shop/old to end",
    ]
    assert [body["apiVersion"] for _, _, body in server.asked] == [api]
