"""Routes and chains in a network namespace of their own, with the real kernel."""

from __future__ import annotations

import subprocess
import sys
import textwrap

PREPARE = """
import asyncio, subprocess
from kubefort_agent.host import firewall
from kubefort_agent.host.netlink import Routes, kernel_routes

def sh(text):
    return subprocess.run(text.split(), check=True, capture_output=True, text=True).stdout

for line in ("ip link set lo up", "ip link add e0 type veth peer name e1", "ip address add 192.0.2.1/24 dev e0",
             "ip -6 address add 2001:db8::1/64 dev e0 nodad", "ip link set e0 up", "ip link set e1 up"):
    sh(line)
"""


def inside(script: str) -> str:
    """What a script prints in a namespace with a device e0 at 192.0.2.1/24."""
    text = PREPARE + textwrap.dedent(script)
    ran = subprocess.run(["unshare", "-n", sys.executable, "-c", text], capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def test_routes_are_set_moved_and_removed_and_others_stay() -> None:
    said = inside(
        """
        async def main():
            routes = Routes()
            await asyncio.gather(routes.replace("10.244.1.0/24", "192.0.2.11"),
                                 routes.replace("2001:db8:1::/64", "2001:db8::2"))
            await routes.replace("10.244.1.0/24", "192.0.2.12")
            print(sorted(kernel_routes()))
            sh("ip route add 10.9.0.0/24 via 192.0.2.9")
            for destination in ("10.9.0.0/24", "10.244.1.0/24", "10.244.7.0/24", "2001:db8:1::/64"):
                await routes.remove(destination)
            print(sorted(kernel_routes()))
            await routes.remove_link("e0")
            await routes.remove_link("e0")
            print("e0" in sh("ip link"))

        asyncio.run(main())
        """
    )
    assert said.splitlines() == [
        "[('10.244.1.0/24', '192.0.2.12'), ('2001:db8:1::/64', '2001:db8::2')]",
        "[('10.9.0.0/24', '192.0.2.9')]",
        "False",
    ]


def test_a_host_on_another_network_is_named() -> None:
    said = inside(
        """
        try:
            asyncio.run(Routes().replace("10.244.1.0/24", "203.0.113.5"))
        except Exception as error:
            print(error)
        """
    )
    assert "no route to 10.244.1.0/24 via 203.0.113.5" in said


def test_chains_are_as_iptables_prints_them_and_go_again() -> None:
    said = inside(
        """
        async def main():
            for sources in (("10.244.0.0/16", "fd00::/64"), ("10.244.0.0/16", "10.250.0.0/16")):
                print(bool(await firewall.difference(sources)))
                for _ in range(2):
                    await firewall.apply(sources)
                print(await firewall.difference(sources))
            sh("iptables -t nat -N KUBE-X")
            sh("iptables -t nat -A PREROUTING -j KUBE-X")
            sh("iptables -t nat -A PREROUTING -p tcp -j ACCEPT")
            await firewall.remove_kubernetes()
            await firewall.remove()
            saved = sh("iptables-save") + sh("ip6tables-save")
            print("KUBE" in saved, "-A PREROUTING -p tcp -j ACCEPT" in saved)

        asyncio.run(main())
        """
    )
    assert said.splitlines() == ["True", "()", "True", "()", "False True"]
