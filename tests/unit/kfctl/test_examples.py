"""Help has an example of every command that the command itself understands; what changes something can be rehearsed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from kfctl.examples import EXAMPLES
from kfctl.main import cli
from kubefort.model.operation import Overview

from pages import manual, walk
from tests.unit.kfctl.conftest import Kfctl
from tests.unit.kfctl.fakes import FakeCoordinator, operation

PROGRAM = click.Context(cli, info_name="kfctl")
COMMANDS = {
    context.command_path.removeprefix("kfctl "): (command, context)
    for command, context in walk(cli, PROGRAM)
    if not isinstance(command, click.Group)
}
ONLY_LOOK = {
    "token list",
    "status",
    "nodes",
    "events",
    "vip status",
    "plan",
    "doctor",
    "operation list",
    "operation watch",
    "upgrade plan",
    "upgrade status",
    "config print-defaults",
    "config validate",
    "config schema",
    "bundle verify",
    "bundle list",
    "kubeconfig",
    "operator list",
    "completion",
    "version",
}


def test_every_command_has_one_example() -> None:
    assert set(EXAMPLES) == set(COMMANDS)


@pytest.mark.parametrize("path", sorted(EXAMPLES))
def test_an_example_is_understood_and_shown(path: str) -> None:
    command, context = COMMANDS[path]
    typed = EXAMPLES[path].partition(" > ")[0].removeprefix("source <(").removesuffix(")")
    words = shlex.split(typed)
    begin = ["kfctl", *path.split()]
    assert words[: len(begin)] == begin
    command.make_context(path, words[len(begin) :], parent=context.parent)
    said = CliRunner().invoke(cli, [*path.split(), "--help"]).output
    assert f"Example:\n\n    {EXAMPLES[path]}\n" in said


def test_the_manual_page_has_them_too() -> None:
    assert "\n.nf\n  kfctl vip move cp2\n.fi" in manual(cli, "kfctl", "1")


@pytest.mark.parametrize("path", sorted(COMMANDS.keys() - ONLY_LOOK))
def test_what_changes_something_can_be_rehearsed(path: str) -> None:
    assert "--dry-run" in {name for parameter in COMMANDS[path][0].params for name in parameter.opts}


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("token create --role control-plane --ttl 2h", "would make a token for the role control-plane, good for 2 h"),
        ("token delete abcdef", "would delete token abcdef"),
        ("operator revoke admin@laptop", "would revoke admin@laptop"),
        ("operation abort op-1", "would abort"),
        ("operation pause op-1", "would pause"),
        ("operation resume op-1", "would resume"),
        ("bundle create v1.36.2 --image example.org/x:1", "would download Kubernetes v1.36.2 for amd64"),
    ],
)
def test_a_rehearsal_says_what_would_be_done_and_changes_nothing(
    kfctl: Kfctl, fake: FakeCoordinator, typed: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake.overview = Overview("1", 0.0, None, (), (operation("failed"),))
    result = kfctl(*typed.split(), "--dry-run")
    assert (result.exit_code, says in result.output) == (0, True), result.output
    for name in ("CreateToken", "DeleteToken", "RevokeOperator", "AbortOperation", "ResumeOperation"):
        assert not fake.requests(name)
    assert not list(tmp_path.glob("bundle-*"))


@pytest.mark.parametrize("typed", ["token delete zzzzzz", "operator revoke nobody", "operation abort none-9"])
def test_a_rehearsal_fails_where_the_deed_would(kfctl: Kfctl, typed: str) -> None:
    result = kfctl(*typed.split(), "--dry-run")
    assert result.exit_code == 1
    assert "there is no" in result.stderr


@pytest.mark.parametrize("command", ["cordon", "uncordon", "drain"])
def test_a_node_s_rehearsal_is_the_coordinator_s(kfctl: Kfctl, fake: FakeCoordinator, command: str) -> None:
    fake.states = [operation("running")]
    result = kfctl("node", command, "w1", "--dry-run", "-o", "json")
    assert [request.dry_run for request in fake.requests("StartOperation")] == [True]
    assert json.loads(result.stdout)["phases"]
