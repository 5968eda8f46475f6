"""Requests through the virtual IP, and connections that stay open meanwhile."""

from __future__ import annotations

import subprocess
import sys

from tests.netns.hosts import Host, wait_for

SERVER = """
import socket, socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(sys.argv[1].encode() + b"\\n")
class Server(socketserver.ThreadingTCPServer):
    address_family = socket.AF_INET6
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
Server(("::", 6443), Handler).serve_forever()
"""

# Prints what became of open connections and of single requests, when told to stop (standard input is closed).
CLIENT = """
import json, select, socket, sys, time
address = (sys.argv[1], 6443)
def connect():
    one = socket.create_connection(address, 5)
    one.settimeout(5)
    return one
def ask(one):
    one.sendall(b"?\\n")
    answer = one.recv(100)
    if not answer:
        raise OSError("closed")
    return answer.decode().strip()
watches = [connect() for _ in range(20)]
before = [ask(one) for one in watches]
print("ready", flush=True)
requests, errors, worst = {}, [], 0.0
turn = 0
while not select.select([sys.stdin], [], [], 0.005)[0]:
    begun = time.monotonic()
    try:
        with connect() as one:
            who = ask(one)
        requests[who] = requests.get(who, 0) + 1
    except OSError as error:
        errors.append(f"request: {error}")
    turn += 1
    try:
        ask(watches[turn % len(watches)])
    except OSError as error:
        errors.append(f"watch: {error}")
    worst = max(worst, time.monotonic() - begun)
after = []
for one in watches:
    try:
        after.append(ask(one))
    except OSError as error:
        after.append(str(error))
print(json.dumps({"before": before, "after": after, "requests": requests, "errors": errors, "worst": worst}))
"""


def traffic(client: Host, vip: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        ["ip", "netns", "exec", client.namespace, sys.executable, "-c", CLIENT, vip],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def serve(host: Host) -> None:
    process = host.process
    host.server = host.spawn(sys.executable, "-c", SERVER, str(host.number))
    host.process = process
    wait_for(lambda: ":6443" in host.inside("ss", "-ltn"), "the server listens")
