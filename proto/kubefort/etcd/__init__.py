"""The part of etcd's own gRPC interface that we call: rpc.proto trimmed, with the real package and service names."""
