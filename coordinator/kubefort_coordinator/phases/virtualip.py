"""Phases that steer the virtual IP: who holds it, and by which key its adverts are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from kubefort.errors import Refused
from kubefort.model.spec import VipKey
from kubefort.vipfile import VipStatus

from kubefort_coordinator import virtualip
from kubefort_coordinator.coordinator import Coordinator
from kubefort_coordinator.phases import DONE, Outcome, Phase, Wait, wait_for_all


@dataclass(frozen=True)
class TakeVirtualIP(Phase):
    """The host preempts: it takes the address first, and the former holder lets go when it hears that."""

    name: ClassVar[str] = "take-vip"
    deadline: ClassVar[float] = 120.0

    @property
    def title(self) -> str:
        return f"Let {self.host or 'the next fit host'} take the virtual IP"

    async def run(self, coordinator: Coordinator) -> Outcome:
        target = self.host or coordinator.records.need_cluster().vip_holder or virtualip.successor(coordinator)
        if not target:
            raise Refused("no other host is fit to take the virtual IP", "see `kfctl vip status`")
        held = virtualip.holders(coordinator)
        if held == [target]:
            return DONE
        virtualip.change(coordinator, vip_holder=target)
        if target in held:
            return Wait(f"{' and '.join(each for each in held if each != target)} to let go of the virtual IP", 1.0)
        return Wait(virtualip.obstacle(coordinator, target) or f"{target} to take the virtual IP", 1.0)


@dataclass(frozen=True)
class AcceptNewKey(Phase):
    """Everybody knows the new key before anybody uses it; without a key so far, adverts without one go on."""

    name: ClassVar[str] = "accept-new-key"
    deadline: ClassVar[float] = 300.0

    @property
    def title(self) -> str:
        return "Let every control-plane host accept adverts with a new key"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        keys, sent = record.vip_keys, virtualip.send_key(record.vip_keys, record.vip_send_key)
        if not keys:
            key = VipKey(1, coordinator.pki.ensure_vip_key(1))
            virtualip.change(coordinator, vip_keys=(key,), vip_send_key=key.id, vip_auth="receive-only")
        elif keys[-1].id == sent and record.vip_auth != "receive-only":
            id = virtualip.free_key_id(keys)
            key = VipKey(id, coordinator.pki.ensure_vip_key(id))
            virtualip.change(coordinator, vip_keys=(*keys, key), vip_send_key=sent)
        newest = coordinator.records.need_cluster().vip_keys[-1].id
        return _everybody(coordinator, lambda status: newest in status.auth_key_ids, f"accept key {newest}")


@dataclass(frozen=True)
class SendNewKey(Phase):
    """Everybody signs with the new key; both are accepted."""

    name: ClassVar[str] = "send-new-key"
    deadline: ClassVar[float] = 300.0

    @property
    def title(self) -> str:
        return "Sign adverts with the new key"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        newest = record.vip_keys[-1].id
        auth = "permissive" if record.vip_auth == "receive-only" else record.vip_auth
        virtualip.change(coordinator, vip_send_key=newest, vip_auth=auth)
        return _everybody(coordinator, lambda status: status.auth_send_key_id == newest, f"sign with key {newest}")


@dataclass(frozen=True)
class DropOldKeys(Phase):
    """Nothing but the new key counts any more."""

    name: ClassVar[str] = "drop-old-keys"
    deadline: ClassVar[float] = 300.0

    @property
    def title(self) -> str:
        return "Accept only adverts with the new key"

    async def run(self, coordinator: Coordinator) -> Outcome:
        record = coordinator.records.need_cluster()
        newest = record.vip_keys[-1]
        virtualip.change(coordinator, vip_keys=(newest,), vip_send_key=newest.id, vip_auth="enforce")
        outcome = _everybody(
            coordinator,
            lambda status: status.auth_mode == "enforce" and status.auth_key_ids == (newest.id,),
            f"accept only key {newest.id}",
        )
        if outcome is DONE:
            coordinator.pki.keep_vip_key(newest.id)
            virtualip.change(coordinator, vip_rotated=coordinator.clock())
            coordinator.event("", "VipKeyRotated", f"the virtual IP's adverts are signed with key {newest.id} only")
        return outcome


def _everybody(coordinator: Coordinator, ready: Callable[[VipStatus], bool], what: str) -> Outcome:
    """Done when every host that may hold the address reports that it is so."""

    def waited_for(name: str) -> str:
        if sentence := coordinator.unsettled(name):
            return sentence
        status = virtualip.reported(coordinator, name)
        if status is None:
            return f"kubefort-vip on {name} to answer"
        return "" if ready(status) else f"kubefort-vip on {name} to {what}"

    return wait_for_all([waited_for(each.name) for each in virtualip.candidates(coordinator)])
