"""The virtual IP's input file on a control-plane host."""

from __future__ import annotations

from kubefort import vipfile
from kubefort.kubeadm.addresses import local_api
from kubefort.model.cluster import VirtualIP
from kubefort.model.spec import NodeSpec
from kubefort.paths import PKI

HIGHEST_PRIORITY = 254


def vip_file(spec: NodeSpec, vip: VirtualIP, interface: str, secrets: dict[int, str]) -> vipfile.VipFile:
    """vip.json. `secrets`: key id → hexadecimal; priorities are close together, so that planned moves are fast."""
    control_planes = spec.control_planes()
    rank = [node.name for node in control_planes].index(spec.node.name)
    peers = tuple(node.address for node in control_planes if node.name != spec.node.name)
    keys = tuple(vipfile.VipKey(id=number, secret=secret) for number, secret in sorted(secrets.items()))
    auth = vipfile.VipAuth()
    if keys:
        auth = vipfile.VipAuth(mode="enforce", keys=keys, send_key_id=spec.vip_keys[-1].id)
    length = "128" if ":" in vip.address else "32"
    return vipfile.VipFile(
        interface=interface,
        addresses=(vip.address if "/" in vip.address else f"{vip.address}/{length}",),
        vrid=vip.vrid,
        priority=HIGHEST_PRIORITY - rank,
        source=spec.node.address,
        peers=peers if vip.transport == "unicast" else (),
        interval_ms=vip.interval_ms,
        auth=auth,
        health=vipfile.VipHealth(url=f"{local_api(spec.node)}/readyz", ca_file=f"{PKI}/ca.crt"),
    )
