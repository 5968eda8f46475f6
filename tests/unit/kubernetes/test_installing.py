"""install: in order, and what belongs to the operator once it is there stays."""

from __future__ import annotations

import copy
from typing import Any

from kubefort_coordinator.kubernetes.install import install

Object = dict[str, Any]


class FakeApi:
    """Objects by kind and name, and what was written in which order."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Object] = {}
        self.written: list[str] = []

    async def get(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Object | None:
        return self.objects.get((kind, name))

    async def apply(self, wanted: Object) -> Object:
        self.objects[(wanted["kind"], wanted["metadata"]["name"])] = copy.deepcopy(wanted)
        self.written.append(wanted["metadata"]["name"])
        return wanted

    async def create_if_missing(self, wanted: Object) -> bool:
        if (wanted["kind"], wanted["metadata"]["name"]) in self.objects:
            return False
        await self.apply(wanted)
        return True


def an_object(kind: str, name: str, **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}


async def test_everything_in_order() -> None:
    api = FakeApi()
    await install(api, [an_object("ConfigMap", "b"), an_object("ConfigMap", "coredns"), an_object("Service", "a")])
    assert api.written == ["b", "coredns", "a"]


async def test_the_corefile_and_the_number_of_replicas_are_the_operators() -> None:
    api = FakeApi()
    wanted = [
        an_object("ConfigMap", "coredns", data={"Corefile": "ours"}),
        an_object("Deployment", "coredns", spec={"replicas": 2, "paused": False}),
    ]
    await install(api, wanted)
    api.objects[("ConfigMap", "coredns")]["data"]["Corefile"] = "theirs"
    api.objects[("Deployment", "coredns")]["spec"] = {"replicas": 5, "paused": True}
    await install(api, wanted)
    assert api.objects[("ConfigMap", "coredns")]["data"]["Corefile"] == "theirs"
    assert api.objects[("Deployment", "coredns")]["spec"] == {"replicas": 5, "paused": False}
    assert wanted[1]["spec"]["replicas"] == 2
