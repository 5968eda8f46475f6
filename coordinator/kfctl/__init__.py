"""kfctl, Kubefort's command line. It imports only the shared package."""
