"""``llmdyno serve`` as a process: its limit of open files, its end."""

from __future__ import annotations

import contextlib
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.emulator.serving import CHAT, PATIENCE_S, read, request
from tests.support import clean_environ

import json

STREAM = {**CHAT, "max_tokens": 100_000, "stream": True, "ignore_eos": True}


def limit_files(soft: int, hard: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def served(*flags: str, files: tuple[int, int] | None = None) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process and its port."""
    line = [sys.executable, "-m", "llmdyno", "serve", "--port", "0", "--no-aws-services", *flags]
    before: Any = None if files is None else lambda: limit_files(*files)
    pipe = subprocess.PIPE
    with subprocess.Popen(
        line, stdout=pipe, stderr=pipe, text=True, env=clean_environ(), preexec_fn=before
    ) as process:
        try:
            assert process.stdout is not None
            while "OpenAI" not in (shown := process.stdout.readline()):
                assert process.poll() is None
            yield process, int(shown.split(":")[-1].split("/")[0])
        finally:
            if process.poll() is None:
                process.kill()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def cpu_s(process: subprocess.Popen[str]) -> float:
    with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_at_its_limit_of_files_it_says_so_serves_on_and_does_not_spin() -> None:
    with served(files=(64, 64)) as (process, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(60)]
        for client in clients:
            client.sendall(request("GET", "/health"))
        answered = [client for client in clients[:32] if read(client).status == 200]
        assert len(answered) == 32
        clients[59].settimeout(0.2)
        before_s = cpu_s(process)
        with pytest.raises(TimeoutError):
            clients[59].recv(1)
        clients[0].sendall(request("GET", "/health"))  # one that is connected is still served
        assert read(clients[0]).status == 200
        assert cpu_s(process) - before_s < 0.1
        for client in answered:
            client.close()
        clients[59].settimeout(PATIENCE_S)
        assert read(clients[59]).status == 200
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert errors == (
        "llmdyno serve: at the limit of open files with 32 connections: further clients wait until one closes; "
        "raise the hard limit (ulimit -Hn) to serve more\n"
    )


def test_it_raises_its_own_limit_of_files() -> None:
    with served(files=(64, 200)) as (process, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(120)]
        for client in clients:
            client.sendall(request("GET", "/health"))
        assert {read(client).status for client in clients} == {200}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_within_a_second_with_streams_open(number: signal.Signals) -> None:
    with served("--speed", "10") as (process, port), contextlib.ExitStack() as stack:
        clients = [stack.enter_context(connect(port)) for _ in range(50)]
        for client in clients:
            client.sendall(request("POST", "/v1/chat/completions", json.dumps(STREAM).encode()))
        clients[0].recv(1000)
        clients[1].sendall(b"POST /v1/chat/completions HTTP/1.1\r\n")
        began_s = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
        assert time.monotonic() - began_s < 1
        assert (process.returncode, errors) == (0, "")
