"""What the packages' configurations, units and scripts say."""

from __future__ import annotations

import configparser
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubefort_agent.service.config import AgentConfig, load
from packaging.requirements import Requirement

import build
import wheels

PACKAGING = Path(build.HERE)
CONFIGS = sorted((PACKAGING / "nfpm").glob("*.yaml"))
SCRIPTS = sorted(path for path in (PACKAGING / "scripts").glob("*/*"))


def config(name: str) -> dict[str, Any]:
    document = yaml.safe_load((PACKAGING / f"nfpm/{name}.yaml").read_text())
    assert isinstance(document, dict)
    return document


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string((PACKAGING / f"systemd/{name}.service").read_text())
    return parser


def test_there_is_one_configuration_for_each_package() -> None:
    assert [path.stem for path in CONFIGS] == sorted(build.MODULES)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_source_in_the_tree_exists_and_each_target_is_named_once(path: Path) -> None:
    contents = yaml.safe_load(path.read_text())["contents"]
    sources = [entry["src"] for entry in contents if entry["src"].startswith("packaging/")]
    missing = [source for source in sources if not (build.TOP / source).exists()]
    assert missing == []
    targets = [(entry["dst"], entry.get("packager")) for entry in contents]
    assert len(targets) == len(set(targets))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_programs_are_executable(path: Path) -> None:
    contents = yaml.safe_load(path.read_text())["contents"]
    programs = [entry for entry in contents if re.match(r"/usr/s?bin/", entry["dst"])]
    assert {entry["file_info"]["mode"] for entry in programs} <= {0o755}
    assert len(programs) == len(build.LAUNCHERS.get(path.stem, {}))


@pytest.mark.parametrize("name", ["agent", "coordinator", "kfctl"])
def test_each_needs_the_common_modules_of_its_own_version(name: str) -> None:
    assert "kubefort-common (= ${KUBEFORT_VERSION})" in config(name)["depends"]
    assert "kubefort-common = ${KUBEFORT_VERSION}" in config(name)["overrides"]["rpm"]["depends"]


def test_the_default_configuration_of_the_agent_is_what_it_reads(tmp_path: Path) -> None:
    shipped = PACKAGING / "etc/agent.yaml"
    assert load(shipped) == AgentConfig()
    uncommented = tmp_path / "agent.yaml"
    uncommented.write_text(re.sub(r"^#(?=[a-z])", "", shipped.read_text(), flags=re.MULTILINE))
    assert load(uncommented).coordinator == ("192.0.2.10:7444",)


def test_containerd_may_come_from_debian_or_docker() -> None:
    needed = next(line for line in config("agent")["depends"] if line.startswith("containerd"))
    assert {"containerd", "containerd.io"} <= set(needed.split(" | "))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: "/".join(path.parts[-2:]))
def test_maintainer_scripts_parse_and_stop_at_the_first_error(path: Path) -> None:
    subprocess.run(["sh", "-n", str(path)], check=True)
    assert "\nset -e\n" in path.read_text()


@pytest.mark.parametrize("name", ["kubefort-agent", "kubefort-coordinator"])
def test_services_notify_and_always_come_back(name: str) -> None:
    service = unit(name)["Service"]
    expected = {"Type": "notify", "NotifyAccess": "main", "WatchdogSec": "60", "Restart": "always", "RestartSec": "1"}
    assert {key: service.get(key) for key in expected} == expected
    assert unit(name)["Unit"]["StartLimitIntervalSec"] == "0"
    assert service["SyslogIdentifier"] == name


def test_the_agent_waits_for_no_network_and_has_no_mount_namespace() -> None:
    agent = unit("kubefort-agent")
    for each in (agent, unit("kubefort-vip")):
        assert "network-online.target" not in f"{each['Unit']['After']} {each['Unit'].get('Wants')}".split()
    assert agent["Unit"]["ConditionPathExists"] == "/var/lib/kubefort/identity/tls.crt"
    private = {key for key in agent["Service"] if key.startswith(("Private", "Protect", "ReadOnly", "ReadWrite"))}
    assert private == set()


def test_the_coordinator_writes_only_where_its_state_is() -> None:
    service = unit("kubefort-coordinator")["Service"]
    assert service["ProtectSystem"] == "strict"
    assert {path.lstrip("-") for path in service["ReadWritePaths"].split()} == {
        "/var/lib/kubefort",
        "/etc/kubefort",
        "/run/kubefort",
    }
    assert service["CapabilityBoundingSet"] == ""
    assert "PrivateTmp" not in service  # bundles are named by folders, below /tmp as well


@pytest.mark.parametrize("name", ["kubefort-agent", "kubefort-coordinator"])
def test_no_service_asks_for_what_a_container_host_cannot_give(name: str) -> None:
    service = unit(name)["Service"]
    needs_sys_resource = {"OOMScoreAdjust", "LimitNOFILE", "LimitMEMLOCK", "LimitCORE", "Nice", "IOSchedulingClass"}
    assert needs_sys_resource & set(service) == set()


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_pinned_list_holds_all_that_our_distributions_need_and_nothing_else() -> None:
    pending = ["kubefort-proto", "kubefort-agent", "kubefort-coordinator"]
    needed: set[str] = set()
    while pending:
        name = pending.pop()
        if name in needed:
            continue
        needed.add(name)
        for requirement in map(Requirement, distribution(name).requires or []):
            if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.10", "extra": ""}):
                pending.append(canonical(requirement.name))
    ours = {"kubefort-proto", "kubefort-agent", "kubefort-coordinator"}
    assert needed - ours == {canonical(line.split("==")[0]) for line in wheels.pinned()}
