from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from kubefort.errors import Refused
from kubefort.model.spec import Artifact
from kubefort.model.status import Check
from kubefort_agent.host import Host, cleanup
from kubefort_agent.reconcile.converge import Outcome
from kubefort_agent.reconcile.ledger import Ledger
from kubefort_agent.reconcile.report import Report
from kubefort_agent.reconcile.state import SpecFile
from kubefort_agent.resources import File, Image

from tests.unit.agent.life import SPEC, Broken, Eager, Life, Wanted, file, stage


async def test_a_spec_is_brought_about_and_a_second_pass_changes_nothing(host: Host) -> None:
    life = Life(host, Wanted(file("a"), file("b")))
    assert await life.cycle(SPEC)
    assert life.report.status().converged
    assert life.report.status().observed_generation == 1
    assert life.events() == ["Applied", "Applied"]
    life.report.events.clear()
    assert await life.cycle()
    assert life.events() == []


async def test_drift_is_put_back_and_told_with_the_diff(host: Host) -> None:
    life = Life(host, Wanted(file("a")))
    await life.cycle(SPEC)
    host.path("/etc/a").write_text("theirs")
    life.report.events.clear()
    assert await life.cycle()
    assert host.path("/etc/a").read_text() == "ours"
    (event,) = life.report.events
    assert (event.reason, event.diff) == ("DriftRepaired", ("/etc/a: -theirs", "/etc/a: +ours"))


async def test_what_is_not_wanted_any_more_goes_and_what_others_made_stays(host: Host) -> None:
    host.path("/etc/theirs").write_text("theirs")
    life = Life(host, Wanted(file("a"), file("theirs")))
    await life.cycle(SPEC)
    life.wanted.list = (file("b"),)
    await life.cycle(stage(generation=2))
    assert not host.path("/etc/a").exists()
    assert host.path("/etc/b").exists()
    assert host.path("/etc/theirs").read_text() == "theirs"


async def test_the_pass_ends_at_the_first_error(host: Host) -> None:
    life = Life(host, Wanted(file("a"), Broken(), file("b")))
    assert not await life.cycle(SPEC)
    assert host.path("/etc/a").exists()
    assert not host.path("/etc/b").exists()
    status = life.report.status()
    assert not status.converged
    assert status.pending == ("broken: is broken", "broken: it cannot be mended")
    assert await life.cycle() is False
    assert life.events().count("Failed") == 1


async def test_after_a_kill_the_spec_is_brought_about_from_disk_and_removal_still_works(host: Host) -> None:
    life = Life(host, Wanted(file("a"), Broken()))
    await life.cycle(SPEC)
    life.wanted.list = (file("c"),)
    life.start()
    assert await life.cycle()
    assert host.path("/etc/c").exists()
    assert not host.path("/etc/a").exists()


async def test_undo_is_on_disk_before_anything_is_applied(host: Host) -> None:
    life = Life(host, Wanted(Broken(), file("a")))
    await life.cycle(SPEC)
    again = Ledger(host.path("/var/lib/kubefort/owned.json"))
    assert "broken" in again
    assert "file /etc/a" in again


async def test_enrolled_runs_preflight_until_no_error_is_left_and_changes_nothing(host: Host) -> None:
    life = Life(host, Wanted(file("a")))
    life.checks = (Check("NumCPU", "error", "1 processor"),)
    assert await life.cycle(stage(stage="enrolled"))
    assert life.report.status().preflight == life.checks
    life.checks = ()
    await life.cycle()
    assert life.report.status().preflight == ()
    await life.cycle()
    assert life.checked == 2
    assert not host.path("/etc/a").exists()


async def test_a_paused_host_is_observed_and_not_changed(host: Host) -> None:
    life = Life(host, Wanted(file("a")))
    assert not await life.cycle(stage(paused_until=time.time() + 600))
    assert life.report.status().pending == ("/etc/a: is missing",)
    assert not host.path("/etc/a").exists()


async def test_reset_leaves_nothing_of_ours_and_the_host_joinable(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.path("/etc/theirs").write_text("theirs")
    life = Life(host, Wanted(file("a"), file("theirs"), File(Path("/var/lib/kubelet/config.yaml"), b"x")))
    await life.cycle(stage(generation=5))
    host.path("/var/lib/etcd/member").mkdir(parents=True)
    host.path("/var/lib/etcd/member/db").write_text("data")
    assert await life.cycle(stage(generation=6, stage="absent"))
    assert host.path("/etc/theirs").read_text() == "theirs"
    for path in ("/etc/a", "/var/lib/etcd", "/var/lib/kubelet"):
        assert not host.path(path).exists(), path
    assert life.report.status().converged
    assert len(life.ledger) == 0
    assert await life.cycle(stage(generation=1, stage="enrolled"))


async def test_a_foreign_clusters_data_survives_our_reset(host: Host) -> None:
    host.path("/var/lib/etcd/member").mkdir(parents=True)
    host.path("/var/lib/etcd/member/db").write_text("theirs")
    life = Life(host, Wanted(file("a")))
    await life.cycle(SPEC)
    await life.cycle(stage(generation=2, stage="absent"))
    assert host.path("/var/lib/etcd/member/db").read_text() == "theirs"


def test_specs_of_others_and_of_yesterday_are_refused(tmp_path: Path) -> None:
    specs = SpecFile(tmp_path / "spec.json")
    assert specs.accept(stage(generation=3), "n1")
    assert not specs.accept(stage(generation=3), "n1")
    with pytest.raises(Refused, match="generation 2 came after 3"):
        specs.accept(stage(generation=2), "n1")
    with pytest.raises(Refused, match="a spec for the host n1 came to n2"):
        specs.accept(stage(generation=4), "n2")
    assert SpecFile(tmp_path / "spec.json").generation == 3
    assert specs.accept(stage(generation=1), "n1", bare=True)


async def test_images_go_only_when_what_replaces_them_is_there(host: Host, tmp_path: Path) -> None:
    await host.containerd.images()
    new = File(Path("/etc/new"), b"")

    class Archive:
        async def artifact(self, artifact: Artifact) -> Path:
            (tmp_path / "archive").write_text(artifact.ref)
            return tmp_path / "archive"

    host.supplies = Archive()  # type: ignore[assignment]
    old = Image(Artifact("image", "etcd", "a", 1, "registry.k8s.io/etcd:1"))
    life = Life(host, Wanted(old))
    assert await life.cycle(SPEC)
    life.wanted.list = (new, Broken())
    await life.cycle(stage(generation=2))
    assert "registry.k8s.io/etcd:1" in await host.containerd.images()
    life.wanted.list = (new,)
    await life.cycle(stage(generation=3))
    assert "registry.k8s.io/etcd:1" not in await host.containerd.images()


async def test_what_is_replaced_goes_right_before_what_comes_in_its_place(host: Host) -> None:
    seen: list[bool] = []

    @dataclass(frozen=True)
    class Successor(Eager):
        replaces: tuple[str, ...] = ("file /etc/old",)

        async def apply(self, host: Host) -> None:
            seen.append(host.path("/etc/old").exists())
            await super().apply(host)

    @dataclass(frozen=True)
    class Before(Eager):
        async def apply(self, host: Host) -> None:
            seen.append(host.path("/etc/old").exists())
            await super().apply(host)

    life = Life(host, Wanted(file("old")))
    await life.cycle(SPEC)
    new = Successor(Path("/etc/new"), b"")
    life.wanted.list = (Broken(), new)
    await life.cycle(stage(generation=2))
    assert host.path("/etc/old").exists(), "what comes before is not there yet"
    life.wanted.list = (Before(Path("/etc/before"), b""), new)
    assert await life.cycle(stage(generation=3))
    assert seen == [True, False]
    assert not host.path("/etc/old").exists()
    assert "file /etc/old" not in life.ledger


async def test_a_fault_of_our_own_is_told_and_does_not_end_the_loop(host: Host) -> None:
    life = Life(host, Wanted(file("a")))
    life.wanted.resources = lambda spec, facts: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    assert not await life.cycle(SPEC)
    assert life.report.status().pending == ("ZeroDivisionError: division by zero",)


def test_a_spec_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"generation": 7, "novelty": true}')
    specs = SpecFile(tmp_path / "spec.json")
    assert specs.spec is None
    assert specs.accept(SPEC, "n1")


async def test_what_takes_long_is_told_while_it_is_done(host: Host) -> None:
    report = Report("n1", host.root)
    report.tell(SPEC, Outcome(), None)
    async with report.doing("applying image etcd", soon=0):
        report.changed.clear()
        await report.changed.wait()
        assert (report.status().converged, report.status().pending) == (False, ("applying image etcd",))
        assert report.sentence().endswith("applying image etcd")
        report.changed.clear()
    assert report.changed.is_set()
    assert (report.status().converged, report.status().pending) == (True, ())


async def test_what_is_quick_is_not_told(host: Host) -> None:
    report = Report("n1", host.root)
    async with report.doing("applying file", soon=3600):
        assert not report.changed.is_set()
    assert not report.changed.is_set()


async def test_a_new_spec_is_observed_at_once_and_nothing_older_counts_for_it(host: Host) -> None:
    report = Report("n1", host.root)
    report.tell(SPEC, Outcome(), (Check("NumCPU", "error", "1 processor"),))
    report.begin(stage(generation=2))
    status = report.status()
    assert (status.observed_generation, status.converged, status.preflight) == (2, False, None)
    assert status.pending == ("looking what differs from generation 2",)
    async with report.doing("applying image etcd", soon=0):
        report.changed.clear()
        await report.changed.wait()
        assert report.status().pending == ("applying image etcd",)
    report.tell(stage(generation=2), Outcome(), None)
    report.begin(stage(generation=2))
    assert report.status().converged


async def test_artifacts_of_what_is_not_wanted_any_more_go(host: Host) -> None:
    folder = host.path("/var/lib/kubefort/artifacts")
    folder.mkdir()
    for name in ("a", "a.part", "b", "b.part"):
        (folder / name).write_text("")
    cleanup.keep_artifacts(host, {"a"})
    assert sorted(file.name for file in folder.iterdir()) == ["a", "a.part"]
