"""An example of every command, shown below its help and in the manual page."""

from __future__ import annotations

import click

EXAMPLES = {
    "init": "kfctl init --bundle /root/bundle --vip 10.0.0.100",
    "join": "kfctl join 10.0.0.1 --token abcdef.0123456789abcdef --ca-pin sha256:1f2e...",
    "token create": "kfctl token create --role control-plane --ttl 2h",
    "token list": "kfctl token list -o json",
    "token delete": "kfctl token delete abcdef",
    "status": "kfctl status",
    "nodes": "kfctl nodes -o json",
    "node cordon": "kfctl node cordon w1",
    "node uncordon": "kfctl node uncordon w1",
    "node drain": "kfctl node drain w1 --drain-timeout 5m --late ignore",
    "events": "kfctl events -f --host cp1",
    "vip status": "kfctl vip status",
    "vip move": "kfctl vip move cp2",
    "vip rotate-key": "kfctl vip rotate-key",
    "plan": "kfctl plan",
    "doctor": "kfctl doctor",
    "operation list": "kfctl operation list",
    "operation watch": "kfctl operation watch",
    "operation pause": "kfctl operation pause upgrade-7",
    "operation abort": "kfctl operation abort join-4",
    "operation resume": "kfctl operation resume join-4 --ignore-preflight-errors Mem",
    "upgrade plan": "kfctl upgrade plan v1.36.2",
    "upgrade apply": "kfctl upgrade apply v1.36.2 --bundle /root/bundle --max-unavailable 2",
    "upgrade status": "kfctl upgrade status",
    "config print-defaults": "kfctl config print-defaults > cluster.yaml",
    "config validate": "kfctl config validate cluster.yaml",
    "config schema": "kfctl config schema > cluster.schema.json",
    "bundle create": "kfctl bundle create v1.36.2 --output /root/bundle",
    "bundle add": "kfctl bundle add /root/bundle",
    "bundle verify": "kfctl bundle verify /root/bundle",
    "bundle list": "kfctl bundle list",
    "kubeconfig": "kfctl kubeconfig --output ~/.kube/config",
    "convert": "kfctl convert --component etcd --to systemd --dry-run",
    "operator list": "kfctl operator list",
    "operator revoke": "kfctl operator revoke admin@laptop",
    "reset": "kfctl reset w1 --yes",
    "completion": "source <(kfctl completion bash)",
    "version": "kfctl version",
}


def illustrate(path: str, command: click.Command) -> click.Command:
    """Give a command, and all below it, its example as the last words of its help."""
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            illustrate(f"{path} {name}", below)
    elif path in EXAMPLES:
        command.epilog = f"Example:\n\n\b\n  {EXAMPLES[path]}"
    return command
