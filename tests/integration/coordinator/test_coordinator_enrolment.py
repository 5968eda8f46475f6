"""Enrolment and the rules of access, over real TLS."""

from __future__ import annotations

import grpc
import grpc.aio
import msgspec
import pytest
from kubefort import document, identity
from kubefort.errors import Refused
from kubefort.identity import Identity
from kubefort.model.cluster import Cluster
from kubefort.v1 import control_pb2, fleet_pb2
from kubefort.v1.fleet_pb2_grpc import FleetServiceStub
from kubefort_coordinator.records import ClusterRecord

from tests.integration.coordinator.conftest import World

CLUSTER = ClusterRecord(Cluster("v1.36.2", endpoint="192.0.2.1:6443"), "cp-1", bootstrapped=True)


async def test_a_wrong_pin_is_refused_before_the_token_leaves_the_host(world: World) -> None:
    with pytest.raises(Refused, match="none of its certificates has the pin"):
        await world.host("cp-1").enrol("aaaaaa.bbbbbbbbbbbbbbbb", pin="sha256:" + "0" * 64)


@pytest.mark.parametrize(
    ("token", "code", "words"),
    [
        ("nonsense", grpc.StatusCode.INVALID_ARGUMENT, "looks like"),
        ("aaaaaa.bbbbbbbbbbbbbbbb", grpc.StatusCode.PERMISSION_DENIED, "is wrong"),
    ],
)
async def test_a_wrong_token_is_refused(world: World, token: str, code: grpc.StatusCode, words: str) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await world.host("cp-1").enrol(token)
    assert caught.value.code() is code
    error = identity.as_error(caught.value)
    assert words in error.message
    assert "kfctl token create" in error.hint


async def test_a_token_is_spent_by_the_first_host_only(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    token = await world.token("worker")
    assert (await world.host("w-1").enrol(token)).operation_id == "join-1"
    with pytest.raises(grpc.aio.AioRpcError, match="used up"):
        await world.host("w-2").enrol(token)
    assert [host.name for host in world.coordinator.records.hosts()] == ["w-1"]


@pytest.mark.parametrize(
    ("settings", "offset", "words"),
    [
        ({"name": "Big"}, 0.0, "cannot be a node's name"),
        ({}, 40.0, "40 s ahead"),
        ({}, -31536000.0, "behind"),
        ({"machine_id": "machine-w-1"}, 0.0, "machine-id of w-1"),
        ({"name": "w-1", "machine_id": "other"}, 0.0, "another host named w-1"),
        ({"address": "192.0.2.1"}, 0.0, "has the address"),
    ],
)
async def test_what_does_not_fit_is_refused_and_costs_no_token(
    world: World, settings: dict[str, str], offset: float, words: str
) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    await world.host("w-1").enrol(await world.token("worker"))
    token = await world.token("worker")
    with pytest.raises(grpc.aio.AioRpcError, match=words):
        await world.host("w-2", **settings).enrol(token, offset=offset)
    record = world.coordinator.records.token(token[:6])
    assert record is not None
    assert record.uses_left == 1


async def test_enrolling_again_replaces_the_identity(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    host = world.host("w-1")
    await host.enrol(await world.token("worker"))
    old = host.identity
    await host.enrol(await world.token("worker"))
    async with host.stub() as stub:
        await stub.RenewIdentity(
            fleet_pb2.RenewIdentityRequest(
                certificate_request=identity.certificate_request(identity.new_key(), "root@anything")
            )
        )
    host.identity = old
    async with host.stub() as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="replaced or revoked"):
            await stub.FetchSecret(fleet_pb2.FetchSecretRequest(name="pki/ca.crt"))


async def test_a_host_may_not_call_what_operators_call_and_the_other_way_round(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    host = world.host("w-1")
    await host.enrol(await world.token("worker"))
    async with world.control(host.identity) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOverview(control_pb2.GetOverviewRequest())
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    host.identity = world.operator
    async with host.stub() as fleet:
        with pytest.raises(grpc.aio.AioRpcError, match="may not call FetchSecret"):
            await fleet.FetchSecret(fleet_pb2.FetchSecretRequest(name="pki/ca.key"))


async def test_an_operator_renews_himself_and_is_revoked_with_all_his_keys(world: World) -> None:
    request = identity.certificate_request(identity.new_key(), "root@anything")
    async with identity.channel(world.fleet_address, world.operator) as channel:
        answer = await FleetServiceStub(channel).RenewIdentity(
            fleet_pb2.RenewIdentityRequest(certificate_request=request)
        )
    assert Identity("", answer.certificate, "").common_name == "admin"
    async with world.control() as stub:
        listed = (await stub.ListOperators(control_pb2.ListOperatorsRequest())).operators
        assert [(each.name, each.keys, each.caller) for each in listed] == [("admin", 2, True)]
        with pytest.raises(grpc.aio.AioRpcError, match="no operator nobody"):
            await stub.RevokeOperator(control_pb2.RevokeOperatorRequest(name="nobody"))
        watching = stub.WatchEvents(control_pb2.WatchEventsRequest(follow=True))
        world.coordinator.event("", "Seen", "by an operator")
        assert b"Seen" in (await watching.read()).event
        await stub.RevokeOperator(control_pb2.RevokeOperatorRequest(name="admin"))
        with pytest.raises(grpc.aio.AioRpcError, match="not known"):
            await watching.read()
        with pytest.raises(grpc.aio.AioRpcError, match="kfctl init"):
            await stub.ListOperators(control_pb2.ListOperatorsRequest())


async def test_a_certificate_of_a_foreign_authority_gets_no_connection(world: World) -> None:
    key = identity.new_key()
    foreign = world.coordinator.pki.cluster("kubernetes")
    certificate = foreign.sign(identity.certificate_request(key, "admin"), "admin", (identity.OPERATORS,))
    async with world.control(Identity(key, certificate, world.operator.authority)) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetOverview(control_pb2.GetOverviewRequest(), timeout=3)
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


async def test_a_worker_gets_its_certificate_only_and_no_keys(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    host = world.host("w-1")
    await host.enrol(await world.token("worker"))
    request = identity.certificate_request(identity.new_key(), "system:admin")
    async with host.stub() as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="before it joins"):
            await stub.SignCertificate(fleet_pb2.SignCertificateRequest(name="kubelet", certificate_request=request))
        world.coordinator.raise_stage("w-1", "node")
        signed = await stub.SignCertificate(
            fleet_pb2.SignCertificateRequest(name="kubelet", certificate_request=request)
        )
        assert Identity("", signed.certificate, "").common_name == "system:node:w-1"
        for name in ("pki/ca.key", "pki/sa.key", "vip-key-1"):
            with pytest.raises(grpc.aio.AioRpcError, match="may not have"):
                await stub.FetchSecret(fleet_pb2.FetchSecretRequest(name=name))
        with pytest.raises(grpc.aio.AioRpcError, match="no certificate named"):
            await stub.SignCertificate(fleet_pb2.SignCertificateRequest(name="admin.conf", certificate_request=request))


async def test_an_agent_gets_its_spec_and_every_later_one(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    host = world.host("w-1")
    await host.enrol(await world.token("worker"))
    host.start()
    await world.until(lambda: bool(host.specs))
    world.coordinator.update_host("w-1", labels={"a": "b"})
    await world.until(lambda: host.specs[-1].node.labels == {"a": "b"})
    generations = [spec.generation for spec in host.specs]
    assert generations == sorted(set(generations))
    await world.until(lambda: not world.coordinator.unsettled("w-1"))


async def test_a_lost_answer_does_not_cost_the_token(world: World) -> None:
    world.coordinator.records.put_cluster(CLUSTER)
    token = await world.token("worker")
    host = world.host("w-1")
    await host.enrol(token)
    assert host.identity is not None
    authority = host.identity.authority
    async with identity.enrolment_channel(world.enrolment_address, authority) as channel:
        from kubefort.v1.fleet_pb2_grpc import EnrolmentServiceStub

        answer = await EnrolmentServiceStub(channel).Enrol(
            fleet_pb2.EnrolRequest(
                token=token,
                certificate_request=identity.certificate_request(host.identity.key, ""),
                facts=document.encode(msgspec.structs.replace(host.facts)),
                time=world.coordinator.clock(),
            )
        )
    assert answer.operation_id == "join-1"
