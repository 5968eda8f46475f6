"""What agent, coordinator and kfctl share: documents, wire protocol, and the few edges all three need."""

__version__ = "0.1.0"
