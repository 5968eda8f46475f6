"""kubeadm's conventions as data: certificates, addresses, names, and what differs between minor versions."""
