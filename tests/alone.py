"""Tests that measure time run alone, also where two processes share the tests (pytest -n 2).

A test takes a lock of the machine: shared, or the whole of it if it is marked ``alone``. Whoever waits for the lock
holds a gate that nobody passes, so that a test that wants to be alone does not wait for ever.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def place(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the lock of a folder, which the processes share."""
    with (folder / "gate.lock").open("w") as gate, (folder / "room.lock").open("w") as room:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Hold the lock around a test with its fixtures, if there are several processes."""
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    shared = Path(item.config.getoption("basetemp")).parent
    with place(shared, alone=item.get_closest_marker("alone") is not None):
        return (yield)
