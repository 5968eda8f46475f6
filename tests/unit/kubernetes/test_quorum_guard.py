"""May a member come or go? Each row: members, who, and a part of the answer ("" when it may)."""

from __future__ import annotations

import pytest
from kubefort_coordinator.etcd.quorum import View, may_add, may_promote, may_remove, quorum


def members(pattern: str) -> list[View]:
    """Named a, b, c by place: v a healthy voter, s a sick one, l a learner, n a learner that has not started."""
    return [
        View(index, chr(ord("a") + index - 1), started=letter != "n", healthy=letter in "vl", learner=letter in "ln")
        for index, letter in enumerate(pattern, start=1)
    ]


@pytest.mark.parametrize(("voters", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4)])
def test_quorum(voters: int, needed: int) -> None:
    assert quorum(voters) == needed


@pytest.mark.parametrize(
    ("pattern", "answer"),
    [
        ("v", ""),
        ("vv", ""),
        ("vvv", ""),
        ("vl", "b is still a learner"),
        ("vn", "b is still a learner"),
        ("vs", "etcd has no quorum: 1 of 2"),
        ("vvs", "the etcd member c must be healthy"),
        ("vvvss", "the etcd members d, e must be healthy"),
        ("ss", "etcd has no quorum: 0 of 2"),
    ],
)
def test_adding(pattern: str, answer: str) -> None:
    said = may_add(members(pattern))
    assert said.startswith(answer) if answer else said == ""


@pytest.mark.parametrize(
    ("pattern", "who", "answer"),
    [
        ("vl", 2, ""),
        ("vvl", 3, ""),
        ("vv", 2, ""),
        ("vn", 2, "the learner b does not answer"),
        ("vsl", 3, "etcd has no quorum"),
        ("v", 9, "there is no etcd member 9"),
    ],
)
def test_promoting(pattern: str, who: int, answer: str) -> None:
    said = may_promote(members(pattern), who)
    assert said.startswith(answer) if answer else said == ""


@pytest.mark.parametrize(
    ("pattern", "who", "forced", "answer"),
    [
        ("vvv", 3, False, "without c etcd would have 2 members, and none could be lost"),
        ("vvv", 3, True, ""),
        ("vvvv", 1, False, ""),
        ("vvvvv", 5, False, ""),
        ("vvl", 3, False, ""),
        ("vvn", 3, False, ""),
        ("vvv", 9, False, ""),
        ("v", 1, False, "a is the last etcd member"),
        ("v", 1, True, "a is the last etcd member"),
        ("vv", 2, False, "without b etcd would have 1 member, and none could be lost"),
        ("vv", 2, True, ""),
        ("vvs", 3, False, ""),
        ("vvs", 1, False, "without a only 1 of 2 etcd members would be healthy"),
        ("vvs", 1, True, "without a only 1 of 2 etcd members would be healthy"),
        ("vvvvs", 1, False, "without a only 3 of 4 etcd members would be healthy, and none could be lost"),
        ("vvvvvs", 1, False, ""),
        ("vvvvs", 1, True, ""),
        ("vss", 3, False, "etcd has no quorum: 1 of 3"),
        ("vss", 3, True, "etcd has no quorum: 1 of 3"),
    ],
)
def test_removing(pattern: str, who: int, forced: bool, answer: str) -> None:
    said = may_remove(members(pattern), who, forced)
    assert said.startswith(answer) if answer else said == ""
