"""Programs of a lab host's image, with the libraries they need: what Debian's own binaries need in an image of ours."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tests.lab.shell import pipe, run


def files(image: str, programs: Sequence[str], folders: Sequence[str], target: Path) -> dict[str, Path]:
    """Copy `programs`, the libraries that `ldd` names, and `folders` out of `image` into `target`.

    Returns path in the image (no leading slash) -> local file; links are replaced by what they point at.
    """
    inside = ("docker", "run", "--rm", "--network=none", "--entrypoint")
    linked = run(*inside, "ldd", image, *programs, check=False, timeout=60)
    libraries = set(re.findall(r"(/\S+) \(0x", linked))
    target.mkdir(parents=True)
    wanted = [path.lstrip("/") for path in (*programs, *sorted(libraries), *folders)]
    pipe([*inside, "tar", image, "-C", "/", "-c", "-h", *wanted], ["tar", "-C", target, "-x"], timeout=120)
    return {str(path.relative_to(target)): path for path in sorted(target.rglob("*")) if path.is_file()}


def says(image: str, program: Path, *words: str) -> str:
    """What a local program prints when run in a container of `image`."""
    mounted = f"--volume={program}:/program:ro"
    return run("docker", "run", "--rm", "--network=none", mounted, "--entrypoint=/program", image, *words, timeout=60)
