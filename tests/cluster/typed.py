"""A command typed in a shell of its own, which goes on while other things are done."""

from __future__ import annotations

import itertools
import re
import subprocess
import threading
import time
from types import TracebackType

from tests.lab import Host
from tests.lab.shell import LabError

_numbers = itertools.count()


class Typed:
    """As a context manager it ends the command at the end, if that still runs. Output: stdout and stderr together."""

    def __init__(self, host: Host, *argv: str) -> None:
        self.host, self.argv = host, argv
        self._pid_file = f"/run/typed-{next(_numbers)}.pid"
        self._lines: list[str] = []
        self._news = threading.Condition()

    def __enter__(self) -> Typed:
        # Tests that a shell runs in its background ignore Ctrl-C, and so would the command.
        remembered = ("env", "--default-signal=INT", "sh", "-c", f'echo $$ >{self._pid_file}; exec "$@"', "sh")
        self._process = self.host.popen(*remembered, *self.argv)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.running:
            if self.host.powered:
                self.signal("KILL")
            self._process.kill()
        self._process.wait(10)

    @property
    def output(self) -> str:
        with self._news:
            return "".join(self._lines)

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def signal(self, name: str = "INT") -> None:
        """Send the command a signal, by default what Ctrl-C does."""
        pid = self.host.read(self._pid_file).strip()
        code, said = self.host.run_coded("kill", f"-{name}", pid, check=False)
        if code != 0 and self.running:
            raise LabError(f"{self.argv[0]} (process {pid}) did not get the signal {name}: {said}")

    def wait_for(self, pattern: str, timeout: float = 60.0) -> re.Match[str]:
        """The first match in the output; raises LabError where the command ends, or the time, without one."""
        end = time.monotonic() + timeout
        while True:
            with self._news:
                found = re.search(pattern, "".join(self._lines))
                if found:
                    return found
                ended = not self._reader.is_alive()
                if not ended:
                    self._news.wait(0.5)
            if ended or time.monotonic() > end:
                raise LabError(f"{' '.join(self.argv)} printed no {pattern!r}, but:\n{self.output}")

    def wait(self, timeout: float = 600.0) -> tuple[int, str]:
        """(exit code, output) once it has ended."""
        try:
            code = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(f"{' '.join(self.argv)} still runs after {timeout:.0f} s:\n{self.output}") from None
        self._reader.join(10)
        return code, self.output

    def succeed(self, timeout: float = 600.0) -> str:
        """The output of a command that must end with exit code 0."""
        code, output = self.wait(timeout)
        if code != 0:
            raise LabError(f"{' '.join(self.argv)} ended with exit code {code}:\n{output}")
        return output

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self._lines.append(line.decode(errors="replace"))
                self._news.notify_all()
