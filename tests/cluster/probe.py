"""A client of the API that notes when it was answered: one new connection a try, every 50 ms, from the machine."""

from __future__ import annotations

import http.client
import itertools
import ssl
import threading
import time


class Probe:
    """Ask https://address:6443/readyz until stopped. Times are time.monotonic(), in seconds.

    A hung try is given up after `timeout` seconds; what counts is the longest time between two answers.
    """

    def __init__(self, address: str, interval: float = 0.05, timeout: float = 0.3) -> None:
        self.address, self.interval, self.timeout = address, interval, timeout
        self.answers: list[float] = []
        self.failures = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def __enter__(self) -> Probe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def longest_gap(self, since: float = 0.0) -> float:
        """Seconds between the two answers after `since` that lie farthest apart."""
        times = [t for t in self.answers if t >= since]
        return max((b - a for a, b in itertools.pairwise(times)), default=float("inf"))

    def wait_answer(self, since: float, timeout: float) -> float:
        """The first answer at or after `since`; raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            late = [t for t in self.answers[-100:] if t >= since]
            if late:
                return late[0]
            time.sleep(0.05)
        raise TimeoutError(f"https://{self.address}:6443/readyz: no answer within {timeout:.0f} s")

    def _ask(self) -> None:
        context = ssl._create_unverified_context()
        while not self._stop.is_set():
            connection = http.client.HTTPSConnection(self.address, 6443, timeout=self.timeout, context=context)
            try:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    self.answers.append(time.monotonic())
                else:
                    self.failures += 1
            except (OSError, http.client.HTTPException):
                self.failures += 1
            finally:
                connection.close()
            self._stop.wait(self.interval)
