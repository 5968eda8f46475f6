from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubefort_agent.host.containerd import Containerd

if TYPE_CHECKING:
    from tests.unit.agent.conftest import Programs
else:
    Programs = Any

SLOW = """
import time
words = argv[2:]
def images():
    return sorted(path.name for path in state.glob('image-*'))
if words[:2] == ['images', 'ls']:
    print('REF TYPE DIGEST SIZE PLATFORMS LABELS')
    for name in images():
        print(f"docker.io/library/{name}:latest x sha256:0 1 MiB linux/amd64 {(state / name).read_text() or '-'}")
elif words[:2] == ['images', 'import']:
    name = pathlib.Path(words[-1]).read_text()
    time.sleep(0.4 if name.endswith('slow') else 0.1)
    (state / name).touch()
elif words[:2] == ['images', 'label']:
    (state / words[2].split('/')[-1].split(':')[0]).write_text(words[3])
"""


async def test_imports_at_the_same_time_do_not_see_each_others_old_list(programs: Programs, tmp_path: Path) -> None:
    programs.add("ctr", SLOW)
    containerd = Containerd()
    for name in ("image-slow", "image-fast"):
        (tmp_path / name).write_text(name)
    await asyncio.gather(*(containerd.load(tmp_path / name, name) for name in ("image-slow", "image-fast")))
    pinned = await containerd.images()
    assert pinned == {"docker.io/library/image-slow:latest": True, "docker.io/library/image-fast:latest": True}


async def test_an_import_that_was_cut_off_is_done_again_from_the_start(programs: Programs, tmp_path: Path) -> None:
    containerd = Containerd()
    (programs.state / "images.json").write_text('{"docker.io/library/etcd:1": ["io.cri-containerd.image=managed"]}')
    (tmp_path / "archive").write_text("docker.io/library/etcd:1")
    await containerd.load(tmp_path / "archive", "etcd:1")
    assert await containerd.images() == {"docker.io/library/etcd:1": True}
    words = [call[3] for call in programs.calls("ctr") if call[2] == "images"]
    assert words.index("rm") < words.index("import") < words.index("label")
