"""A server that records true times, for benchmarks: it is started, asked and ended.

By default it is the project's own emulator. A program in C is better, because it leaves the CPU to the client. It must
serve OpenAI streams and take ``-p PORT -t TTFT_MS -i GAP_MS -j JITTER``. Name its binary by ``--truth-server`` or
``LLMDYNO_TRUTH_SERVER``. Both servers have ``/truth``: one line of JSON for each request.
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
ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/{}"
# One copy that is ready at once and refuses nothing: the benchmarks measure the client, not a cold start.
_READY = ["--cold-start", "0", "--hold", "--first-inference", "0", "--requests-per-copy", "100000"]


@dataclass(frozen=True)
class TrueRequest:
    """What the server saw of one request, ns of CLOCK_MONOTONIC."""

    number: int
    arrive_ns: int
    end_ns: int
    written_ns: list[int]


class TruthServer:
    """A context in which the server runs at `url`. `name` says which server it is, `arn` is its model on Bedrock."""

    def __init__(self, binary: str | None, *, ttft_ms: int = TTFT_MS, gap_ms: int = GAP_MS) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.root = f"http://127.0.0.1:{port}"
        self.port = port
        self.url = self.root + "/v1"
        if binary:
            self.name, self.model, self.arn = "a server in C", "truth", ARN.format("a1b2c3d4e5f6")
            command = [binary, "-p", str(port), "-t", str(ttft_ms), "-i", str(gap_ms), "-j", str(JITTER)]
        else:
            self.name, self.model = "llmdyno serve (Python)", "deepseek-r1-distill-llama-8b"
            self.arn = ARN.format("emulated0001")
            command = [sys.executable, "-m", "llmdyno", "serve", "--port", str(port), "--no-aws-services", *_READY]
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
        """Its record of each request, by number."""
        lines = self._ask("/truth").splitlines()
        seen = (json.loads(line) for line in lines)
        return {one["n"]: TrueRequest(one["n"], one["arrive"], one["end"], one["t"]) for one in seen}

    def number_of(self, response_id: str) -> int:
        """The number of the request whose response has this id."""
        return int(response_id.rpartition("-")[2], 16 if self._hexadecimal else 10)

    def _ask(self, path: str, method: str = "GET") -> bytes:
        with urllib.request.urlopen(urllib.request.Request(self.root + path, method=method)) as answer:
            return bytes(answer.read())
