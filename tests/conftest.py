"""Fixtures for all tests."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from tests.alone import pytest_runtest_protocol  # noqa: F401  a hook of pytest's
from tests.support import Action, ScriptedServer

from llmdyno.emulator.embedded import EmbeddedEmulator


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """Makes scripted servers and closes them."""
    servers: list[ScriptedServer] = []

    def make(*scripts: list[Action], **options: object) -> ScriptedServer:
        servers.append(ScriptedServer(list(scripts), **options))  # type: ignore[arg-type]
        return servers[-1]

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """The base URL of an emulator at 100 times real speed."""
    with EmbeddedEmulator("deepseek-r1-distill-llama-8b", speed=100.0, seed=5) as running:
        yield running.ready()["url"]


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
