"""Watches ModelCopy while a run goes on: a process of its own, so that what it does costs the measuring one nothing.

In: a model, a region, a profile, an endpoint URL, as arguments. Out: a line of JSON with each new datapoint, until
standard input closes. What it cannot read it leaves out: the run reads everything again at its end.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType

from llmdyno.aws.clients import Aws
from llmdyno.errors import InputError
from llmdyno.host.child import Child
from llmdyno.services.bedrock_import.cloudwatch import COPIES, read
from llmdyno.transports.label import ask

_EVERY_S, _BACK_S = 15.0, 600.0


class CopiesWatch(Child):
    """A context in which `on_copies` hears how many copies there are, from a thread, as CloudWatch says it."""

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
        self._process.kill()  # it may still be starting, and has nothing to put in order
        super().__exit__(kind, error, trace)


def main(model: str, region: str, profile: str, endpoint_url: str) -> None:
    """Watch, until standard input closes."""
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    aws = Aws(region or None, profile or None, endpoint_url or None, connect_timeout_s=3.0, attempts=1)
    url = str(aws.client("cloudwatch").meta.endpoint_url).rstrip("/")
    emulated = ask(url)
    before: list[float] = []
    while True:
        now_s = emulated.now(time.time()) if emulated is not None else time.time()
        try:
            found = read(aws, model, now_s - _BACK_S, now_s).points(COPIES, "Maximum")
        except InputError:
            found = []
        if found and found[-1] != before:
            before = found[-1]
            print(json.dumps({"unix_s": before[0], "copies": before[1]}), flush=True)
        time.sleep(_EVERY_S if emulated is None else 1.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
