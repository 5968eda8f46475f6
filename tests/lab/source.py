"""Kubernetes v1.20.2 built from Debian bookworm's source package, as the last resort (11 minutes on two cores).

Go 1.15, the version that the tree was written for, comes from bullseye: with bookworm's 1.19 kubeadm and others compile
and panic at run time (reflect2). Another version is the same tree with another stamp: something to upgrade to.
Debian has neither CoreDNS nor cri-tools: tests/lab/standins are built in the same tree. etcd is Debian's own.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from tests.lab.paths import cache, locked
from tests.lab.shell import CommandError, LabError, run, step

MIRROR = os.environ.get("KUBEFORT_LAB_MIRROR", "http://deb.debian.org/debian")
ARCHIVE = "http://archive.debian.org/debian"
"""Where a suite moves to when its support has ended."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
VERSIONS = ("v1.20.2", "v1.21.0-lab")
COMMANDS = (
    *("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"),
    *("kubelet", "kubeadm", "kubectl"),
)
STANDINS = Path(__file__).parent / "standins"
NEEDS = {"dpkg-source": "dpkg-dev", "make": "make", "gcc": "gcc", "rsync": "rsync", "patch": "patch"}


def build(version: str, target: Path) -> None:
    """Put the programs of `version` and a pause into the folder `target`. Raises LabError for any other."""
    if version not in VERSIONS:
        raise LabError(f"Debian's source is {' or '.join(VERSIONS)} only")
    with locked("source"), step(f"building Kubernetes {version} from Debian's source (about 11 minutes)"):
        _tools()
        work = cache() / "source"
        work.mkdir(exist_ok=True)
        go, tree = _go(work), _tree(work)
        standins = _standins(tree)
        _make(version, [*COMMANDS, *standins], go, tree, work)
        built = tree / "_output/local/bin/linux/amd64"
        for name in (*COMMANDS, *(Path(standin).name for standin in standins)):
            shutil.copy(built / name, target / name)
        run("gcc", "-Os", "-static", f"-DVERSION={version}", "-o", target / "pause", tree / "build/pause/linux/pause.c")


def _tools() -> None:
    missing = [package for tool, package in NEEDS.items() if not shutil.which(tool)]
    missing += [] if KEYRING.exists() else ["debian-archive-keyring"]
    if missing:
        apt = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=600")
        run(*apt, "update", timeout=300)
        run(*apt, "install", "-y", *missing, timeout=600, env={"DEBIAN_FRONTEND": "noninteractive"})


def _apt(work: Path, suite: str, *words: str) -> None:
    """apt-get with a list, state and cache of its own, so that the machine's stay as they are."""
    home = work / f"apt-{suite}"
    if not home.exists():
        try:
            _lists(home, MIRROR, suite)
        except CommandError:
            _lists(home, ARCHIVE, suite)
    run(*_apt_get(home), *words, timeout=900, cwd=work)


def _lists(home: Path, mirror: str, suite: str) -> None:
    half = home.with_name(f".{home.name}.half")
    shutil.rmtree(half, ignore_errors=True)
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (half / folder).mkdir(parents=True)
    signed = f"[signed-by={KEYRING} check-valid-until=no]"
    (half / "sources.list").write_text(
        "".join(f"{kind} {signed} {mirror} {suite} main\n" for kind in ("deb", "deb-src"))
    )
    (half / "status").touch()
    run(*_apt_get(half), "--error-on=any", "update", timeout=900)
    half.rename(home)


def _apt_get(home: Path) -> list[str]:
    options = {
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": home / "etc",
        "Dir::State": home / "state",
        "Dir::State::status": home / "status",
        "Dir::Cache": home / "cache",
        "APT::Sandbox::User": "root",
    }
    return ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def _go(work: Path) -> Path:
    root = work / "go-1.15"
    if not root.exists():
        half = work / ".go-1.15.half"
        shutil.rmtree(half, ignore_errors=True)
        _apt(work, "bullseye", "download", "golang-1.15-go", "golang-1.15-src")
        for package in work.glob("golang-1.15-*.deb"):
            run("dpkg", "-x", package, half, timeout=300)
        half.rename(root)
    # bin and src are links of /usr/lib to /usr/share: relative ones, so they hold below our root too
    return root / "usr/lib/go-1.15"


def _tree(work: Path) -> Path:
    home = work / "gopath/src/k8s.io"
    tree = home / "kubernetes"
    if not tree.exists():
        _apt(work, "bookworm", "source", "--download-only", "kubernetes")
        home.mkdir(parents=True, exist_ok=True)
        half = home / ".half"
        shutil.rmtree(half, ignore_errors=True)
        run("dpkg-source", "--no-check", "-x", next(work.glob("kubernetes_*.dsc")), half, timeout=300)
        half.rename(tree)
    return tree


def _standins(tree: Path) -> list[str]:
    """They lie within the tree while they are built: only there does Go find the libraries vendored in it."""
    home = tree / "cmd/kubefort-lab"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(STANDINS, home)
    return [f"{home.name}/{folder.name}" for folder in sorted(home.iterdir())]


def _make(version: str, commands: list[str], go: Path, tree: Path, work: Path) -> None:
    found = re.fullmatch(r"v(\d+)\.(\d+)\..*", version)
    assert found
    stamp = work / f"{version}.stamp"
    stamp.write_text(
        "KUBE_GIT_COMMIT='faecb196815e248d3ecfb03c680a4507229c2a56'\n"
        f"KUBE_GIT_TREE_STATE='archive'\nKUBE_GIT_VERSION='{version}'\n"
        f"KUBE_GIT_MAJOR='{found[1]}'\nKUBE_GIT_MINOR='{found[2]}'\n"
    )
    environment = {
        "PATH": f"{go / 'bin'}:{os.environ['PATH']}",
        "GOROOT": str(go),
        "GOPATH": str(work / "gopath"),
        "GOCACHE": str(work / "gocache"),
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
        "KUBE_GIT_VERSION_FILE": str(stamp),
    }
    what = " ".join(f"cmd/{name}" for name in commands)
    run("make", f"WHAT={what}", "GOLDFLAGS=-s -w", cwd=tree, env=environment, timeout=3600)
