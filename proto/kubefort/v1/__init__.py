"""The wire protocol, generated from the .proto files beside this one by `make generate`."""
