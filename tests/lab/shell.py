"""The lab's one subprocess boundary: no shell, always a deadline, a typed error; and its progress lines."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class LabError(Exception):
    """Something the lab needs is missing or did not happen in time; the text says what."""


class CommandError(LabError):
    """A program ended with another exit code than 0, or (code None) not within its deadline."""

    def __init__(self, argv: Sequence[str], code: int | None, output: str) -> None:
        self.argv, self.code, self.output = tuple(argv), code, output
        how = "did not end in time" if code is None else f"ended with exit code {code}"
        super().__init__(f"`{' '.join(argv)[:600]}` {how}: {output.strip()[-3000:]}")


def run(
    *argv: str | Path,
    timeout: float = 60.0,
    check: bool = True,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program and return stdout (with stderr after it when it failed and check is False).

    timeout in seconds. Raises CommandError.
    """
    return run_coded(*argv, timeout=timeout, check=check, stdin=stdin, env=env, cwd=cwd)[1]


def run_coded(
    *argv: str | Path,
    timeout: float = 60.0,
    check: bool = True,
    stdin: bytes | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> tuple[int, str]:
    """As run, but returns (exit code, output)."""
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as error:
        raise CommandError(words, 127, str(error)) from error
    except subprocess.TimeoutExpired as error:
        said = (error.stdout or b"") + (error.stderr or b"")
        raise CommandError(words, None, said.decode(errors="replace")) from error
    out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    if check and done.returncode != 0:
        raise CommandError(words, done.returncode, out + err)
    return done.returncode, out if done.returncode == 0 else out + err


def pipe(producer: Sequence[str | Path], consumer: Sequence[str | Path], timeout: float) -> str:
    """`producer | consumer`; returns the consumer's stdout."""
    first, second = [str(word) for word in producer], [str(word) for word in consumer]
    with subprocess.Popen(first, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as source:
        try:
            done = subprocess.run(second, stdin=source.stdout, capture_output=True, timeout=timeout, check=False)
        except subprocess.TimeoutExpired as error:
            source.kill()
            raise CommandError(second, None, "") from error
        assert source.stdout is not None
        source.stdout.close()
    if done.returncode != 0:
        raise CommandError(second, done.returncode, done.stderr.decode(errors="replace"))
    if source.returncode != 0:
        raise CommandError(first, source.returncode, "")
    return done.stdout.decode(errors="replace").strip()


def say(sentence: str) -> None:
    """One progress line on stderr."""
    print(f"lab {time.strftime('%H:%M:%S')}  {sentence}", file=sys.stderr, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step that takes long, and afterwards how long it took."""
    start = time.monotonic()
    say(f"{title} ...")
    yield
    say(f"{title}: {time.monotonic() - start:.1f} s")


def until(what: str, condition: object, timeout: float, interval: float = 0.1) -> None:
    """Poll the callable `condition` until it is true; raises LabError naming `what` after `timeout` seconds."""
    assert callable(condition)
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {timeout:.0f} s")
        time.sleep(interval)
