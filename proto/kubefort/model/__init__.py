"""Documents that travel and are kept: the cluster, a host's desired state and its status, events, operations."""
