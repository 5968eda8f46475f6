"""The coordinator's gRPC services, and the one place that decides who may call what."""
