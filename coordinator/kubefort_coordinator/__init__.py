"""Kubefort's coordinator: decides whose turn it is."""
