"""The observer: what agents said last, and who is woken by it."""

from __future__ import annotations

import itertools

import msgspec
from kubefort.model.status import Facts, NodeStatus
from kubefort_coordinator.observer import Observer
from kubefort_coordinator.signals import Changed


def test_a_status_that_says_the_same_again_wakes_nobody() -> None:
    changed = Changed()
    moments = itertools.count(1.0)
    observer = Observer(changed, lambda: next(moments))
    status = NodeStatus(observed_generation=3, converged=True, facts=Facts("w1", "id", "10.0.0.1", time=1.0))
    observer.status("w1", status)
    count, seen = changed.count, observer.sight("w1").seen
    observer.status("w1", msgspec.structs.replace(status, facts=msgspec.structs.replace(status.facts, time=11.0)))
    assert changed.count == count
    assert observer.sight("w1").seen > seen, "it is a sign of life all the same"
    observer.status("w1", msgspec.structs.replace(status, converged=False))
    assert changed.count == count + 1


def test_a_host_that_was_forgotten_and_came_back_is_connected() -> None:
    observer = Observer(Changed())
    first = observer.connected("w1")
    observer.forget("w1")
    second = observer.connected("w1")
    observer.disconnected("w1", first)
    assert observer.sight("w1").connections == 1
    observer.disconnected("w1", second)
    assert observer.sight("w1").connections == 0
