"""Source NAT and forwarding for pods, in iptables chains of our own."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterable

from kubefort.run import CommandFailed, run

NAT = "KUBEFORT-POSTROUTING"
FORWARD = "KUBEFORT-FORWARD"
MULTICAST = {"iptables": "224.0.0.0/4", "ip6tables": "ff00::/8"}

_JUMPS = (("nat", "POSTROUTING", NAT), ("filter", "FORWARD", FORWARD))


def _families(sources: Iterable[str]) -> dict[str, list[str]]:
    """Program → subnets of its family."""
    found: dict[str, list[str]] = {}
    for source in sources:
        network = ipaddress.ip_network(source)
        found.setdefault("iptables" if network.version == 4 else "ip6tables", []).append(str(network))
    return found


def rules(program: str, subnets: list[str]) -> dict[str, list[str]]:
    """Chain → its rules as `iptables -S` prints them."""
    nat = [f"-A {NAT} -s {s} -d {d} -j RETURN" for s in subnets for d in (*subnets, MULTICAST[program])]
    nat += [f"-A {NAT} -s {s} -j MASQUERADE" for s in subnets]
    forward = [f"-A {FORWARD} -{side} {s} -j ACCEPT" for s in subnets for side in ("s", "d")]
    return {NAT: nat, FORWARD: forward}


async def difference(sources: tuple[str, ...]) -> tuple[str, ...]:
    lines: list[str] = []
    for program, subnets in _families(sources).items():
        wanted = rules(program, subnets)
        for table, parent, chain in _JUMPS:
            found = await _list(program, table, chain)
            lines += [f"{program} {table}: + {rule}" for rule in wanted[chain] if rule not in found]
            lines += [f"{program} {table}: - {rule}" for rule in found if rule not in wanted[chain]]
            if f"-A {parent} -j {chain}" not in await _list(program, table, parent):
                lines.append(f"{program} {table}: + -A {parent} -j {chain}")
    return tuple(lines)


async def _list(program: str, table: str, chain: str) -> list[str]:
    output = await run(program, "-w", "-t", table, "-S", chain, check=False, timeout=30)
    return [line for line in output.stdout.splitlines() if line.startswith("-A")]


async def apply(sources: tuple[str, ...]) -> None:
    """Each table's chain is replaced in one transaction, then jumped to."""
    for program, subnets in _families(sources).items():
        wanted = rules(program, subnets)
        for table, parent, chain in _JUMPS:
            text = "\n".join([f"*{table}", f":{chain} - [0:0]", *wanted[chain], "COMMIT", ""])
            await run(f"{program}-restore", "-w", "--noflush", stdin=text.encode(), timeout=30)
            check = await run(program, "-w", "-t", table, "-C", parent, "-j", chain, check=False)
            if check.code != 0:
                await run(program, "-w", "-t", table, "-I", parent, "-j", chain)


async def remove() -> None:
    """Our chains and the jumps to them."""
    for program in MULTICAST:
        for table, parent, chain in _JUMPS:
            await remove_chain(program, table, chain, (parent,))


async def remove_chain(program: str, table: str, chain: str, parents: Iterable[str]) -> None:
    try:
        for parent in parents:
            while (await run(program, "-w", "-t", table, "-D", parent, "-j", chain, check=False)).code == 0:
                pass
        await run(program, "-w", "-t", table, "-F", chain, check=False)
        await run(program, "-w", "-t", table, "-X", chain, check=False)
    except CommandFailed as error:
        if error.code != 127:
            raise


async def remove_kubernetes() -> None:
    """The chains of kube-proxy, kubelet and the portmap plugin, and every rule that jumps to one."""
    for program in MULTICAST:
        try:
            saved = (await run(f"{program}-save", timeout=30)).stdout
        except CommandFailed:
            continue
        kept = without_kubernetes(saved)
        if kept != saved:
            await run(f"{program}-restore", "-w", stdin=kept.encode(), timeout=60)


_PREFIXES = ("KUBE-", "CNI-", "KUBEFORT-")


def without_kubernetes(saved: str) -> str:
    """iptables-save's text without chains of Kubernetes and CNI, and without rules that jump to one of them."""
    lines = []
    for line in saved.splitlines():
        words = line.split()
        if line.startswith(":") and words[0][1:].startswith(_PREFIXES):
            continue
        if line.startswith("-A"):
            targets = [
                words[1],
                *(after for before, after in itertools.pairwise(words) if before in ("-j", "-g")),
            ]
            if any(name.startswith(_PREFIXES) for name in targets):
                continue
        lines.append(line)
    return "\n".join(lines) + "\n"
