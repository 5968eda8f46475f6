"""EtcdClient against real members on loopback: the artifacts' etcd where there is one, else Debian's."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from kubefort.errors import Unavailable
from kubefort_coordinator.etcd.client import EtcdClient, NotInSync

from tests.integration.clients import binaries
from tests.integration.clients.authority import Authority
from tests.integration.clients.processes import Process, etcd_argv, eventually, free_ports

SECONDS_PER_CALL = 10.0


class Members:
    """Up to three members; the first is started at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = binaries.etcd()
        self.authority = Authority()
        (folder / "ca.crt").write_bytes(self.authority.certificate)
        self.authority.issue("member").write(folder, "etcd")
        self.user = self.authority.issue("client")
        ports = free_ports(6)
        self.client_ports, self.peer_ports = ports[:3], ports[3:]
        self.processes: dict[int, Process] = {}

    def peer_url(self, index: int) -> str:
        return f"https://127.0.0.1:{self.peer_ports[index]}"

    def endpoint(self, index: int) -> str:
        return f"https://127.0.0.1:{self.client_ports[index]}"

    def start(self, *indexes: int) -> Process:
        """Start the last of `indexes` as a member of a cluster of all of them."""
        cluster = ",".join(f"m{i}={self.peer_url(i)}" for i in indexes)
        last = indexes[-1]
        argv = etcd_argv(
            self.program,
            f"m{last}",
            self.folder,
            self.client_ports[last],
            self.peer_ports[last],
            cluster,
            "new" if len(indexes) == 1 else "existing",
        )
        self.processes[last] = Process(self.folder / f"m{last}.log", *argv)
        return self.processes[last]

    def client(self, *indexes: int) -> EtcdClient:
        endpoints = [self.endpoint(i) for i in indexes]
        return EtcdClient(endpoints, self.authority.certificate, self.user.certificate, self.user.key, SECONDS_PER_CALL)


@pytest.fixture
async def members(tmp_path: Path) -> AsyncIterator[Members]:
    made = Members(tmp_path)
    try:
        first = made.start(0)
        async with made.client(0) as client:
            await eventually(client.members, first, but=Unavailable)
        yield made
    finally:
        for process in made.processes.values():
            process.kill()


async def test_a_learner_is_added_promoted_and_removed(members: Members) -> None:
    async with members.client(0) as client:
        url = members.peer_url(1)
        # etcd refuses changes for some seconds after a member has started: that is Unavailable, to be tried again.
        learner = await eventually(lambda: client.add_learner([url]), but=Unavailable)
        assert (learner.is_learner, learner.started, learner.peer_urls) == (True, False, (url,))
        assert (await client.add_learner([url])).id == learner.id
        with pytest.raises(NotInSync):
            await client.promote(learner.id)

        second = members.start(0, 1)

        async def promoted() -> None:
            try:
                await client.promote(learner.id)
            except NotInSync as error:
                raise Unavailable(error.message) from error

        await eventually(promoted, second, but=Unavailable)
        await client.promote(learner.id)
        found = await client.members()
        assert [(m.name, m.is_learner) for m in found] == [("m0", False), ("m1", False)]

        status = await eventually(lambda: client.status(members.endpoint(1)), second, but=Unavailable)
        assert status.member_id == learner.id
        assert status.version.startswith("3.")
        assert (status.is_learner, status.errors) == (False, ())
        assert status.db_size > 0

        await client.move_leader(learner.id)
        await client.move_leader(learner.id)
        assert (await client.status(members.endpoint(1))).leader == learner.id

        await eventually(lambda: client.remove(learner.id), but=Unavailable)
        assert (await client.status(members.endpoint(0))).leader == found[0].id
        await client.remove(learner.id)
        assert [m.name for m in await client.members()] == ["m0"]


async def test_reading_and_writing_with_the_first_endpoint_dead(members: Members) -> None:
    async with members.client(2, 0) as client:
        revision = await client.put("a", b"1")
        assert await client.put("a", b"2") == revision + 1
        assert await client.get("a") == b"2"
        assert await client.get("b") is None


async def test_without_quorum_writes_say_unavailable(members: Members) -> None:
    async with members.client(0) as client:
        learner = await eventually(lambda: client.add_learner([members.peer_url(1)]), but=Unavailable)
        second = members.start(0, 1)

        async def promoted() -> None:
            try:
                await client.promote(learner.id)
            except NotInSync as error:
                raise Unavailable(error.message) from error

        await eventually(promoted, second, but=Unavailable)
        second.kill()
        with pytest.raises(Unavailable):
            await client.put("a", b"1")
        assert (await client.status(members.endpoint(0))).member_id != learner.id
        second = members.start(0, 1)
        assert await eventually(lambda: client.put("a", b"1"), second, but=Unavailable) > 0


async def test_a_server_of_another_authority_is_not_trusted(members: Members) -> None:
    other = Authority("other")
    user = other.issue("client")
    client = EtcdClient([members.endpoint(0)], other.certificate, user.certificate, user.key, timeout=3.0)
    async with client:
        with pytest.raises(Unavailable):
            await client.members()


async def test_a_snapshot_ends_with_its_own_checksum(members: Members) -> None:
    async with members.client(0) as client:
        await client.put("a", b"1")
        data = b"".join([chunk async for chunk in client.snapshot(members.endpoint(0))])
    assert len(data) > 32
    assert hashlib.sha256(data[:-32]).digest() == data[-32:]
