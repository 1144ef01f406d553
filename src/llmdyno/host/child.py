"""Programs of ours beside a run, each in a process of its own that ends with it whatever happens.

In: arguments of the interpreter. Out: lines of JSON. A child leaves when its standard input closes, which the kernel
sees to even when this process is killed; and it has a session of its own, so that a Ctrl-C meant for the run does not
cut it off.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from llmdyno.errors import InputError

_PATIENCE_S = 5.0


class Child:
    """A program of ours in a process of its own: a context, started on creation, so that it comes up while the caller
    prepares; ended on exit. `arguments` are the interpreter's; `quiet` keeps its standard error from the user's."""

    def __init__(self, arguments: Sequence[str], *, quiet: bool = False) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None,
            start_new_session=True,
        )

    def ready(self) -> dict[str, Any]:
        """Wait until it says its facts, in one line of JSON; they.

        Raises:
            InputError: it ended instead, with its own words on standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InputError("embedded emulator", f"ended with {self._process.wait()}", "see its message above")
        return dict(json.loads(line))

    def lines(self) -> Iterator[bytes]:
        """The lines that it writes, as they come, until it ends."""
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
