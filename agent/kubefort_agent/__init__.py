"""Kubefort's agent: makes one host match its desired state."""
