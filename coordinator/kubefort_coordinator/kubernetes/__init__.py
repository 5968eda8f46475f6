"""The coordinator's side of the Kubernetes API: a small client, and the objects kubeadm would make."""
