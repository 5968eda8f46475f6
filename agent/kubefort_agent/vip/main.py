"""kubefort-vip: holds the cluster's virtual IP by VRRP. See kubefort.vipfile for its input and its status socket."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

# msgspec would take it, and with it inspect and ast: 1.5 MB of memory that stays locked.
sys.modules.setdefault("typing_extensions", None)  # type: ignore[arg-type]

import msgspec  # noqa: E402
from kubefort import vipfile  # noqa: E402
from kubefort.errors import KubefortError  # noqa: E402

from kubefort_agent.vip.drain import Drain  # noqa: E402
from kubefort_agent.vip.loop import Loop  # noqa: E402
from kubefort_agent.vip.netlink import Kernel  # noqa: E402
from kubefort_agent.vip.ownership import drop  # noqa: E402
from kubefort_agent.vip.probe import PROBE_FOR, probe  # noqa: E402
from kubefort_agent.vip.realtime import log  # noqa: E402

USAGE = """usage: kubefort-vip run|cleanup|probe|metrics [--config FILE] [--run-folder FOLDER] [--state-folder FOLDER]

run       hold the virtual IP whenever it is this host's turn, until SIGTERM
cleanup   take off an address that a killed process has left
probe     tell (as JSON) who speaks VRRP on the interface, and who answers for the address already
metrics   print the running process' counters in Prometheus' text format
"""


def main(arguments: Sequence[str] | None = None) -> int:
    # By hand: argparse costs half a megabyte in a process that keeps it for ever.
    words = list(sys.argv[1:] if arguments is None else arguments)
    paths = {
        "--config": vipfile.CONFIG_PATH,
        "--run-folder": vipfile.SOCKET_PATH.parent,
        "--state-folder": Path("/var/lib/kubefort-vip"),
    }
    command, options = (words[0] if words else ""), words[1:]
    names, values = options[::2], options[1::2]
    if (
        command not in ("run", "cleanup", "probe", "metrics")
        or len(names) != len(values)
        or not set(names) <= set(paths)
    ):
        asked = command in ("-h", "--help")
        print(USAGE, end="", file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    paths.update(zip(names, map(Path, values), strict=True))
    try:
        if command == "cleanup":
            cleanup(paths["--config"])
        elif command == "probe":
            print(msgspec.json.encode(probe(vipfile.load(paths["--config"]), PROBE_FOR)).decode())
        elif command == "metrics":
            # Only here: what runs for ever has no use for it.
            from kubefort_agent.vip import metrics

            print(metrics.text(metrics.ask(paths["--run-folder"] / vipfile.SOCKET_PATH.name)), end="")
        else:
            Loop(paths["--config"], paths["--run-folder"], paths["--state-folder"]).run()
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
    Drain(kernel, config).clean()
    kernel.close()


if __name__ == "__main__":
    sys.exit(main())
