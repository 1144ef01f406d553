"""Watches ModelCopy during a run, in a process of its own, so that watching costs the measuring process nothing.

In: a model, a region, a profile, an endpoint URL, as arguments. Out: a line of JSON with each new datapoint, until
standard input closes. A reading that fails is left out: the run reads everything again at its end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType

from llmdyno.aws.clients import Aws
from llmdyno.errors import InputError
from llmdyno.host.child import Child
from llmdyno.services.bedrock_import.cloudwatch import COPIES, read
from llmdyno.transports.label import ask

_EVERY_S, _EVERY_EMULATED_S, _BACK_S = 15.0, 1.0, 600.0


class CopiesWatch(Child):
    """A context in which `on_copies` hears, from a thread, how many copies CloudWatch counts."""

    def __init__(
        self,
        model: str,
        region: str | None,
        profile: str | None,
        endpoint_url: str | None,
        on_copies: Callable[[int], None],
    ) -> None:
        line = ["-m", "llmdyno.services.bedrock_import.watch", model, region or "", profile or "", endpoint_url or ""]
        super().__init__(line, quiet=True)
        threading.Thread(target=self._listen, args=(on_copies,), daemon=True).start()

    def _listen(self, on_copies: Callable[[int], None]) -> None:
        for line in self.lines():
            on_copies(int(json.loads(line)["copies"]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()  # it may still be starting, and it has nothing to clean up
        super().__exit__(kind, error, trace)


def new_points(attempts: Iterator[list[list[float]]]) -> Iterator[list[float]]:
    """The last [minute (unix s), copies] of each reading that differs from the one before."""
    before: list[float] = []
    for points in attempts:
        if points and points[-1] != before:
            before = points[-1]
            yield before


def main(model: str, region: str, profile: str, endpoint_url: str) -> None:
    """Watch until standard input closes."""
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    aws = Aws(region or None, profile or None, endpoint_url or None, connect_timeout_s=3.0, attempts=1)
    for minute_s, copies in new_points(_readings(aws, model)):
        print(json.dumps({"unix_s": minute_s, "copies": copies}), flush=True)


def _readings(aws: Aws, model: str) -> Iterator[list[list[float]]]:
    """ModelCopy's last minutes, again and again; empty if they cannot be read."""
    emulated = ask(str(aws.client("cloudwatch").meta.endpoint_url).rstrip("/"))
    while True:
        now_s = emulated.now(time.time()) if emulated is not None else time.time()
        try:
            yield read(aws, model, now_s - _BACK_S, now_s).points(COPIES, "Maximum")
        except InputError:
            yield []
        time.sleep(_EVERY_S if emulated is None else _EVERY_EMULATED_S)


if __name__ == "__main__":
    main(*sys.argv[1:])
