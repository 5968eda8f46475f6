"""kfctl init: make a cluster."""

from __future__ import annotations

from pathlib import Path

import click
from kfctl.options import config_of, dry_run_option, ignore_option, output_option, run, timeout_option
from kfctl.progress import Output


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="cluster.yaml; the options below change what it says.")
@click.option("--advertise-address", metavar="ADDRESS", help="This host's address for others; default: found out.")
@click.option("--vip", metavar="ADDRESS", help="The address that one healthy control-plane host holds.")
@click.option("--kubernetes-version", metavar="vX.Y.Z", help="Default: the newest bundle's.")
@click.option("--bundle", type=click.Path(path_type=Path), multiple=True, help="A bundle's folder; may be repeated.")
@click.option("--pod-network-cidr", metavar="CIDR[,CIDR]", help="Subnets of pods.")
@click.option("--service-cidr", metavar="CIDR[,CIDR]", help="Subnets of Services.")
@ignore_option
@timeout_option("30m")
@dry_run_option
@output_option
@click.pass_context
def command(
    context: click.Context,
    config: Path | None,
    advertise_address: str | None,
    vip: str | None,
    kubernetes_version: str | None,
    bundle: tuple[Path, ...],
    pod_network_cidr: str | None,
    service_cidr: str | None,
    ignored: tuple[str, ...],
    timeout: float,
    dry_run: bool,
    output: Output,
) -> None:
    """Make a cluster; run as root on its first control-plane host.

    Sets up the coordinator here, gives it the bundles, and makes this host the first member. Typed again after a
    failure, it goes on where it stopped; on a finished cluster it changes nothing.
    """
    from kfctl.initialising import Wish, dry_init, init

    wish = Wish(
        operator_config=config_of(context),
        cluster_file=config,
        address=advertise_address or "",
        vip=vip or "",
        kubernetes_version=kubernetes_version or "",
        bundles=tuple(folder.absolute() for folder in bundle),
        pod_subnets=tuple(pod_network_cidr.split(",")) if pod_network_cidr else (),
        service_subnets=tuple(service_cidr.split(",")) if service_cidr else (),
        ignored=ignored,
    )
    run(dry_init(wish, output) if dry_run else init(wish, timeout, output))
