from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kubefort
import pytest
from kubefort import files
from kubefort.document import encode
from kubefort.model.cluster import Cluster
from kubefort.model.spec import Node, NodeSpec
from kubefort_agent.host import Host
from kubefort_agent.main import main

SPEC = NodeSpec(1, Cluster("v1.36.2"), Node("n1", "192.0.2.1", "worker"), "enrolled")


@pytest.fixture(autouse=True)
def no_log_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loggers would keep this test's captured standard error for the tests after it."""
    monkeypatch.setattr("kubefort.log.setup", lambda level: None)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert capsys.readouterr().out == f"kubefort-agent {kubefort.__version__}\n"


def test_plan_without_a_spec_and_with_one_that_asks_for_nothing(host: Host, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(host.root), "plan"]) == 0
    assert capsys.readouterr().out == "This host has no spec yet.\n"
    files.write(host.path("/var/lib/kubefort/spec.json"), encode(SPEC))
    assert main(["--root", str(host.root), "plan"]) == 0
    assert capsys.readouterr().out == "Nothing is to be changed.\n"


def test_a_host_that_has_not_joined_is_told_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(tmp_path), "run"]) == 1
    assert "kfctl join" in capsys.readouterr().err


def test_what_costs_much_memory_is_not_loaded_with_the_service() -> None:
    script = (
        "import sys, kubefort_agent.main, kubefort_agent.desired, kubefort_agent.preflight.registry, "
        "kubefort_agent.service.agent, kubefort.identity\n"
        "kubefort_agent.preflight.registry.checkers()\n"
        "print(sorted({'cryptography', 'docker', 'pyroute2', 'rich.console', 'psutil'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "[]"
