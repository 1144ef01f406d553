"""Runs a program of ours in a child process that ends with its parent.

In: arguments for the interpreter. Out: lines of JSON. A child ends when its standard input closes, and the kernel
closes that even if the parent is killed. A child has its own session, so that Ctrl-C in the terminal does not reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from llmdyno.errors import InputError

_PATIENCE_S = 5.0
_STANDARD_INPUT = 0


def leave_with_parent() -> None:
    """End this process as soon as its standard input closes. Data that arrives before is dropped.

    The program of a :class:`Child` calls this first. The exit status is 0, and no `finally` or `atexit` runs.
    """
    threading.Thread(target=_wait_and_leave, name="leave with parent", daemon=True).start()


def _wait_and_leave() -> None:
    # Not sys.stdin: a waiting thread would hold its lock, and the interpreter would abort at exit.
    with contextlib.suppress(OSError):
        while os.read(_STANDARD_INPUT, 4096):
            pass
    os._exit(0)


class Child:
    """A program of ours in a child process, as a context manager.

    The process starts on creation, so that it starts up while the caller prepares. It ends when the context exits.

    Args:
        arguments: the arguments of the Python interpreter.
        quiet: hide the child's standard error.
    """

    def __init__(self, arguments: Sequence[str], *, quiet: bool = False) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            start_new_session=True,
        )

    def ready(self) -> dict[str, Any]:
        """Wait for the child's one line of JSON and return it.

        Raises:
            InputError: the child ended instead; its own message is on standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InputError("embedded emulator", f"ended with status {self._process.wait()}", "see its message above")
        return dict(json.loads(line))

    def lines(self) -> Iterator[bytes]:
        """The lines that the child writes, until it ends."""
        assert self._process.stdout is not None
        yield from self._process.stdout

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
