"""The lab: real systemd hosts on one machine, with power, cables and disks that fail as real ones do.

Knows nothing of the product. The whole interface:

    with Lab("mine") as lab:                     # Lab("mine") without `with` stays up, and is found again by name
        a, b = lab.create_all({"a": "trixie", "b": "bookworm"})
        a.run("systemctl", "start", "docker"); a.put(Path("x.deb"), "/root/x.deb"); a.read("/etc/os-release")
        lab.cut_power(); lab.restore_power(wait=True)
        lab.partition([a], [b]); lab.heal(); a.pull_cable(); a.plug_cable()
        lab.logs(Path("logs"))
"""

from tests.lab.host import Host, HostOff
from tests.lab.lab import Lab, each
from tests.lab.shell import CommandError, LabError, say, step, until

__all__ = ["CommandError", "Host", "HostOff", "Lab", "LabError", "each", "say", "step", "until"]
