"""A client that writes through the virtual IP and remembers what was acknowledged: what must be there afterwards."""

from __future__ import annotations

import http.client
import json
import ssl
import tempfile
import threading
import time
from base64 import b64decode
from pathlib import Path

from tests.cluster.operator import ADMIN, Operator
from tests.lab.shell import LabError

PREFIX = "witness-"
COLLECTION = "/api/v1/namespaces/default/configmaps"


class Writer:
    """Creates ConfigMaps one after another until stopped; `acknowledged` are the names that were answered with 201.

    A request that is not answered within `timeout` seconds may or may not have been carried out: it counts as neither.
    """

    def __init__(self, operator: Operator, interval: float = 0.05, timeout: float = 2.0) -> None:
        self._address, self._interval, self._timeout = operator.vip, interval, timeout
        self._context = _credentials(operator)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._run = f"{time.time_ns():x}"
        self.acknowledged: list[str] = []
        self.failures = 0

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(self._timeout + 10)

    def _write(self) -> None:
        number = 0
        while not self._stop.is_set():
            name = f"{PREFIX}{self._run}-{number}"
            number += 1
            if self._created(name):
                self.acknowledged.append(name)
            else:
                self.failures += 1
            self._stop.wait(self._interval)

    def _created(self, name: str) -> bool:
        connection = http.client.HTTPSConnection(self._address, 6443, timeout=self._timeout, context=self._context)
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
        try:
            connection.request("POST", COLLECTION, body, {"Content-Type": "application/json"})
            return connection.getresponse().status == http.client.CREATED
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def check(operator: Operator, writer: Writer) -> None:
    """Everything acknowledged is there; raises LabError naming what is lost. Takes the witnesses away."""
    found = {item["metadata"]["name"] for item in operator.get("configmaps")["items"]}
    lost = [name for name in writer.acknowledged if name not in found]
    if lost:
        raise LabError(f"{len(lost)} of {len(writer.acknowledged)} acknowledged writes are lost, first {lost[0]}")
    for name in sorted(each for each in found if each.startswith(PREFIX)):
        operator.kubectl("delete", "configmap", name, "--wait=false")


def _credentials(operator: Operator) -> ssl.SSLContext:
    """The administrator's certificate, from the first host's admin.conf."""
    config = json.loads(operator.first.run("kubectl", f"--kubeconfig={ADMIN}", "config", "view", "--raw", "-o", "json"))
    user = config["users"][0]["user"]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder) / "admin.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(b64decode(user["client-certificate-data"]) + b"\n" + b64decode(user["client-key-data"]))
        context.load_cert_chain(pair)
    return context
