"""`make soak`: power cuts at random moments under a writer, of one host or of all, again and again.

CUTS (20): how many. SEED: of the random choices, printed. VERSION (v1.36.2). Exits non-zero when anything that was
acknowledged is lost, or the cluster is not whole again without anybody's help.
"""

from __future__ import annotations

import os
import random
import sys
import time

from tests.cluster import blackout, checks, writer
from tests.cluster.operator import Operator
from tests.lab import Lab
from tests.lab.shell import LabError


def cut(operator: Operator, dice: random.Random) -> None:
    """One cut: every third of all hosts, otherwise of one; a writer is at work when it happens."""
    everybody = dice.random() < 1 / 3
    victims = operator.hosts if everybody else [dice.choice(operator.hosts)]
    names = "all hosts" if everybody else victims[0].name
    with operator.steps.step(f"power cut of {names}"):
        with writer.Writer(operator) as work:
            time.sleep(dice.uniform(1, 5))
            operator.lab.cut_power(*victims)
            time.sleep(dice.uniform(0, 5))
            operator.lab.restore_power(*victims)
            operator.retry("the API answers", lambda: operator.kubectl("get", "--raw=/readyz").strip() == "ok", 180)
        if not work.acknowledged:
            raise LabError("the writer was never answered: this cut would prove nothing")
        blackout.heartbeats(operator)
        checks.whole(operator)
        writer.check(operator, work)
    operator.steps.figure("  writes acknowledged, all there", str(len(work.acknowledged)))


def main() -> int:
    cuts, seed = int(os.environ.get("CUTS", "20")), int(os.environ.get("SEED") or random.randrange(10**6))
    print(f"{cuts} power cuts, SEED={seed}", flush=True)
    dice = random.Random(seed)
    with Lab("soak") as lab:
        operator = Operator.with_hosts(lab, "trixie", os.environ.get("VERSION", "v1.36.2"), 3, 1)
        try:
            operator.build()
            checks.deploy_echo(operator)
            checks.whole(operator)
            for _ in range(cuts):
                cut(operator, dice)
        except LabError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        finally:
            print(f"\n{operator.steps.table()}\nSEED={seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
