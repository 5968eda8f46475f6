"""kfctl: the entry point and the list of its commands."""

from __future__ import annotations

import os
from pathlib import Path

import click
from kubefort import paths

from kfctl.lazy import Program


def _command(name: str, text: str) -> tuple[str, tuple[str, str]]:
    return name, (f"kfctl.commands.{name.replace('-', '_')}:command", text)


COMMANDS = dict(
    (
        _command("init", "Make a cluster; run on its first control-plane host."),
        _command("join", "Make this host a member of a cluster."),
        _command("token", "Tokens that let hosts join."),
        _command("status", "The cluster, its hosts, and what is being done."),
        _command("nodes", "The hosts, one per line."),
        _command("node", "A host's node: cordon, drain, uncordon."),
        _command("events", "What happened on the hosts."),
        _command("vip", "The virtual IP: status, move, rotate-key."),
        _command("plan", "What differs from the desired state."),
        _command("doctor", "What is wrong, why, and what to type."),
        _command("operation", "Operations: list, watch, pause, abort, resume."),
        _command("upgrade", "Upgrades of Kubernetes: plan, apply, status."),
        _command("config", "cluster.yaml: defaults, check, schema."),
        _command("bundle", "Kubernetes' binaries and images for hosts without internet."),
        _command("kubeconfig", "A kubeconfig for the cluster's administrator."),
        _command("convert", "Change how components run: static-pod, systemd, docker."),
        _command("operator", "Operators: list, revoke."),
        _command("reset", "Remove a host from the cluster and clean it."),
        _command("completion", "A script that completes kfctl's commands in a shell."),
        _command("version", "Versions of kfctl and of the coordinator."),
    )
)


@click.group(cls=Program, lazy=COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--kfctl-config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=paths.OPERATOR_CONFIG,
    envvar="KUBEFORT_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The operator's identity and the coordinator's address.",
)
@click.pass_context
def cli(ctx: click.Context, kfctl_config: Path) -> None:
    """Make and run highly available Kubernetes clusters on bare Linux hosts."""
    ctx.obj = kfctl_config


def main() -> None:
    """Entry point of the program."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what gRPC logs, kfctl says better
    cli(prog_name="kfctl")
