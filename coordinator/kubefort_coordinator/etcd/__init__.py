"""The coordinator's view of etcd: its members, and whether one may come or go."""
