"""Docker's edge and the resources behind it, over a daemon that is only remembered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker as sdk
import pytest
from kubefort.errors import KubefortError, Unavailable
from kubefort.model.spec import Artifact
from kubefort_agent.host import Host
from kubefort_agent.host import docker as edge
from kubefort_agent.resources import Container, DockerImage

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

REF = "registry.k8s.io/etcd:3.6.8-0"


class FakeContainer:
    def __init__(self, daemon: Daemon, name: str, options: dict[str, Any]) -> None:
        self.daemon, self.name, self.options = daemon, name, options
        self.labels: dict[str, str] = options["labels"]
        self.status = "running"

    def stop(self, timeout: int) -> None:
        self.daemon.log.append(f"stop {self.name}")
        self.status = "exited"

    def start(self) -> None:
        self.daemon.log.append(f"start {self.name}")
        self.status = "running"

    def remove(self, force: bool = False) -> None:
        self.daemon.log.append(f"remove {self.name}")
        del self.daemon.made[self.name]


class Daemon:
    """Its own client: `containers` and `images` are itself."""

    def __init__(self) -> None:
        self.made: dict[str, FakeContainer] = {}
        self.refs: set[str] = set()
        self.log: list[str] = []
        self.down = False
        self.containers = self
        self.images = Images(self)

    def connect(self, **_: Any) -> Daemon:
        if self.down:
            raise sdk.errors.DockerException("connection refused")
        return self

    def get(self, name: str) -> FakeContainer:
        if name not in self.made:
            raise sdk.errors.NotFound(name)
        return self.made[name]

    def run(self, image: str, command: list[str], **options: Any) -> None:
        self.log.append(f"run {options['name']}")
        self.made[options["name"]] = FakeContainer(
            self, options["name"], {"image": image, "command": command, **options}
        )

    def info(self) -> dict[str, str]:
        return {"DockerRootDir": "/srv/docker"}

    def close(self) -> None:
        pass


class Images:
    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon

    def get(self, ref: str) -> str:
        if ref not in self.daemon.refs:
            raise sdk.errors.ImageNotFound(ref)
        return ref

    def load(self, file: Any) -> None:
        self.daemon.log.append("load")
        self.daemon.refs.add(file.read().decode())

    def remove(self, ref: str, force: bool = False) -> None:
        self.daemon.log.append(f"remove image {ref}")
        self.daemon.refs.discard(ref)


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Daemon:
    daemon = Daemon()
    monkeypatch.setattr(sdk, "from_env", daemon.connect)
    return daemon


@pytest.fixture
def image(host: Host, tmp_path: Path) -> DockerImage:
    archive = tmp_path / "archive"
    archive.write_text(REF)

    class Supplies:
        async def artifact(self, artifact: Artifact) -> Path:
            return archive

    host.supplies = Supplies()  # type: ignore[assignment]
    return DockerImage(Artifact("image", "etcd", "a" * 64, 1, REF))


ETCD = Container("kubefort-etcd", REF, ("etcd", "--name=cp1"), mounts=(("/var/lib/etcd", "/var/lib/etcd", False),))


async def test_a_container_is_made_once(host: Host, daemon: Daemon) -> None:
    assert await ETCD.diff(host) == ("container kubefort-etcd: is missing",)
    await ETCD.apply(host)
    assert await ETCD.diff(host) == ()
    options = daemon.made["kubefort-etcd"].options
    assert (options["entrypoint"], options["command"]) == (["etcd"], ["--name=cp1"])
    assert options["network_mode"] == "host"
    assert options["restart_policy"] == {"Name": "always"}
    assert options["volumes"] == ["/var/lib/etcd:/var/lib/etcd:rw"]
    assert options["log_config"]["Config"] == {"max-size": "10m", "max-file": "3"}


async def test_another_configuration_takes_the_old_container_away_first(host: Host, daemon: Daemon) -> None:
    await ETCD.apply(host)
    changed = Container("kubefort-etcd", REF, ("etcd", "--name=cp2"))
    assert await changed.diff(host) == ("container kubefort-etcd: was made with an older configuration",)
    daemon.log.clear()
    await changed.apply(host)
    assert daemon.log == ["stop kubefort-etcd", "remove kubefort-etcd", "run kubefort-etcd"]
    assert await changed.diff(host) == ()


async def test_a_container_that_somebody_stopped_is_started_again(host: Host, daemon: Daemon) -> None:
    await ETCD.apply(host)
    daemon.made["kubefort-etcd"].status = "exited"
    assert await ETCD.diff(host) == ("container kubefort-etcd: is exited",)
    daemon.log.clear()
    await ETCD.apply(host)
    assert daemon.log == ["start kubefort-etcd"]


async def test_undo_removes_the_container_where_docker_is(host: Host, daemon: Daemon) -> None:
    (undo,) = await ETCD.undo(host)
    await ETCD.apply(host)
    await undo.run(host)  # no docker.service on this host: nothing can be left of it
    assert "kubefort-etcd" in daemon.made
    await host.systemd.start("docker.service")
    await undo.run(host)
    await undo.run(host)
    assert daemon.made == {}


async def test_an_image_counts_once_it_is_on_disk(
    host: Host, daemon: Daemon, image: DockerImage, programs: Programs
) -> None:
    assert await image.diff(host) == (f"docker image {REF}: is missing",)
    daemon.refs.add(REF)
    assert await image.diff(host) == (f"docker image {REF}: is not the bundle's",)
    await image.apply(host)
    assert daemon.log == [f"remove image {REF}", "load"]
    assert programs.calls("sync") == [["-f", "/srv/docker"]]
    assert await image.diff(host) == ()


async def test_an_archive_with_another_image_is_named(host: Host, daemon: Daemon, image: DockerImage) -> None:
    other = DockerImage(Artifact("image", "etcd", "a" * 64, 1, "registry.k8s.io/etcd:other"))
    with pytest.raises(KubefortError, match=r"should bring the image registry\.k8s\.io/etcd:other"):
        await other.apply(host)


async def test_an_image_of_ours_goes_and_one_that_was_there_stays(
    host: Host, daemon: Daemon, image: DockerImage
) -> None:
    await host.systemd.start("docker.service")
    (undo,) = await image.undo(host)
    await image.apply(host)
    await undo.run(host)
    assert daemon.refs == set()
    assert not host.path(image.record).exists()
    daemon.refs.add(REF)
    assert await image.undo(host) == ()


async def test_a_daemon_that_is_down_is_named(host: Host, daemon: Daemon, image: DockerImage) -> None:
    daemon.down = True
    with pytest.raises(Unavailable, match="Docker does not answer: connection refused"):
        await ETCD.diff(host)
    assert len(await image.undo(host)) == 1
    with pytest.raises(Unavailable):
        await edge.has_image(REF)
