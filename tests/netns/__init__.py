"""Hosts as network namespaces on one machine, for the integration tests and the benchmarks of the virtual IP."""
