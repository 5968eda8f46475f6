"""What to keep of a host when a test failed."""

from __future__ import annotations

from pathlib import Path

from tests.lab.host import Host
from tests.lab.shell import LabError

# file name -> command
COMMANDS: dict[str, tuple[str, ...]] = {
    "journal.txt": ("journalctl", "--no-pager", "-o", "short-iso-precise"),
    "units.txt": ("systemctl", "--no-pager", "--all", "list-units"),
    "failed.txt": ("systemctl", "--no-pager", "--failed"),
    "processes.txt": ("ps", "axfo", "pid,ppid,stat,etime,rss,args"),
    "containers.txt": ("crictl", "--runtime-endpoint=unix:///run/containerd/containerd.sock", "ps", "-a"),
    "tasks.txt": ("ctr", "-n", "k8s.io", "tasks", "list"),
    "images.txt": ("ctr", "-n", "k8s.io", "images", "list", "-q"),
    "addresses.txt": ("ip", "addr"),
    "routes.txt": ("ip", "route"),
    "sockets.txt": ("ss", "-tlnp"),
    "iptables.txt": ("iptables-save",),
    "disk.txt": ("df", "-h", "/var", "/etc", "/"),
    "cluster.txt": (
        *("kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--request-timeout=5s"),
        *("get", "nodes,pods,events", "-A", "-o", "wide"),
    ),
}
FOLDERS = ("/var/log/pods", "/var/log/containers", "/etc/kubernetes/manifests", "/etc/kubefort", "/var/lib/kubefort")
SECRET = ("*.key", "*.db-wal", "*bundles*", "*.tar")


def collect(host: Host, folder: Path) -> None:
    """Write the files above and the folders' tar into `folder`; what cannot be had leaves its error in the file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, argv in COMMANDS.items():
        try:
            said = host.run(*argv, check=False, timeout=30)
        except LabError as error:
            said = str(error)
        (folder / name).write_text(said)
    excludes = [f"--exclude={pattern}" for pattern in SECRET]
    try:
        present = [path for path in FOLDERS if host.exists(path)]
        if present:
            host.run("tar", "-czf", "/tmp/lab-logs.tgz", *excludes, *present, check=False, timeout=60)
            host.get("/tmp/lab-logs.tgz", folder)
            host.run("rm", "/tmp/lab-logs.tgz")
    except LabError as error:
        (folder / "folders-error.txt").write_text(str(error))
