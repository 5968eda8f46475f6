"""The thin edges: the only code that touches the host, one place for each thing."""

from __future__ import annotations

from kubefort_agent.host.host import Host, Supplies

__all__ = ["Host", "Supplies"]
