"""A server that keeps the truth, for benchmarks: started, asked, ended.

By default the project's own emulator. Better: a program in C that serves OpenAI streams and takes
``-p PORT -t TTFT_MS -i GAP_MS -j JITTER``, because it leaves the machine to the client; name its binary
with ``--truth-server`` or ``LLMDYNO_TRUTH_SERVER``. Both give ``/truth``: a JSON object a line for each request.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from types import TracebackType

TTFT_MS, GAP_MS, JITTER = 200, 20, 0.1


@dataclass(frozen=True)
class TrueRequest:
    """What the server saw of one request, ns of CLOCK_MONOTONIC."""

    number: int
    arrive_ns: int
    end_ns: int
    written_ns: list[int]


class TruthServer:
    """A context that serves at `url`; `name` says what it is."""

    def __init__(self, binary: str | None, *, ttft_ms: int = TTFT_MS, gap_ms: int = GAP_MS) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        self.port = port
        self.url = self.root + "/v1"
        if binary:
            self.name, self.model = "a server in C", "truth"
            command = [binary, "-p", str(port), "-t", str(ttft_ms), "-i", str(gap_ms), "-j", str(JITTER)]
        else:
            self.name, self.model = "llmdyno serve (Python)", "deepseek-r1-distill-llama-8b"
            command = [sys.executable, "-m", "llmdyno", "serve", "--port", str(port)]
        self._hexadecimal = not binary
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                self._ask("/v1/models")
                return
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def __enter__(self) -> TruthServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()

    def reset(self) -> None:
        """Forget every request."""
        self._ask("/reset", method="POST")

    def truth(self) -> dict[int, TrueRequest]:
        """What happened, by the request's number."""
        lines = self._ask("/truth").splitlines()
        seen = (json.loads(line) for line in lines)
        return {one["n"]: TrueRequest(one["n"], one["arrive"], one["end"], one["t"]) for one in seen}

    def number_of(self, response_id: str) -> int:
        """The number of the request that was answered under this id."""
        return int(response_id.rpartition("-")[2], 16 if self._hexadecimal else 10)

    def _ask(self, path: str, method: str = "GET") -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self.root + path, method=method)) as answer:
            return bytes(answer.read())
