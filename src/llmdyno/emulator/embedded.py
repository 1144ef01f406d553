"""The emulator as a process of its own beside a run, ended with it whatever happens.

In: a profile, a speed, a seed, more flags of `serve`. Out: URLs that answer. The child leaves when its standard input
closes, which the kernel sees to even when this process is killed; and it has a session of its own, so
that a Ctrl-C meant for the run does not cut its connections.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from llmdyno.errors import InputError

_PATIENCE_S = 5.0


class Child:
    """A server of ours in a process of its own: a context, started on creation, so that it comes up while the caller
    prepares; ended on exit. `arguments` are the interpreter's; it says its facts in one line of JSON."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module, no shell
            [sys.executable, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def ready(self) -> dict[str, Any]:
        """Wait until it listens; its facts.

        Raises:
            InputError: it ended instead, with its own words on standard error.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise InputError("embedded emulator", f"ended with {self._process.wait()}", "see its message above")
        return dict(json.loads(line))

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


class EmbeddedEmulator(Child):
    """The emulator as such a process; its facts: `url` (for OpenAI clients), `root` (for AWS's); of the imported model
    its ARN (`model`), `region`, `units` a copy and `units_version`."""

    def __init__(self, profile: str, *, speed: float, seed: int, more: Sequence[str] = ()) -> None:
        line = ["-m", "llmdyno", "serve", "--port", "0", "--deployment", profile]
        super().__init__([*line, "--speed", repr(speed), "--seed", str(seed), "--embedded", *more])
