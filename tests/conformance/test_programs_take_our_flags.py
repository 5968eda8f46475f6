"""The real programs parse every flag that we give them; what they do with it is seen in tests/e2e."""

from __future__ import annotations

import subprocess

import pytest
from kubefort.kubeadm.names import CONTROL_PLANE_COMPONENTS
from kubefort.model.spec import NodeSpec
from kubefort_agent.components import Context, component
from kubefort_agent.components.kubelet import flags
from kubefort_agent.host.facts import HostFacts

from tests.conformance.stock import Stock
from tests.lab.artifacts import programs


@pytest.mark.parametrize("name", [*CONTROL_PLANE_COMPONENTS, "kubelet"])
def test_flags_are_known(name: str, theirs: Stock, spec: NodeSpec, facts: HostFacts) -> None:
    program = programs(theirs.version) / name
    if not program.exists():
        pytest.skip(f"the artifacts of {theirs.version} hold no {name}")
    context = Context(spec, facts)
    if name == "kubelet":
        given = tuple(f"--{flag}={value}" for flag, value in flags(context).items())
    else:
        given = component(name, context).command[1:]
    assert ask(program, *given) == 0
    assert ask(program, *given, "--no-such-flag=1") != 0


def ask(program: object, *arguments: str) -> int:
    """Exit code of a call that only prints the usage. Flags are parsed in order, so the question comes last."""
    return subprocess.run((str(program), *arguments, "--help"), capture_output=True, timeout=60, check=False).returncode
