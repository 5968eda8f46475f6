"""Downloads: over HTTP(S) only, tried again, checked by SHA-256 before anybody uses the file."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from kubefort.errors import InvalidInput, KubefortError, Unavailable
from kubefort.waiting import backoff

TRIES = 4
TIMEOUT_S = 60.0
CHUNK = 1 << 20


class Answer(KubefortError):
    """A server's answer that is no success; `code` is HTTP's."""

    def __init__(self, url: str, code: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"{url}: HTTP {code}", "check version, address and proxy (https_proxy)")
        self.code, self.headers = code, headers


@contextlib.contextmanager
def opened(url: str, headers: Mapping[str, str] | None = None) -> Iterator[http.client.HTTPResponse]:
    """The response to a GET. Raises Answer, or Unavailable where nobody answers. Secrets do not follow a redirect."""
    if not url.startswith(("https://", "http://")):
        raise InvalidInput(f"{url} is not an http or https address")
    request = urllib.request.Request(url)  # noqa: S310 - the scheme was looked at
    for name, value in (headers or {}).items():
        request.add_unredirected_header(name, value)
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            yield response
    except urllib.error.HTTPError as error:
        raise Answer(url, error.code, {k.lower(): v for k, v in error.headers.items()}) from error
    except (OSError, http.client.HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise Unavailable(f"{url} cannot be fetched: {why}", "check the network and proxy (https_proxy)") from error


def text(url: str) -> str:
    """A small text."""
    for attempt, pause in enumerate(backoff(0.5, 8.0), 1):
        try:
            with opened(url) as response:
                return response.read(CHUNK).decode()
        except Unavailable:
            if attempt == TRIES:
                raise
        time.sleep(pause)
    raise AssertionError


def download(url: str, target: Path, sha256: str, headers: Mapping[str, str] | None = None) -> None:
    """Fetch `url` into `target` where that is not there yet with this checksum; raises InvalidInput for another one."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise InvalidInput(f"no SHA-256 checksum is known for {url}")
    if target.is_file() and _digest(target) == sha256:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    for attempt, pause in enumerate(backoff(0.5, 8.0), 1):
        try:
            with opened(url, headers) as response, part.open("wb") as file:
                shutil.copyfileobj(response, file, CHUNK)
            break
        except Unavailable:
            if attempt == TRIES:
                raise
        time.sleep(pause)
    found = _digest(part)
    if found != sha256:
        part.unlink()
        raise InvalidInput(
            f"{url}: its checksum is {found}, expected {sha256}", "try again; if it stays so, do not use that source"
        )
    os.replace(part, target)


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()
