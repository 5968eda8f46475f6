"""python -m tests.lab prepare|up|down|clean|list|ssh HOST|logs FOLDER|bundle VERSION: the lab for people and make."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from tests.lab import Lab, LabError, bundle, image, machine
from tests.lab.paths import cache
from tests.lab.shell import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    parser.add_argument("--lab", default="kubefort", help="the lab's name (default: %(default)s)")
    commands = parser.add_subparsers(dest="command", required=True)
    prepare = commands.add_parser("prepare", help="packages, Docker engine, host images and bundles")
    prepare.add_argument("--suite", action="append", default=[])
    prepare.add_argument("--version", action="append", default=[])
    up = commands.add_parser("up", help="create and boot hosts; those that exist are switched on")
    up.add_argument("--suite", default="trixie")
    up.add_argument("hosts", nargs="*", default=["cp1", "cp2", "cp3", "w1", "w2"])
    commands.add_parser("down", help="remove hosts, disks and network")
    commands.add_parser("clean", help="remove every lab, host image and cached file")
    commands.add_parser("list", help="hosts with address and power")
    commands.add_parser("ssh", help="a root shell on a host").add_argument("host")
    commands.add_parser("logs", help="collect every host's logs").add_argument("folder", type=Path)
    commands.add_parser("bundle", help="make a Kubernetes bundle, print its folder").add_argument("version")
    options = parser.parse_args()
    try:
        return _do(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _do(options: argparse.Namespace) -> int:
    if options.command in ("prepare", "bundle"):
        machine.prepare()
    lab = Lab(options.lab)
    if options.command == "prepare":
        for suite in options.suite or ["trixie"]:
            print(image.ensure(suite))
        for version in options.version:
            print(bundle.ensure(version))
    elif options.command == "up":
        present = {host.name for host in lab.hosts}
        lab.create_all({name: options.suite for name in options.hosts if name not in present})
        lab.restore_power(wait=True)
        _list(lab)
    elif options.command == "down":
        lab.down()
    elif options.command == "clean":
        _clean()
    elif options.command == "list":
        _list(lab)
    elif options.command == "ssh":
        interactive = "-it" if sys.stdin.isatty() else "-i"
        os.execvp("docker", ["docker", "exec", interactive, lab.host(options.host).container, "bash", "-l"])
    elif options.command == "logs":
        lab.logs(options.folder)
    elif options.command == "bundle":
        print(bundle.ensure(options.version))
    return 0


def _clean() -> None:
    machine.prepare()
    for state in sorted((cache() / "labs").glob("*/state.json")):
        Lab(state.parent.name).down()
    images = run("docker", "images", "--quiet", "--filter=reference=kubefort-lab/*").split()
    if images:
        run("docker", "rmi", "--force", *images, timeout=300)
    for path in cache().iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def _list(lab: Lab) -> None:
    for host in lab.hosts:
        print(f"{host.name:12} {host.address:15} {host.suite:10} {'on' if host.powered else 'off'}")


if __name__ == "__main__":
    sys.exit(main())
