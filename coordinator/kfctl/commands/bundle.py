"""kfctl bundle: Kubernetes' binaries and images, for hosts without internet."""

from __future__ import annotations

from pathlib import Path

import click
from kfctl.options import config_of, dry_run_option, output_option, run
from kfctl.progress import Output


@click.group()
def command() -> None:
    """Kubernetes' binaries and images for hosts without internet."""


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
@dry_run_option
@click.pass_context
def add(context: click.Context, folder: Path, dry_run: bool) -> None:
    """Give the coordinator the bundle in FOLDER, a folder on the coordinator's host."""
    from kfctl.bundles import verify
    from kfctl.client import connect

    if dry_run:
        manifest = verify(folder)
        click.echo(f"would give the coordinator the bundle of {manifest.kubernetes_version}; its files are in order")
        return
    path = str(folder.absolute())

    async def ask() -> str:
        async with connect(config_of(context)) as client:
            return await client.add_bundle(path)

    click.echo(f"the coordinator has the bundle of {run(ask())}")


@command.command("list")
@output_option
@click.pass_context
def list_bundles(context: click.Context, output: Output) -> None:
    """The bundles that the coordinator has."""
    from kfctl.client import connect
    from kfctl.text import columns, echo_json, size
    from kubefort.v1.control_pb2 import Bundle

    async def ask() -> list[Bundle]:
        async with connect(config_of(context)) as client:
            return await client.bundles()

    found = run(ask())
    if output == "json":
        names = ("kubernetesVersion", "etcdVersion", "artifacts", "size")
        rows = [(b.kubernetes_version, b.etcd_version, b.artifacts, b.size) for b in found]
        echo_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        lines = [(b.kubernetes_version, b.etcd_version, str(b.artifacts), size(b.size)) for b in found]
        click.echo(columns([("KUBERNETES", "ETCD", "FILES", "SIZE"), *lines]))


@command.command()
@click.argument("folder", type=click.Path(path_type=Path))
def verify(folder: Path) -> None:
    """Check every file of the bundle in FOLDER by size and checksum."""
    from kfctl.bundles import verify

    manifest = verify(folder)
    click.echo(
        f"{folder}: {len(manifest.artifacts)} files of Kubernetes {manifest.kubernetes_version} are as they should be"
    )


@command.command()
@click.argument("version")
@click.option("--output", "folder", type=click.Path(path_type=Path), help="Where; default: ./bundle-VERSION.")
@click.option("--architecture", default="amd64", show_default=True)
@click.option("--registry", default="https://registry.k8s.io", show_default=True, help="Where images come from.")
@click.option("--downloads", default="https://dl.k8s.io", show_default=True, help="Where binaries come from.")
@click.option("--github", default="https://github.com", show_default=True, help="Where crictl and etcdctl come from.")
@click.option("--image", "images", multiple=True, metavar="REF", help="One more image; may be repeated.")
@dry_run_option
def create(
    version: str,
    folder: Path | None,
    architecture: str,
    registry: str,
    downloads: str,
    github: str,
    images: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Download what Kubernetes VERSION (like v1.36.2) needs, checked by checksums. Typed again, it goes on."""
    from kfctl.bundlemaking import Sources, create

    if dry_run:
        where = folder or Path(f"bundle-{version}")
        click.echo(f"would download Kubernetes {version} for {architecture} into {where}, from:")
        click.echo("\n".join(f"  {source}" for source in (registry, downloads, github, *images)))
        return
    sources = Sources(registry=registry, downloads=downloads, github=github, architecture=architecture)
    create(version, folder or Path(f"bundle-{version}"), sources, images)
