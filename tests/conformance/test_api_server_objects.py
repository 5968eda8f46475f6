"""What real API servers make of our objects: accepted, applied again without a change, and read by real kubeadm."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from kubefort.errors import Unavailable
from kubefort.model.cluster import Taint
from kubefort.model.spec import Node
from kubefort.run import run
from kubefort_coordinator.kubernetes.client import ApiError
from kubefort_coordinator.kubernetes.install import install
from kubefort_coordinator.kubernetes.marking import mark_node
from kubefort_coordinator.kubernetes.objects import addon_objects, cluster_objects

from tests.conformance import sample
from tests.conformance.api_server import ApiServer, api_server
from tests.integration.clients import binaries
from tests.integration.clients.processes import eventually, free_ports, program
from tests.lab.artifacts import obtainable

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(params=[each for each in ("v1.20.2", "v1.36.2") if each in obtainable()], scope="module")
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
async def server(version: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApiServer]:
    async with api_server(tmp_path_factory.mktemp(f"api-{version}"), version) as made:
        yield made


def objects(version: str, server: ApiServer) -> list[dict[str, Any]]:
    cluster, artifacts = sample.cluster(version), sample.artifacts(version)
    return [
        *cluster_objects(cluster, artifacts, [sample.FIRST], server.authority.certificate),
        *addon_objects(cluster, artifacts),
    ]


async def stored(server: ApiServer, wanted: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for o in wanted:
        meta = o["metadata"]
        got = await server.client.get(o["kind"], meta["name"], meta.get("namespace", ""), o["apiVersion"])
        assert got is not None
        found[f"{o['kind']} {meta['name']}"] = got
    return found


async def test_all_objects_are_accepted_and_a_second_time_changes_nothing(version: str, server: ApiServer) -> None:
    assert await server.client.version() == version
    wanted = objects(version, server)
    await eventually(lambda: install(server.client, wanted), but=Unavailable)
    before = await stored(server, wanted)
    await install(server.client, wanted)
    after = await stored(server, wanted)
    assert len(before) == len(wanted)
    changed = [n for n in before if before[n]["metadata"]["resourceVersion"] != after[n]["metadata"]["resourceVersion"]]
    assert changed == []


async def test_what_the_operator_changed_stays(version: str, server: ApiServer) -> None:
    wanted = objects(version, server)
    await eventually(lambda: install(server.client, wanted), but=Unavailable)
    await server.client.patch("Deployment", "coredns", {"spec": {"replicas": 3}}, "kube-system", "apps/v1")
    await server.client.patch("ConfigMap", "coredns", {"data": {"Corefile": ". {\n}\n"}}, "kube-system")
    await install(server.client, wanted)
    deployment = await server.client.get("Deployment", "coredns", "kube-system", "apps/v1")
    corefile = await server.client.get("ConfigMap", "coredns", "kube-system")
    assert deployment is not None
    assert corefile is not None
    assert deployment["spec"]["replicas"] == 3
    assert corefile["data"]["Corefile"] == ". {\n}\n"


def kubeconfig(server: ApiServer, folder: Path) -> Path:
    """An administrator's kubeconfig file."""
    user = server.authority.issue("kubernetes-admin", "system:masters")
    ca = folder / "ca.crt"
    ca.write_bytes(server.authority.certificate)
    certificate, key = user.write(folder, "admin")
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": server.url, "certificate-authority": str(ca)}}],
        "users": [{"name": "u", "user": {"client-certificate": str(certificate), "client-key": str(key)}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "admin.conf"
    path.write_text(yaml.safe_dump(document))
    return path


async def run_kubeadm(version: str, *arguments: str, **environment: str) -> str:
    """What kubeadm of that version says; it must succeed."""
    (kubeadm,) = binaries.kubernetes(version, "kubeadm")
    done = await run(str(kubeadm), *arguments, timeout=120.0, env=environment, check=False)
    assert done.code == 0, f"{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


async def test_stock_kubeadm_makes_a_token_and_joins_with_it(version: str, server: ApiServer, tmp_path: Path) -> None:
    address = server.url.removeprefix("https://")
    cluster = msgspec.structs.replace(sample.cluster(version), endpoint=address)
    artifacts = sample.artifacts(version)
    here = cluster_objects(cluster, artifacts, [sample.FIRST], server.authority.certificate)
    await eventually(lambda: install(server.client, [*here, *addon_objects(cluster, artifacts)]), but=Unavailable)
    configuration = kubeconfig(server, tmp_path)
    printed = await run_kubeadm(version, "token", "create", "--print-join-command", f"--kubeconfig={configuration}")
    command = re.search(r"kubeadm join (\S+) --token (\S+)\s+--discovery-token-ca-cert-hash (sha256:\S{64})", printed)
    assert command is not None, printed
    assert command[1] == address

    (manager,) = binaries.kubernetes(version, "kube-controller-manager")
    argv = [str(manager), f"--kubeconfig={configuration}", "--controllers=bootstrapsigner", "--leader-elect=false"]
    argv += ["--bind-address=127.0.0.1", f"--secure-port={free_ports(1)[0]}", f"--cert-dir={tmp_path}"]
    if version == "v1.20.2":
        argv.append("--port=0")
    with program(tmp_path / "manager.log", *argv) as signer:

        async def signed() -> None:
            info = await server.client.get("ConfigMap", "cluster-info", "kube-public")
            assert info is not None
            assert f"jws-kubeconfig-{command[2].partition('.')[0]}" in info["data"]

        await eventually(signed, signer)
    arguments = ["join", command[1], "--token", command[2], "--discovery-token-ca-cert-hash", command[3]]
    if version == "v1.20.2":
        # It has no --dry-run yet; its preflight does the discovery and reads every ConfigMap.
        arguments[1:1] = ["phase", "preflight"]
    else:
        arguments += ["--dry-run"]
    said = await run_kubeadm(
        version, *arguments, "--ignore-preflight-errors=all", "--node-name=w9", KUBEADM_JOIN_DRYRUN_DIR=str(tmp_path)
    )
    assert "[preflight] Reading configuration from the" in said


async def test_a_bootstrap_token_reads_what_a_joining_host_needs(version: str, server: ApiServer) -> None:
    await eventually(lambda: install(server.client, objects(version, server)), but=Unavailable)
    bootstrapper = server.client_of("system:bootstrap:abcdef", "system:bootstrappers:kubeadm:default-node-token")
    name = "kubelet-config-1.20" if version == "v1.20.2" else "kubelet-config"
    for wanted in ("kubeadm-config", name, "kube-proxy"):
        # An authorizer learns of a new role a moment later.
        found = await eventually(lambda w=wanted: bootstrapper.get("ConfigMap", w, "kube-system"), but=ApiError)  # type: ignore[misc]
        assert found is not None
    with pytest.raises(ApiError) as refused:
        await bootstrapper.list("Secret", "kube-system")
    assert (refused.value.code, refused.value.reason) == (403, "Forbidden")


async def test_a_node_is_marked_once_and_keeps_what_it_had(version: str, server: ApiServer) -> None:
    present = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    created = await server.client.create_if_missing(
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1"}, "spec": {"taints": [present]}}
    )
    assert created
    assert not await server.client.create_if_missing({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1"}})
    node = Node(
        "m1", "10.1.2.3", "control-plane", ("10.244.0.0/24",), {"zone": "a"}, (Taint("own", "NoExecute", "yes"),)
    )
    cluster = sample.cluster(version)
    current = await server.client.get("Node", "m1")
    assert current is not None
    patch = mark_node(current, node, cluster)
    await server.client.patch_node("m1", patch)
    with pytest.raises(Unavailable):
        await server.client.patch_node("m1", patch)
    marked = await server.client.get("Node", "m1")
    assert marked is not None
    assert mark_node(marked, node, cluster) == {}
    assert marked["spec"]["podCIDRs"] == ["10.244.0.0/24"]
    assert marked["metadata"]["labels"]["zone"] == "a"
    role = "master" if version == "v1.20.2" else "control-plane"
    keys = {t["key"] for t in marked["spec"]["taints"]}
    assert {"node.kubernetes.io/not-ready", f"node-role.kubernetes.io/{role}", "own"} <= keys
    assert await server.client.node_ready("m1") == (False, "the kubelet of m1 has not reported yet")
    assert await server.client.delete_node("m1")
    assert not await server.client.delete_node("m1")
    assert await server.client.node_ready("m1") == (False, "the node m1 has not registered yet")


async def test_kinds_that_are_not_in_the_table_are_asked_for(server: ApiServer) -> None:
    wanted = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "local"},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    await server.client.apply(wanted)
    found = await server.client.list("StorageClass", "", "storage.k8s.io/v1")
    assert [o["metadata"]["name"] for o in found] == ["local"]
    with pytest.raises(Unavailable, match=r"does not serve Widget of example\.org/v1"):
        await server.client.get("Widget", "w", "", "example.org/v1")


async def test_a_dead_server_is_passed_over(server: ApiServer) -> None:
    (port,) = free_ports(1)
    dead = f"https://127.0.0.1:{port}"
    client = server.client_of("kubefort", "system:masters", dead, server.url)
    assert await client.ready() == (True, "")
    assert await client.get("ConfigMap", "nothing", "default") is None
    alone = server.client_of("kubefort", "system:masters", dead)
    ok, why = await alone.ready()
    assert not ok
    assert why.startswith(f"{dead} does not answer")
    with pytest.raises(Unavailable, match="does not answer"):
        await alone.version()
