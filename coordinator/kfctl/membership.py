"""How a host becomes a member: enrolment with a token, identity on disk, the agent's start, its own operation."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import yaml
from kubefort import __version__, document, files, identity, paths
from kubefort.errors import InvalidInput, Refused, Unavailable
from kubefort.identity import Identity
from kubefort.kubeadm.addresses import host_port
from kubefort.model.operation import OperationState
from kubefort.v1 import fleet_pb2 as wire
from kubefort.v1.fleet_pb2_grpc import EnrolmentServiceStub, FleetServiceStub
from kubefort.waiting import within

from kfctl import thishost
from kfctl.client import readable

AGENT = "kubefort-agent.service"
QUICK_S = 5.0
_REQUEST_KEY = "request.key"


@dataclass(frozen=True)
class Ticket:
    """What the join command carries: the coordinator's address (host, port), the token, and the authority's pin."""

    host: str
    port: int
    token: str
    pin: str

    @classmethod
    def parse(cls, address: str, token: str, pin: str) -> Ticket:
        """Raises InvalidInput that says which of the three is not what a join command has."""
        again = "copy the join command again, or make a new one with `kfctl token create`"
        match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(\d{1,5}))?", address)
        bare = re.fullmatch(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*", address)
        if match is None and bare is None:
            raise InvalidInput(f'"{address}" is not an address, or address:port', again)
        if not re.fullmatch(r"[a-z0-9]{6}\.[a-z0-9]{16}", token):
            raise InvalidInput("the token does not have the form xxxxxx.yyyyyyyyyyyyyyyy", again)
        if not re.fullmatch(r"sha256:[0-9a-fA-F]{64}", pin):
            raise InvalidInput("the pin does not have the form sha256: and 64 hexadecimal digits", again)
        host = (match[1] if match else address).strip("[]")
        port = int(match[2]) if match and match[2] else paths.ENROLMENT_PORT
        return cls(host, port, token, pin.lower())

    @property
    def address(self) -> str:
        return host_port(self.host, self.port)


@dataclass(frozen=True)
class Member:
    """An enrolled host: who it is, where the fleet service is, and whether it was enrolled before this call."""

    identity: Identity
    fleet_address: str
    earlier: bool


def enrolled() -> Member | None:
    """The membership that is on this host's disk already, or None."""
    try:
        who = Identity.load(paths.IDENTITY)
        known = yaml.safe_load(paths.AGENT_CONFIG.read_bytes())["coordinator"]
        return Member(who, str(known[0]), True)
    except (Unavailable, FileNotFoundError, KeyError, IndexError, TypeError, yaml.YAMLError):
        return None


def same_cluster(member: Member, pin: str) -> None:
    """Raises Refused where a host is a member of another cluster than the one whose authority has that pin."""
    if identity.pin(member.identity.authority) != pin:
        raise Refused(
            f"this host is a member of another cluster, whose coordinator is {member.fleet_address}",
            "remove it there: `kfctl reset HOST`; if that cluster is gone, clean this host: `kfctl reset --local`",
        )


def _key(folder: Path) -> str:
    """The host's key; one made for an enrolment is kept, so that the coordinator knows a caller again after a crash."""
    for name in ("tls.key", _REQUEST_KEY):
        if (folder / name).is_file():
            return (folder / name).read_text()
    key = identity.new_key()
    files.make_folder(folder, 0o700)
    files.write(folder / _REQUEST_KEY, key, 0o600)
    return key


async def enrol(ticket: Ticket, address: str, ignored: tuple[str, ...]) -> Member:
    """Exchange the token for an identity and keep it. A failed join of this host is taken up again by that.

    `address` is this host's own. Raises Refused (with the coordinator's reason), Unavailable, InvalidInput.
    """
    facts = await thishost.facts(address)
    await thishost.stop_service(AGENT)  # it forgets a membership that ended, but not the one that begins here
    authority = await asyncio.to_thread(identity.fetch_authority, ticket.address, ticket.pin)
    key = _key(paths.IDENTITY)
    request = wire.EnrolRequest(
        token=ticket.token,
        certificate_request=identity.certificate_request(key, facts.hostname),
        facts=document.encode(facts),
        version=__version__,
        time=time.time(),
        ignored_checks=ignored,
        bare=not any(path.exists() for path in (paths.ETCD_DATA / "member", paths.KUBERNETES / "kubelet.conf")),
    )
    async with identity.enrolment_channel(ticket.address, authority) as channel:
        try:
            answer = await EnrolmentServiceStub(channel).Enrol(request, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise readable(error, ticket.address) from error
    fleet = answer.fleet_address or host_port(ticket.host, paths.FLEET_PORT)
    who = Identity(key, answer.certificate, answer.authority or authority)
    _tell_agent(fleet)
    who.save(paths.IDENTITY)
    files.remove(paths.IDENTITY / _REQUEST_KEY)
    return Member(who, fleet, False)


def _tell_agent(fleet: str) -> None:
    """Write the coordinator's address into agent.yaml and keep what else stands there."""
    try:
        known = yaml.safe_load(paths.AGENT_CONFIG.read_bytes())
    except (FileNotFoundError, yaml.YAMLError):
        known = None
    settings = {**(known if isinstance(known, dict) else {}), "coordinator": [fleet]}
    files.write(paths.AGENT_CONFIG, yaml.safe_dump(settings), 0o644)


async def start_agent(member: Member) -> None:
    """Start the agent; one that ran before this host was enrolled reads its identity anew."""
    await thishost.start_service(AGENT, restart=not member.earlier)


async def own_states(
    member: Member, resume: bool = False, ignored: tuple[str, ...] = ()
) -> AsyncGenerator[OperationState, None]:
    """States of the operation that changes this host, until it ends; `resume` takes a failed join up again first."""
    request = wire.WatchOwnOperationRequest(resume=resume, ignored_checks=ignored)
    async with identity.channel(member.fleet_address, member.identity) as channel:
        try:
            async for answer in FleetServiceStub(channel).WatchOwnOperation(request):
                yield document.decode(answer.operation, OperationState, "the coordinator's operation")
        except grpc.aio.AioRpcError as error:
            raise readable(error, member.fleet_address) from error


async def own_state(member: Member) -> OperationState | None:
    """The newest operation that changes this host; None where there is none, as far as QUICK_S seconds tell.

    Raises Refused where the coordinator does not know this host (any more).
    """

    async def first() -> OperationState | None:
        states = own_states(member)
        try:
            return await states.__anext__()
        except StopAsyncIteration:
            return None
        finally:
            await states.aclose()

    try:
        return await within(QUICK_S, first())
    except TimeoutError:
        return None
