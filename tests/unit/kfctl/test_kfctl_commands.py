from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner
from kfctl import operator
from kfctl.main import COMMANDS, cli
from kfctl.operator import Operator
from kubefort.errors import Refused
from kubefort.identity import Identity
from kubefort.model.cluster import Cluster
from kubefort.model.operation import HostOverview, Overview, PhaseState
from kubefort.model.status import Condition, Event, Facts, NodeStatus

from tests.unit.kfctl.conftest import Kfctl, json_lines
from tests.unit.kfctl.fakes import Authority, FakeCoordinator, operation

STATUS = NodeStatus(3, True, Facts("cp1", "m", "10.0.0.1"), (Condition("etcd", True),), version="9.9.9")
HOST = HostOverview("cp1", "control-plane", "10.0.0.1", "node", 3, True, 998.0, STATUS)
FINE = Overview("9.9.9", 1000.0, Cluster("v1.36.2"), (HOST,), (operation("succeeded"),))


def with_status(**changes: object) -> Overview:
    host = msgspec.structs.replace(HOST, status=msgspec.structs.replace(STATUS, **changes))
    return msgspec.structs.replace(FINE, hosts=(host,))


def test_help_imports_neither_grpc_nor_rich_nor_cryptography() -> None:
    code = (
        "import sys\nfrom kfctl.main import cli\n"
        "try:\n    cli(['--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'grpc', 'rich', 'cryptography', 'asyncio', 'yaml', 'msgspec'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines()[-1] == "[]"
    assert "  init " in said.stdout


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str) -> None:
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0
    assert result.output.startswith(f"Usage: cli {name} ")


def test_an_unknown_command_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["statsu"])
    assert result.exit_code == 2
    assert "statsu" in result.output


def test_without_configuration_the_exit_code_says_unreachable_and_the_hint_what_to_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--kfctl-config", str(tmp_path / "none.yaml"), "status"])
    assert result.exit_code == 4
    assert result.stderr.startswith("error: no operator's configuration in ")
    assert "KUBEFORT_CONFIG" in result.stderr


def test_a_coordinator_that_is_gone_is_unreachable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        who = Authority().identity("admin@test")
        operator.save(tmp_path / "kfctl.yaml", Operator(address, who.key, who.certificate, who.authority))
        result = CliRunner().invoke(cli, ["--kfctl-config", str(tmp_path / "kfctl.yaml"), "nodes"])
    assert result.exit_code == 4
    assert result.stderr.startswith(f"error: the coordinator at {address} does not answer")


def test_a_refusal_keeps_its_message_and_hint(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.failures["CreateToken"] = Refused("no more tokens", "delete one")
    result = kfctl("token", "create")
    assert (result.exit_code, result.stderr) == (1, "error: no more tokens\n  delete one\n")


def test_status_of_a_healthy_cluster(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.overview = FINE
    result = kfctl("status")
    assert result.exit_code == 0
    assert "kubernetes, Kubernetes v1.36.2" in result.stdout
    assert "cp1   control-plane  10.0.0.1  node   ok     2 s ago" in result.stdout
    assert "Everything is as it should be." in result.stdout


def test_status_tells_each_condition_that_is_not_ok_and_the_operation_under_way(
    kfctl: Kfctl, fake: FakeCoordinator
) -> None:
    sick = with_status(conditions=(Condition("etcd", False, "no leader for 12 s"),))
    fake.overview = msgspec.structs.replace(sick, operations=(operation(),))
    result = kfctl("status")
    assert result.exit_code == 1
    assert "cp1: etcd: no leader for 12 s" in result.stdout
    assert "Prepare w1: waiting for w1 to import images" in result.stdout
    assert "1 of 2 phases are done" in result.stdout


def test_status_without_a_cluster_is_not_healthy(kfctl: Kfctl) -> None:
    result = kfctl("status", "-o", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["healthy"] is False


@pytest.mark.parametrize(
    ("overview", "code", "said"),
    [
        (FINE, 0, "Nothing is to be changed."),
        (with_status(converged=False, pending=("~ /etc/fstab: swap",)), 3, "cp1:\n  ~ /etc/fstab: swap"),
        (with_status(observed_generation=2), 3, "generation 2 becomes 3"),
        (with_status(converged=False), 3, "not converged yet"),
        (msgspec.structs.replace(FINE, hosts=(msgspec.structs.replace(HOST, connected=False),)), 1, "cp1: not known"),
    ],
)
def test_plan_tells_by_its_exit_code(
    kfctl: Kfctl, fake: FakeCoordinator, overview: Overview, code: int, said: str
) -> None:
    fake.overview = overview
    result = kfctl("plan")
    assert result.exit_code == code
    assert said in result.stdout


def test_doctor_says_what_why_and_what_to_type(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    phases = (PhaseState("prepare", "Prepare w1", "failed"),)
    broken = operation("failed", phases=phases, error="no space left on w1", hint="free space on w1")
    fake.overview = msgspec.structs.replace(FINE, operations=(broken,))
    result = kfctl("doctor")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:4] == [
        "error: Join w1 failed",
        "  why   Prepare w1: no space left on w1",
        "  do    free space on w1",
        "  do    kfctl operation resume op-1",
    ]


@pytest.mark.parametrize(("condition", "words"), [("yes", "kubefort-agent.service does not run"), ("no", "")])
def test_doctor_names_services_that_have_something_to_do_and_do_not_run(
    kfctl: Kfctl, fake: FakeCoordinator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, condition: str, words: str
) -> None:
    said = f"UnitFileState=enabled\\nActiveState=inactive\\nConditionResult={condition}\\n"
    program = tmp_path / "bin" / "systemctl"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nprintf '{said}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    fake.overview = FINE
    result = kfctl("doctor")
    assert words in result.stdout
    assert result.exit_code == (1 if words else 0)


def test_token_create_prints_what_to_type_and_sends_what_was_asked(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    result = kfctl("token", "create", "--role", "control-plane", "--ttl", "1h30m", "--uses", "3")
    assert result.stdout == "kfctl join 10.0.0.1 --token abcdef.0123456789abcdef\n"
    asked = fake.requests("CreateToken")[0]
    assert (asked.role, asked.lifetime_s, asked.uses) == ("control-plane", 5400.0, 3)


@pytest.mark.parametrize("ttl", ["0s", "5", "h", "-3h", "1h5"])
def test_a_duration_that_is_none_is_wrong_usage(kfctl: Kfctl, ttl: str) -> None:
    result = kfctl("token", "create", "--ttl", ttl)
    assert result.exit_code == 2
    assert "is not a duration" in result.stderr


def test_token_list_and_delete(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    listed = kfctl("token", "list", "-o", "json")
    assert json.loads(listed.stdout) == [{"id": "abcdef", "role": "worker", "usesLeft": 2, "expires": 86400.0}]
    assert kfctl("token", "delete", "abcdef.0123456789abcdef").exit_code == 0
    assert fake.requests("DeleteToken")[0].id == "abcdef"


def test_events_show_the_difference_and_filter_by_host(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.events = [Event(1000.0, "w1", "Drift", "put back", "Warning", ("- a", "+ b"))]
    result = kfctl("events", "--host", "w1")
    first, *diff = result.stdout.splitlines()
    assert first.endswith("! w1           Drift            put back")
    assert [line.strip() for line in diff] == ["- a", "+ b"]
    assert fake.requests("WatchEvents")[0].host == "w1"
    assert json_lines(kfctl("events", "-o", "json").stdout)[0]["reason"] == "Drift"


def test_kubeconfig_has_a_key_that_fits_the_certificate(kfctl: Kfctl, fake: FakeCoordinator, tmp_path: Path) -> None:
    target = tmp_path / "admin.conf"
    assert kfctl("kubeconfig", "--output", str(target)).exit_code == 0
    assert target.stat().st_mode & 0o777 == 0o600
    content = yaml.safe_load(target.read_text())
    assert content["clusters"][0]["cluster"]["server"] == "https://10.0.0.100:6443"
    user = content["users"][0]["user"]
    certificate, key = (base64.b64decode(user[f"client-{kind}-data"]).decode() for kind in ("certificate", "key"))
    assert Identity(key, certificate, "").common_name == "kubernetes-admin"
    assert "PRIVATE KEY" not in str(fake.requests("IssueKubeconfig")[0])


def test_kubeconfig_does_not_overwrite_something_else(kfctl: Kfctl, tmp_path: Path) -> None:
    target = tmp_path / "notes.txt"
    target.write_text("precious")
    assert kfctl("kubeconfig", "--output", str(target)).exit_code == 2
    assert target.read_text() == "precious"


def test_reset_asks_first(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    result = kfctl("reset", "w1", input="n\n")
    assert result.exit_code == 1
    assert fake.requests("StartOperation") == []


def test_reset_follows_its_operation(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.states = [operation(kind="reset", title="Reset w1"), operation("succeeded", kind="reset", title="Reset w1")]
    result = kfctl("reset", "w1", "--yes", "--force")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "Reset w1: done."
    asked = fake.requests("StartOperation")[0]
    assert (asked.kind, json.loads(asked.arguments), asked.dry_run) == ("reset", {"host": "w1", "force": True}, False)


def test_reset_dry_run_lists_phases_and_begins_nothing(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.states = [operation(kind="reset")]
    result = kfctl("reset", "w1", "--dry-run")
    assert result.stdout == "would:\n  Check w1\n  Prepare w1\n"
    assert [request.dry_run for request in fake.requests("StartOperation")] == [True]


def test_reset_needs_a_host_or_local_not_both(kfctl: Kfctl) -> None:
    assert kfctl("reset", "--yes").exit_code == 2
    assert kfctl("reset", "w1", "--local", "--yes").exit_code == 2


def test_operation_resume_tells_why_it_failed_again(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    phases = (PhaseState("prepare", "Prepare w1", "failed", started=1.0, ended=2.0),)
    fake.states = [operation("failed", phases=phases, error="disk full", hint="free space")]
    result = kfctl("operation", "resume", "op-1")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: Join w1: Prepare w1: disk full\n  free space\n  then take it up again: `kfctl operation resume op-1`\n"
    )


def test_operation_watch_takes_the_one_that_runs(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("operation", "watch").exit_code == 1
    fake.overview = msgspec.structs.replace(FINE, operations=(operation(id="op-7"),))
    fake.states = [operation("succeeded", id="op-7")]
    result = kfctl("operation", "watch", "-o", "json")
    assert result.exit_code == 0
    assert [line["type"] for line in json_lines(result.stdout)] == ["operation", "result"]
    assert fake.requests("WatchOperation")[0].id == "op-7"


def test_operation_list_and_abort(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    fake.overview = msgspec.structs.replace(FINE, operations=(operation(),))
    assert "waiting for w1 to import images" in kfctl("operation", "list").stdout
    assert kfctl("operation", "abort", "op-1").stdout == "Join w1: aborted\n"


def test_bundle_add_sends_an_absolute_path(kfctl: Kfctl, fake: FakeCoordinator) -> None:
    assert kfctl("bundle", "add", "here").stdout == "the coordinator has the bundle of v1.36.2\n"
    assert fake.requests("AddBundle")[0].folder == str(Path("here").absolute())
    assert "v1.36.2     3.6.13  12     3 MiB" in kfctl("bundle", "list").stdout


def test_version_does_not_need_a_coordinator(kfctl: Kfctl, tmp_path: Path) -> None:
    assert json.loads(kfctl("version", "-o", "json").stdout)["coordinator"] == "9.9.9"
    alone = CliRunner().invoke(cli, ["--kfctl-config", str(tmp_path / "none"), "version"])
    assert alone.exit_code == 0
    assert alone.stdout.startswith("kfctl")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_KFCTL_COMPLETE" in result.output


def test_config_commands(tmp_path: Path) -> None:
    runner, path = CliRunner(), tmp_path / "cluster.yaml"
    path.write_text(runner.invoke(cli, ["config", "print-defaults"]).output)
    assert runner.invoke(cli, ["config", "validate", str(path)]).output == f"{path} is valid\n"
    path.write_text(path.read_text().replace("domain: cluster.local", "domian: cluster.local"))
    wrong = runner.invoke(cli, ["config", "validate", str(path)])
    assert wrong.exit_code == 1
    assert "domian: unknown key; did you mean domain?" in wrong.stderr
    assert json.loads(runner.invoke(cli, ["config", "schema"]).output)["$ref"] == "#/$defs/ClusterFile"


@pytest.mark.parametrize(
    ("arguments", "said"), [(("operation", "watch"), "kfctl operation watch"), (("status",), "interrupted\n")]
)
def test_an_interrupt_says_that_the_work_goes_on(
    kfctl: Kfctl, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    def interrupted(work: Coroutine[object, object, object]) -> None:
        work.close()
        raise KeyboardInterrupt

    monkeypatch.setattr("asyncio.run", interrupted)
    result = kfctl(*arguments)
    assert result.exit_code == 130
    assert said in result.stderr
