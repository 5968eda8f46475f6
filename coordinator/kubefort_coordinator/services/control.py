"""What operators ask for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast, get_args

import kubefort
from kubefort import document
from kubefort.errors import InvalidInput, Refused
from kubefort.kubeadm.certificates import certificate
from kubefort.model.cluster import Role
from kubefort.model.operation import HostOverview, Overview
from kubefort.v1 import control_pb2 as wire
from kubefort.v1.control_pb2_grpc import ControlServiceServicer

from kubefort_coordinator import memory
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.operations import Kind
from kubefort_coordinator.operations.runner import Runner
from kubefort_coordinator.services.access import CALLER
from kubefort_coordinator.specs import node_of, run_modes, running_version


class Control(ControlServiceServicer):
    """Served to operators only."""

    def __init__(self, coordinator: Coordinator, runner: Runner, kinds: dict[str, Kind]) -> None:
        self._coordinator = coordinator
        self._runner = runner
        self._kinds = kinds

    async def StartOperation(self, request: wire.StartOperationRequest, context: Any) -> wire.StartOperationResponse:
        kind = self._kinds.get(request.kind)
        if kind is None:
            raise InvalidInput(f"there is no operation {request.kind!r}", f"there are {', '.join(sorted(self._kinds))}")
        arguments = document.decode(request.arguments, kind.arguments, f"arguments of {request.kind}")
        state = self._runner.begin(request.kind, arguments, dry_run=request.dry_run)
        return wire.StartOperationResponse(operation=document.encode(state))

    async def WatchOperation(
        self, request: wire.WatchOperationRequest, context: Any
    ) -> AsyncIterator[wire.WatchOperationResponse]:
        async for state in self._runner.watch(request.id):
            yield wire.WatchOperationResponse(operation=document.encode(state))

    async def AbortOperation(self, request: wire.AbortOperationRequest, context: Any) -> wire.AbortOperationResponse:
        state = self._runner.pause(request.id) if request.pause else self._runner.abort(request.id)
        return wire.AbortOperationResponse(operation=document.encode(state))

    async def ResumeOperation(self, request: wire.ResumeOperationRequest, context: Any) -> wire.ResumeOperationResponse:
        state = self._runner.resume(request.id, tuple(request.ignored_checks))
        return wire.ResumeOperationResponse(operation=document.encode(state))

    async def GetOverview(self, request: wire.GetOverviewRequest, context: Any) -> wire.GetOverviewResponse:
        return wire.GetOverviewResponse(overview=document.encode(self.overview()))

    def overview(self) -> Overview:
        """Everything known, as one document."""
        coordinator = self._coordinator
        record = coordinator.records.cluster()
        hosts = []
        for host in coordinator.records.hosts():
            sight, spec = coordinator.observer.sight(host.name), coordinator.records.spec(host.name)
            hosts.append(
                HostOverview(
                    name=host.name,
                    role=host.role,
                    address=host.address,
                    stage=host.stage,
                    generation=spec.generation if spec else 0,
                    connected=sight.connections > 0,
                    seen=sight.seen,
                    status=sight.status,
                    run_modes=run_modes(record.cluster, host) if record else {},
                    kubernetes_version=running_version(record, host) if record else "",
                    upgrading_to=host.moving.version if host.moving and not host.moving.done else "",
                )
            )
        return Overview(
            version=kubefort.__version__,
            time=coordinator.clock(),
            cluster=record.cluster if record else None,
            hosts=tuple(hosts),
            operations=tuple(self._runner.states()),
        )

    async def WatchEvents(
        self, request: wire.WatchEventsRequest, context: Any
    ) -> AsyncIterator[wire.WatchEventsResponse]:
        last = 0
        while True:
            seen = self._coordinator.changed.count
            for number, event in self._coordinator.records.events(last):
                last = number
                if request.host in ("", event.host):
                    yield wire.WatchEventsResponse(event=document.encode(event))
            if not request.follow:
                return
            await self._coordinator.changed.wait(seen)

    async def CreateToken(self, request: wire.CreateTokenRequest, context: Any) -> wire.CreateTokenResponse:
        if request.role not in get_args(Role):
            raise InvalidInput(f"role {request.role!r} is not one of {', '.join(get_args(Role))}")
        role = cast(Role, request.role)
        token = self._coordinator.tokens.create(role, request.lifetime_s, request.uses)
        settings, pin = self._coordinator.records.settings(), self._coordinator.pki.pin
        command = f"kfctl join {settings.address} --token {token} --ca-pin {pin}"
        return wire.CreateTokenResponse(token=token, join_command=command)

    async def ListTokens(self, request: wire.ListTokensRequest, context: Any) -> wire.ListTokensResponse:
        now = self._coordinator.clock()
        return wire.ListTokensResponse(
            tokens=[
                wire.Token(id=each.id, role=each.role, uses_left=each.uses_left, expires=each.expires)
                for each in self._coordinator.records.tokens()
                if each.uses_left > 0 and each.expires > now
            ]
        )

    async def DeleteToken(self, request: wire.DeleteTokenRequest, context: Any) -> wire.DeleteTokenResponse:
        if not self._coordinator.records.delete_token(request.id.partition(".")[0]):
            raise Refused(f"there is no token {request.id}", "see `kfctl token list`")
        return wire.DeleteTokenResponse()

    async def ListOperators(self, request: wire.ListOperatorsRequest, context: Any) -> wire.ListOperatorsResponse:
        own = CALLER.get().name
        return wire.ListOperatorsResponse(
            operators=[
                wire.Operator(name=each.name, keys=len(each.identities), caller=each.name == own)
                for each in self._coordinator.records.operators()
            ]
        )

    async def RevokeOperator(self, request: wire.RevokeOperatorRequest, context: Any) -> wire.RevokeOperatorResponse:
        if not self._coordinator.records.delete_operator(request.name):
            raise Refused(f"there is no operator {request.name}", "see `kfctl operator list`")
        self._coordinator.event("", "OperatorRevoked", f"{CALLER.get().name} revoked {request.name}", warning=True)
        return wire.RevokeOperatorResponse()

    async def IssueKubeconfig(self, request: wire.IssueKubeconfigRequest, context: Any) -> wire.IssueKubeconfigResponse:
        coordinator = self._coordinator
        cluster = coordinator.records.need_cluster().cluster
        control_planes = coordinator.control_planes()
        if not control_planes or not cluster.endpoint:
            raise Refused("the cluster has no control plane yet", "wait for `kfctl init` to end")
        wanted = certificate("admin.conf", cluster, node_of(cluster, control_planes[0]))
        if wanted is None:
            raise Refused("there is no administrator's certificate")
        authority = coordinator.pki.cluster("kubernetes")
        return wire.IssueKubeconfigResponse(
            certificate=authority.sign(request.certificate_request, wanted.common_name, wanted.organizations),
            authority=authority.certificate,
            server=f"https://{cluster.endpoint}",
            cluster_name=cluster.name,
        )

    async def AddBundle(self, request: wire.AddBundleRequest, context: Any) -> wire.AddBundleResponse:
        manifest = await asyncio.to_thread(self._coordinator.bundles.add, Path(request.folder))
        memory.trim()
        self._coordinator.publish()
        return wire.AddBundleResponse(kubernetes_version=manifest.kubernetes_version)

    async def ListBundles(self, request: wire.ListBundlesRequest, context: Any) -> wire.ListBundlesResponse:
        return wire.ListBundlesResponse(
            bundles=[
                wire.Bundle(
                    kubernetes_version=each.kubernetes_version,
                    etcd_version=each.etcd_version,
                    artifacts=len(each.artifacts),
                    size=each.size,
                )
                for each in self._coordinator.bundles.all()
            ]
        )
