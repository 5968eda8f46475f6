"""The agent as a service: its stream to the coordinator, its supplies, its identity, its place under systemd."""
