"""A host below a temporary folder, and fake programs that record how they are called."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kubefort_agent.host import Host


class Programs:
    """Fakes on PATH. `add` gives one a body: Python that sees `argv` and `state` (a folder)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.state = folder / "state"
        self.log = folder / "calls.jsonl"
        for path in (self.folder, self.state):
            path.mkdir()

    def add(self, name: str, body: str = "") -> None:
        script = self.folder / name
        script.write_text(
            f"#!{sys.executable} -S\n"
            "import json, pathlib, sys\n"
            "argv = sys.argv[1:]\n"
            f"state = pathlib.Path({str(self.state)!r})\n"
            f"with open({str(self.log)!r}, 'a') as log: log.write(json.dumps([{name!r}, *argv]) + '\\n')\n"
            f"{body}\n"
        )
        script.chmod(script.stat().st_mode | stat.S_IXUSR)

    def calls(self, name: str) -> list[list[str]]:
        if not self.log.exists():
            return []
        rows = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [row[1:] for row in rows if row[0] == name]


SYSTEMCTL = """
command, names = argv[0], [a for a in argv[1:] if not a.startswith('-')]
file = state / 'units.json'
units = json.loads(file.read_text()) if file.exists() else {}
if command == 'show':
    for name in names:
        unit = units.get(name)
        print(f'Id={name}')
        print(f"LoadState={'loaded' if unit else 'not-found'}")
        print(f"ActiveState={unit['active'] if unit else 'inactive'}")
        print('SubState=x')
        print(f"UnitFileState={unit['file'] if unit else ''}")
        print('NeedDaemonReload=no')
        print()
elif command == 'list-units':
    print('dev-zram0.swap loaded active active zram')
else:
    for name in names:
        unit = units.setdefault(name, {'active': 'inactive', 'file': 'disabled'})
        if command in ('start', 'restart'):
            unit['active'] = 'active'
        elif command == 'stop':
            unit['active'] = 'inactive'
        elif command == 'enable':
            unit['file'] = 'enabled'
        elif command == 'disable':
            unit['file'] = 'disabled'
    file.write_text(json.dumps(units))
"""

CTR = """
file = state / 'images.json'
images = json.loads(file.read_text()) if file.exists() else {}
words = argv[2:]
if words[:2] == ['images', 'ls']:
    print('REF TYPE DIGEST SIZE PLATFORMS LABELS')
    for ref, labels in images.items():
        print(f"{ref} application/vnd.oci sha256:0 1.0 MiB linux/amd64 {','.join(labels) or '-'}")
elif words[:2] == ['images', 'import']:
    images[pathlib.Path(words[-1]).read_text()] = ['io.cri-containerd.image=managed']
elif words[:2] == ['images', 'label']:
    images[words[2]].append(words[3])
elif words[:2] == ['images', 'rm']:
    images.pop(words[-1])
file.write_text(json.dumps(images))
"""


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    fakes = Programs(tmp_path)
    fakes.add("systemctl", SYSTEMCTL)
    fakes.add("ctr", CTR)
    for name in ("sync", "modprobe", "swapoff", "swapon", "umount"):
        fakes.add(name)
    monkeypatch.setenv("PATH", str(fakes.folder))
    return fakes


@pytest.fixture
def host(tmp_path: Path, programs: Programs) -> Host:
    root = tmp_path / "root"
    for folder in ("etc", "var/lib/kubefort", "proc/sys/net/ipv4", "proc/net"):
        (root / folder).mkdir(parents=True)
    return Host(root=root)


@pytest.fixture
def place(host: Host) -> Callable[[str, str], Path]:
    """Put a file of the host."""

    def put(path: str, text: str) -> Path:
        file = host.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    return put
