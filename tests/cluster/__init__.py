"""A Kubefort cluster on lab hosts, made by what an operator would type; and what must be true of it."""
