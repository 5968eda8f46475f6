"""What a host makes of a spec that is on its way to another version, step by step."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import yaml
from kubefort.model.spec import NodeSpec, Upgrade, UpgradeStep
from kubefort_agent.desired import resources
from kubefort_agent.host.facts import HostFacts
from kubefort_agent.resources import Binary, File, Image, Link, Resource, StaticPod, Unit

from tests.unit.components.specs import CP2, W1, make_cluster, make_spec

OLD, NEW = "v1.35.6", "v1.36.2"
FACTS = HostFacts(containerd_version="1.7.24")


def moving(step: UpgradeStep | None, **changes: Any) -> NodeSpec:
    """cp1 on its way."""
    spec = make_spec(make_cluster(OLD), **changes)
    old = tuple(msgspec.structs.replace(a, ref=a.ref.replace("tag", "old"), sha256="a" * 64) for a in spec.artifacts)
    new = tuple(msgspec.structs.replace(a, ref=a.ref.replace("tag", "new"), sha256="b" * 64) for a in spec.artifacts)
    return msgspec.structs.replace(spec, artifacts=old, upgrade=Upgrade(NEW, new, step, True) if step else None)


def images(found: tuple[Resource, ...]) -> dict[str, str]:
    """Static pod's name → its image's tag."""
    pods = [each for each in found if isinstance(each, StaticPod)]
    return {pod.name: container(pod)["image"].rpartition(":")[2] for pod in pods}


def container(pod: StaticPod) -> dict[str, Any]:
    (only,) = yaml.safe_load(pod.manifest)["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def etcd_servers(found: tuple[Resource, ...]) -> list[str]:
    (pod,) = (each for each in found if isinstance(each, StaticPod) and each.name == "kube-apiserver")
    (flag,) = (each for each in container(pod)["command"] if each.startswith("--etcd-servers="))
    return str(flag).partition("=")[2].split(",")


@pytest.mark.parametrize(
    ("step", "etcd", "server", "controllers"),
    [
        (None, "old", "old", "old"),
        ("artifacts", "old", "old", "old"),
        ("api-server", "old", "new", "old"),
        ("controllers", "old", "new", "new"),
        ("etcd", "new", "new", "new"),
    ],
)
def test_components_follow_their_step(step: UpgradeStep | None, etcd: str, server: str, controllers: str) -> None:
    found = resources(moving(step), FACTS)
    others = dict.fromkeys(("kube-controller-manager", "kube-scheduler"), controllers)
    assert images(found) == {"etcd": etcd, "kube-apiserver": server, **others}
    (link,) = (each for each in found if isinstance(each, Link) and each.path.name == "kubelet")
    assert link.target == f"/opt/kubefort/bin/{OLD}/kubelet"


def test_both_versions_lie_ready_while_one_is_on_its_way() -> None:
    found = resources(moving("artifacts"), FACTS)
    assert {each.version for each in found if isinstance(each, Binary)} == {OLD, NEW}
    assert {each.artifact.ref.rpartition(":")[2] for each in found if isinstance(each, Image)} == {"old", "new"}
    assert len({each.key for each in found}) == len(found)


def test_artifacts_alone_change_nothing_that_runs() -> None:
    before, after = resources(moving(None), FACTS), resources(moving("artifacts"), FACTS)
    assert [each for each in after if not isinstance(each, (Binary, Image))] == [
        each for each in before if not isinstance(each, (Binary, Image))
    ]


def test_the_last_step_is_the_new_version_but_for_the_old_artifacts() -> None:
    spec = moving("own-etcd")
    assert spec.upgrade is not None
    cluster = msgspec.structs.replace(spec.cluster, kubernetes_version=NEW)
    done = msgspec.structs.replace(spec, cluster=cluster, artifacts=spec.upgrade.artifacts, upgrade=None)
    last, then = resources(spec, FACTS), resources(done, FACTS)
    assert [each for each in last if each in then] == list(then)
    assert all(isinstance(each, (Binary, Image)) for each in last if each not in then)


def test_a_workers_kubelet_changes_at_the_last_step_only() -> None:
    def kubelet(step: UpgradeStep) -> list[Resource]:
        found = resources(moving(step, node=W1, etcd=None), FACTS)
        return [each for each in found if isinstance(each, (Unit, File, Link))]

    assert kubelet("artifacts") == kubelet("api-server") == kubelet("controllers") == kubelet("etcd")
    changed = [each for each in kubelet("node") if each not in kubelet("etcd")]
    assert {each.key for each in changed} >= {"unit kubelet.service", "link /usr/local/bin/kubelet"}


def test_the_api_server_knows_all_members_while_its_own_restarts() -> None:
    own = "https://127.0.0.1:2379"
    assert etcd_servers(resources(moving("artifacts"), FACTS)) == [own]
    for step in ("api-server", "controllers", "etcd", "node"):
        found = resources(moving(step), FACTS)
        assert etcd_servers(found) == [own, f"https://{CP2.address}:2379"]
    assert etcd_servers(resources(moving("own-etcd"), FACTS)) == [own]


def test_where_etcd_stays_the_api_server_is_not_told_of_others() -> None:
    spec = moving("api-server")
    assert spec.upgrade is not None
    patch = msgspec.structs.replace(spec, upgrade=msgspec.structs.replace(spec.upgrade, etcd_changes=False))
    assert etcd_servers(resources(patch, FACTS)) == ["https://127.0.0.1:2379"]
