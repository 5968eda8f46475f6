"""The virtual IP's input file on a control-plane host."""

from __future__ import annotations

from kubefort import vipfile
from kubefort.kubeadm.addresses import local_api
from kubefort.model.cluster import VirtualIP
from kubefort.model.spec import NodeSpec
from kubefort.paths import PKI

HIGHEST_PRIORITY = 254


def vip_file(spec: NodeSpec, vip: VirtualIP, interface: str, secrets: dict[int, str]) -> vipfile.VipFile:
    """vip.json. `secrets`: key id → hexadecimal; priorities are close together, so that planned moves are fast.

    The host that shall hold the address is the first, and the only one that preempts: it takes the address from a
    living holder, who lets go when he hears it.
    """
    control_planes = spec.control_planes()
    order = sorted((node.name for node in control_planes), key=lambda name: (name != spec.vip_holder, name))
    rank = order.index(spec.node.name)
    peers = tuple(node.address for node in control_planes if node.name != spec.node.name)
    length = "128" if ":" in vip.address else "32"
    return vipfile.VipFile(
        interface=interface,
        addresses=(vip.address if "/" in vip.address else f"{vip.address}/{length}",),
        vrid=vip.vrid,
        priority=HIGHEST_PRIORITY - rank,
        source=spec.node.address,
        peers=peers if vip.transport == "unicast" else (),
        interval_ms=vip.interval_ms,
        preempt=spec.node.name == spec.vip_holder,
        auth=vip_auth(spec, secrets),
        health=vipfile.VipHealth(url=f"{local_api(spec.node)}/readyz", ca_file=f"{PKI}/ca.crt"),
    )


def vip_auth(spec: NodeSpec, secrets: dict[int, str]) -> vipfile.VipAuth:
    """How adverts are authenticated; not at all where there are no keys."""
    if not secrets:
        return vipfile.VipAuth()
    keys = tuple(vipfile.VipKey(id=number, secret=secret) for number, secret in sorted(secrets.items()))
    sent = None if spec.vip_auth == "receive-only" else spec.vip_send_key or spec.vip_keys[-1].id
    return vipfile.VipAuth(mode=spec.vip_auth, keys=keys, send_key_id=sent)
