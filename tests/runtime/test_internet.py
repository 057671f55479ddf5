"""The way out, to an internet of one host: a network namespace with a name server and a web server in it."""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pileus.runtime import internet
from runtime_harness import Harness

OUTSIDE, NEAR = "203.0.113.2", "203.0.113.1"
SERVERS = f"""
import http.server, socket, struct, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"outside")
threading.Thread(target=http.server.HTTPServer(("{OUTSIDE}", 8080), Handler).serve_forever, daemon=True).start()
names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
names.bind(("{OUTSIDE}", 53))
print("ready", flush=True)
while True:
    question, asker = names.recvfrom(4096)
    end = question.index(b"\\0", 12) + 5
    if question[end - 4:end - 2] == b"\\0\\1":
        answer = b"\\xc0\\x0c\\0\\1\\0\\1" + struct.pack("!IH", 60, 4) + socket.inet_aton("{OUTSIDE}")
        head = question[:2] + b"\\x81\\x80\\0\\1\\0\\1\\0\\0\\0\\0"
    else:
        answer, head = b"", question[:2] + b"\\x81\\x80\\0\\1\\0\\0\\0\\0\\0\\0"
    names.sendto(head + question[12:end] + answer, asker)
"""
VISITOR = """
import socket, urllib.request
def reach(address, port):
    with socket.socket() as one:
        one.settimeout(2)
        return one.connect_ex((address, port))
def handler(event, context):
    page = urllib.request.urlopen("http://service.example:8080/", timeout=5).read().decode()
    return {"page": page, "near": [reach(address, 22) for address in event]}
"""


@pytest.fixture
def outside() -> Iterator[None]:
    if os.getuid() or not shutil.which("ip") or not internet.program():
        pytest.skip("needs root, ip and pasta")
    name = f"pileus-{os.getpid()}"
    near, far = f"pn{os.getpid()}"[-15:], f"pf{os.getpid()}"[-15:]

    def run(*words: str) -> None:
        subprocess.run(words, check=True, timeout=10)

    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
        run("ip", "address", "add", f"{NEAR}/30", "dev", near)
        run("ip", "link", "set", near, "up")
        run("ip", "-n", name, "address", "add", f"{OUTSIDE}/30", "dev", far)
        run("ip", "-n", name, "link", "set", far, "up")
        command = ["ip", "netns", "exec", name, sys.executable, "-c", textwrap.dedent(SERVERS)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as servers:
            assert servers.stdout and servers.stdout.readline() == "ready\n"
            yield
            servers.kill()
    finally:
        subprocess.run(["ip", "link", "delete", near], check=False, timeout=10)
        run("ip", "netns", "delete", name)


def test_functions_reach_the_internet_and_not_this_machine(
    isolated: Harness, outside: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(internet, "resolvers", lambda: [OUTSIDE])
    usual, isolated.runtime = isolated.runtime, isolated.open(tmp_path / "state")
    try:
        assert isolated.run(isolated.runtime.isolation())["outbound"] == "as from Lambda without a VPC"
        function = isolated.function(VISITOR, timeout_s=20)
        outcome = isolated.invoke(function, [NEAR, "10.1.2.3", "192.168.1.1", "172.17.0.1", "169.254.169.254"])
        answer = json.loads(outcome.payload)
        assert answer["page"] == "outside"
        assert set(answer["near"]) <= {101, 113}  # network or host unreachable
        ways_out = [
            os.dup(sandbox.way_out)
            for launcher in isolated.runtime._launchers.values()
            for sandbox in launcher.all
            if sandbox.way_out >= 0
        ]
        assert len(ways_out) == 1
        isolated.run(isolated.runtime.close())
        assert select.select(ways_out, [], [], 10)[0] == ways_out  # its process has ended
        os.close(ways_out[0])
    finally:
        isolated.runtime = usual


def test_a_name_that_nobody_knows(isolated: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(internet, "resolvers", list)
    source = """
import socket
def handler(event, context):
    try:
        socket.getaddrinfo("a.example", 80)
    except OSError as error:
        return type(error).__name__
"""
    assert isolated.call(source, timeout_s=30) == "gaierror"
