"""``llmdyno serve`` as a process: its limit of open files, its end."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from tests.emulator.serving import CHAT, PATIENCE_S, read, request
from tests.support import clean_environ

STREAM = {**CHAT, "max_tokens": 100_000, "stream": True, "ignore_eos": True}


LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
WITHOUT_A_COUNT = """
import asyncio, sys
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.emulator.server import Emulator

async def main():
    emulator = Emulator(PROFILES[DEFAULT_PROFILE], speed=1, seed=0, tell=lambda line: print(line, file=sys.stderr))
    await emulator.start("127.0.0.1", 0)
    print("OpenAI", emulator.url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
"""An emulator that does not know its limit, and so meets it when it accepts."""


@contextlib.contextmanager
def process(*line: str, files: tuple[int, int] | None = None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process of Python that prints the URL for OpenAI clients, and its port; `files` are its limits."""
    limited = () if files is None else ("-c", LIMITED, *map(str, files))
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, *limited, *line], stdout=pipe, stderr=pipe, text=True, env=clean_environ()
    ) as child:
        try:
            assert child.stdout is not None
            while "OpenAI" not in (shown := child.stdout.readline()):
                assert child.poll() is None
            yield child, int(shown.split(":")[-1].split("/")[0])
        finally:
            child.kill()


SERVE = ("-m", "llmdyno", "serve", "--port", "0", "--no-aws-services")


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def cpu_s(child: subprocess.Popen[str]) -> float:
    with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
@pytest.mark.parametrize("line", [SERVE, ("-c", WITHOUT_A_COUNT)])
def test_at_its_limit_of_files_it_says_so_serves_on_and_does_not_spin(line: tuple[str, ...]) -> None:
    with process(*line, files=(64, 64)) as (child, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(80)]
        for client in clients:
            client.sendall(request("GET", "/health"))
            client.settimeout(0.5)
        served = [client for client in clients[:32] if read(client).status == 200]
        before_s = cpu_s(child)
        with pytest.raises(TimeoutError):
            clients[79].recv(1)
        served[0].sendall(request("GET", "/health"))  # one that is connected is still served
        assert read(served[0]).status == 200
        assert cpu_s(child) - before_s < 0.1
        for client in clients[:64]:
            client.close()
        clients[79].settimeout(PATIENCE_S)
        assert read(clients[79]).status == 200
        child.terminate()
        _, errors = child.communicate(timeout=PATIENCE_S)
    assert errors.count("\n") == 1
    assert "at the limit of open files with " in errors
    assert errors.endswith(
        " connections: further clients wait until one closes; raise the hard limit (ulimit -Hn) to serve more\n"
    )


def test_too_few_files_for_a_server() -> None:
    line = [sys.executable, "-c", LIMITED, "24", "24", *SERVE]
    result = subprocess.run(line, capture_output=True, text=True, env=clean_environ(), timeout=PATIENCE_S, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "llmdyno: open files: this process may open 24 files, which is too few for a server; "
        "raise the hard limit (ulimit -Hn) to 32 or more\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="epoll")
def test_the_null_server_waits_at_its_limit_too() -> None:
    limited = (sys.executable, "-c", LIMITED, "32", "32", "-m", "llmdyno.emulator.null")
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(limited, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as child,
        contextlib.ExitStack() as stack,
    ):
        assert child.stdout is not None
        port = int(json.loads(child.stdout.readline())["root"].rpartition(":")[2])
        clients = [stack.enter_context(connect(port)) for _ in range(40)]
        for client in clients:
            client.sendall(request("GET", "/v1/models"))
        assert read(clients[0]).status == 200
        for client in clients[:20]:
            client.close()
        assert read(clients[39]).status == 200
        _, errors = child.communicate(timeout=PATIENCE_S)  # its standard input closes
        assert errors.startswith("llmdyno null server: at the limit of open files with ")
        assert errors.count("\n") == 1


def test_it_raises_its_own_limit_of_files() -> None:
    with process(*SERVE, files=(64, 200)) as (_, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(120)]
        for client in clients:
            client.sendall(request("GET", "/health"))
        assert {read(client).status for client in clients} == {200}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_a_second_with_streams_open(number: signal.Signals) -> None:
    with process(*SERVE, "--speed", "10") as (child, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(50)]
        for client in clients:
            client.sendall(request("POST", "/v1/chat/completions", json.dumps(STREAM).encode()))
        clients[0].recv(1000)
        clients[1].sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        began_s = time.monotonic()
        child.send_signal(number)
        _, errors = child.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - began_s < 1
        assert (child.returncode, errors) == (0, "")
