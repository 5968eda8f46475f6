"""kubefort-vip: holds the cluster's virtual IP by VRRP. See kubefort.vipfile for its input and its status socket."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kubefort import vipfile
from kubefort.errors import KubefortError

from kubefort_agent.vip.loop import Loop
from kubefort_agent.vip.netlink import Kernel
from kubefort_agent.vip.ownership import drop
from kubefort_agent.vip.realtime import log


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="kubefort-vip", description="Holds the cluster's virtual IP (VRRP).")
    parser.add_argument("command", choices=("run", "cleanup"), help="run: until SIGTERM; cleanup: take the address off")
    parser.add_argument("--config", type=Path, default=vipfile.CONFIG_PATH)
    parser.add_argument("--run-folder", type=Path, default=vipfile.SOCKET_PATH.parent)
    parser.add_argument("--state-folder", type=Path, default=Path("/var/lib/kubefort-vip"))
    options = parser.parse_args(arguments)
    try:
        if options.command == "cleanup":
            cleanup(options.config)
        else:
            Loop(options.config, options.run_folder, options.state_folder).run()
    except KubefortError as error:
        log(3, str(error))
        return 1
    except OSError as error:
        log(3, f"kubefort-vip cannot work here: {error}")
        return 1
    return 0


def cleanup(path: Path) -> None:
    """Take off what a process that was killed has left; fine when there is nothing."""
    config = vipfile.load(path)
    kernel = Kernel()
    link = kernel.link(config.interface)
    if link is not None and drop(kernel, link.index, config):
        log(6, f"{', '.join(config.addresses)} taken off {config.interface}")
    kernel.close()


if __name__ == "__main__":
    sys.exit(main())
