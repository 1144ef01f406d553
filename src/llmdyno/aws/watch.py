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
import urllib.request
from collections.abc import Callable

from llmdyno.aws.clients import Aws
from llmdyno.aws.cloudwatch import COPIES, read
from llmdyno.child import Child
from llmdyno.errors import InputError

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
        line = ["-m", "llmdyno.aws.watch", model, region or "", profile or "", endpoint_url or ""]
        super().__init__(line, quiet=True)
        threading.Thread(target=self._listen, args=(on_copies,), daemon=True).start()

    def _listen(self, on_copies: Callable[[int], None]) -> None:
        for line in self.lines():
            on_copies(int(json.loads(line)["copies"]))


def emulated_now(url: str, now_s: float) -> float:
    """The service's own time: an emulator's, which says since when and how fast it runs, or else the wall clock's."""
    try:
        with urllib.request.urlopen(url + "/v1/models", timeout=2) as answer:  # noqa: S310  an endpoint of AWS's or ours
            said = str(answer.headers.get("X-LLMDyno-Emulated") or "")
        facts = dict(part.strip().partition("=")[::2] for part in said.split(";"))
        since_s = float(facts["since"])
        return since_s + (now_s - since_s) * float(facts["speed"])
    except (OSError, ValueError, KeyError):
        return now_s


def main(model: str, region: str, profile: str, endpoint_url: str) -> None:
    """Watch, until standard input closes."""
    threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
    aws = Aws(region or None, profile or None, endpoint_url or None, connect_timeout_s=3.0, attempts=1)
    url = str(aws.client("cloudwatch").meta.endpoint_url).rstrip("/")
    local = url.startswith(("http://127.", "http://localhost", "http://[::1]"))
    before: list[float] = []
    while True:
        now_s = emulated_now(url, time.time()) if local else time.time()
        try:
            found = read(aws, model, now_s - _BACK_S, now_s).points(COPIES, "Maximum")
        except InputError:
            found = []
        if found and found[-1] != before:
            before = found[-1]
            print(json.dumps({"unix_s": before[0], "copies": before[1]}), flush=True)
        time.sleep(_EVERY_S if not local else 1.0)


if __name__ == "__main__":
    main(*sys.argv[1:])
