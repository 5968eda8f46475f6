"""`make demo` and `make demo-down`: the main job on this machine, as an operator would do it."""

from __future__ import annotations

import sys

from tests.cluster import blackout, checks, holder_cut
from tests.cluster.operator import Operator
from tests.lab import Lab
from tests.lab.shell import LabError

LAB = "demo"
VERSION = "v1.36.2"


def up() -> None:
    """Five hosts, one cluster, a power cut of the address's holder and one of everybody; the cluster stays up."""
    Lab(LAB).down()
    operator = Operator.with_hosts(Lab(LAB), "trixie", VERSION, 3, 2)
    try:
        operator.build()
        checks.deploy_echo(operator)
        with operator.steps.step("check the cluster"):
            checks.whole(operator)
            checks.nothing_to_change(operator)
        holder_cut.survive(operator)
        blackout.survive(operator)
    finally:
        print(f"\n{operator.steps.table()}\n")
    print(
        f"The cluster is up: 3 control-plane hosts, 2 workers, Kubernetes {VERSION}, API at https://{operator.vip}:6443.\n"
        f"  look at it       make lab-ssh LAB={LAB} HOST=cp1, and there: kfctl status; kubectl get pods -A\n"
        f"  take it down     make demo-down"
    )


def main() -> int:
    """Exit code 0 when everything was as it should be, 1 otherwise, 2 for wrong usage."""
    if sys.argv[1:] == ["down"]:
        Lab(LAB).down()
        return 0
    if sys.argv[1:] != ["up"]:
        print("usage: python -m tests.e2e.demo up|down", file=sys.stderr)
        return 2
    try:
        up()
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
