"""Checks of a host before anything is changed on it, under kubeadm's names where kubeadm has one."""

from __future__ import annotations

from kubefort_agent.preflight.registry import preflight

__all__ = ["preflight"]
