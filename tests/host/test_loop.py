"""The event loop: uvloop's where it is installed, asyncio's own elsewhere."""

from __future__ import annotations

import asyncio
import sys

import pytest
import uvloop

from llmdyno.host.loop import loop_factory


def test_uvloop_where_it_is_installed() -> None:
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert isinstance(runner.get_loop(), uvloop.Loop)


def test_asyncios_own_where_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is None
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        assert isinstance(runner.get_loop(), asyncio.SelectorEventLoop)
