"""The power of the virtual IP's holder is cut under load: how long nobody answers."""

from __future__ import annotations

import time

from tests.cluster import checks
from tests.cluster.operator import Operator
from tests.cluster.probe import Probe
from tests.lab.shell import LabError


def survive(operator: Operator) -> float:
    """Cut the holder's power; returns the API's outage through the virtual IP in seconds. The host comes back."""
    holder = checks.one_holder(operator)
    host = next(host for host in operator.hosts if host.name == holder)
    with Probe(operator.vip) as probe, operator.steps.step(f"cut the power of {holder}, which holds {operator.vip}"):
        probe.wait_answer(time.monotonic(), 30)
        begin = time.monotonic()
        host.cut_power()
        probe.wait_answer(time.monotonic() + 2, 60)
        outage = probe.longest_gap(since=begin - 1)
    operator.steps.figure("the API's outage through the virtual IP", f"{outage:.2f} s")
    successor = checks.one_holder(operator)
    if successor == holder:
        raise LabError(f"{holder} is off and still said to hold {operator.vip}")
    with operator.steps.step(f"power of {holder} back to whole cluster"):
        host.start()
        host.wait_boot()
        checks.whole(operator)
    return outage
