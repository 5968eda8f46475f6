"""kubefort-vip beside Debian's keepalived, in network namespaces, in one run; the last line is one JSON object.

BENCH_ROUNDS (20) rounds of each event, medians. What has no end is looked at for FOR_EVER seconds.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
from collections.abc import Callable
from typing import Any

from tests.bench.pair import BUSY, OURS, PEER, Pair, Program, at_hand, busy

ROUNDS = max(1, int(os.environ.get("BENCH_ROUNDS", "20")))
FOR_EVER = 10.0
FALSE_SECONDS = 300 * min(1.0, ROUNDS / 20)
COST_SECONDS = 30 * min(1.0, ROUNDS / 20)

Row = dict[str, Any]
Measure = Callable[[Program], list[float]]


def both(event: str, measure: Measure, unit: str = "ms", digits: int = 1) -> Row:
    """A row: ours first, then the peer, on the same machine a moment later."""
    values = {program.name: measure(program) for program in (OURS, PEER)}
    medians = {name: round(statistics.median(found), digits) for name, found in values.items()}
    ours, peer = medians[OURS.name], medians[PEER.name]
    row: Row = {"event": event, "unit": unit, "ours": ours, "peer": peer, "ratio": ratio(ours, peer)}
    for name, key in ((OURS.name, "ours_range"), (PEER.name, "peer_range")):
        row[key] = [round(min(values[name]), digits), round(max(values[name]), digits)]
    report(row)
    return row


def ratio(ours: float, peer: float) -> float | None:
    """None where the peer has nothing to compare with."""
    return round(ours / peer, 3) if peer else None


def report(row: Row) -> None:
    spans = " ".join(f"[{low:g}, {high:g}]" for low, high in (row["ours_range"], row["peer_range"]))
    print(
        f"{row['event']:<58} {row['ours']:>9g} {row['peer']:>9g} {row['unit']:<10} {row['ratio']!s:>7}  {spans}",
        flush=True,
    )


def repeated(interval_ms: int, once: Callable[[Pair, float], float], loops: int = 0) -> Measure:
    """Rounds spread evenly over the phases between two adverts."""

    def measure(program: Program) -> list[float]:
        with Pair(program, interval_ms) as pair, busy(loops):
            return [once(pair, (number + 0.5) / ROUNDS) for number in range(ROUNDS)]

    return measure


def two_holders(number: int) -> Measure:
    """The peer's has no end, so that each of its rounds begins anew, and a few say it all."""

    def measure(program: Program) -> list[float]:
        if program is OURS:
            return repeated(100, lambda pair, _: pair.two_holders(number, FOR_EVER))(program)
        found = []
        for _ in range(min(ROUNDS, 3)):
            with Pair(program, 100) as pair:
                found.append(pair.two_holders(number, FOR_EVER))
        return found

    return measure


def hand_over(program: Program) -> list[float]:
    found = []
    for _ in range(min(ROUNDS, 5)):
        with Pair(program, 100) as pair:
            found.append(pair.hand_over())
    return found


def cost() -> list[Row]:
    found: dict[str, tuple[float, float]] = {}

    def measure(program: Program) -> list[float]:
        with Pair(program, 100) as pair:
            pair.pinger.close()
            found[program.name] = pair.cost(COST_SECONDS)
        return [found[program.name][0]]

    memory = both("cost, adverts every 100 ms: resident memory", measure, "MB", 2)
    return [memory, both("cost, adverts every 100 ms: processor", lambda p: [found[p.name][1]], "% of core", 3)]


def false_take_overs(program: Program) -> list[float]:
    with Pair(program, 10) as pair, busy(BUSY):
        return [pair.take_overs(FALSE_SECONDS)]


def rows() -> list[Row]:
    made = []
    for loops, load in ((0, "idle"), (BUSY, f"{BUSY} busy loops")):
        for interval in (1000, 100, 10):
            made.append(both(f"hard cut, adverts every {interval} ms, {load}", repeated(interval, Pair.cut, loops)))
    made.append(both("graceful stop, adverts every 100 ms", repeated(100, Pair.stop)))
    made.append(both("planned hand-over, 200 requests/s, 20 connections: broken", hand_over, "times", 0))
    for number in (signal.SIGKILL, signal.SIGSTOP):
        event = f"two holders after {number.name}, adverts every 100 ms (at most {FOR_EVER:.0f} s)"
        made.append(both(event, two_holders(number)))
    event = f"false take-overs in {FALSE_SECONDS:.0f} s, adverts every 10 ms, {BUSY} busy loops"
    made.append(both(event, false_take_overs, "times", 0))
    return [*made, *cost()]


def main() -> int:
    if missing := at_hand():
        print(missing, file=sys.stderr)
        return 1
    # Cuts come at the moment that was chosen, whatever else runs; the programs begin without it.
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(5))
    print(f"{'medians of ' + str(ROUNDS):<58} {'ours':>9} {'peer':>9} {'':<10} {'ratio':>7}  [min, max]", flush=True)
    made = rows()
    headline = made[1]
    print(json.dumps({"bench": "vip", **{k: headline[k] for k in ("ours", "peer", "ratio", "unit")}, "rows": made}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
