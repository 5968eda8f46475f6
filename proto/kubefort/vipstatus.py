"""kubefort-vip's status as it travels in NodeStatus.vip: read leniently, because hosts may run another version."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from kubefort.vipfile import VipStatus


def status_of(document: Mapping[str, object]) -> VipStatus | None:
    """The status, without fields that are unknown here; None where there is none, or none that is understood."""
    known = {name: value for name, value in document.items() if name in VipStatus.__struct_fields__}
    try:
        return msgspec.convert(known, VipStatus)
    except msgspec.ValidationError:
        return None
