"""Shared parts of the tests: a server that answers byte for byte as told, timelines made by hand."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from llmdyno.timeline.columns import Timeline, from_records
from llmdyno.timeline.record import RequestRecord

AWS_KEYS = {
    "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "y",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
"""An environment with credentials of AWS's, and with nothing of this machine's own configuration."""
GOLDEN = Path(__file__).parent / "golden"
SECOND = 1_000_000_000
Action = bytes | float | str
"""What a scripted server does: send bytes, wait seconds, "close", "reset"."""

MODELS = b'{"object":"list","data":[{"id":"m","object":"model"}]}'


def response(body: bytes, status: str = "200 OK", media_type: str = "application/json", more: str = "") -> bytes:
    """A whole HTTP answer with a length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


def stream_head(media_type: str = "text/event-stream") -> bytes:
    """The head of a chunked answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunk(data: bytes) -> bytes:
    """One HTTP chunk; an empty one ends the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def event(content: str) -> bytes:
    """A chat event with some content, as an HTTP chunk."""
    return chunk(b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n' % content.encode())


FINISH = chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"length"}]}\n\n')
ENDING = (
    FINISH
    + chunk(b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}\n\n')
    + chunk(b"data: [DONE]\n\n")
    + chunk(b"")
)


ANTHROPIC_START = {
    "type": "message_start",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "content": [],
        "model": "claude-x",
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 25, "output_tokens": 1},
    },
}
"""The first event of Anthropic's documented streaming example."""


@dataclass
class ScriptedServer:
    """Answers the nth POST with the nth script (the last one from then on), and GET /v1/models with a list.

    `requests` are the POSTs it got, whole; `asked` are the request lines of all requests, GETs too; `gets` are the
    GETs, whole. `unix`: listen on a Unix socket at this path, and not on a port.
    """

    scripts: list[list[Action]]
    models: bytes | None = None
    wrap: Callable[[socket.socket], socket.socket] | None = None
    unix: str | None = None
    requests: list[bytes] = field(default_factory=list)
    asked: list[bytes] = field(default_factory=list)
    gets: list[bytes] = field(default_factory=list)
    accepted: int = 0

    def __post_init__(self) -> None:
        self._served = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._sockets: list[socket.socket] = []
        if self.unix is None:
            self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
            self.port = self._listener.getsockname()[1]
            self.url = f"http://127.0.0.1:{self.port}/v1"
        else:
            self._listener = socket.socket(socket.AF_UNIX)
            self._listener.bind(self.unix)
            self._listener.listen(512)
            self.port, self.url = 0, "http://localhost/v1"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._stopped = True
        self._listener.close()
        for sock in self._sockets:
            sock.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._sockets.append(sock)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        if self.unix is None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self.wrap is not None:
                sock = self.wrap(sock)
                self._sockets.append(sock)
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    more = sock.recv(65536)
                    if not more:
                        sock.close()
                        return
                    data += more
                head, _, data = data.partition(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.split(b"\r\n")
                        if line.lower().startswith(b"content-length")
                    ),
                    0,
                )
                while len(data) < length:
                    data += sock.recv(65536)
                body, data = data[:length], data[length:]
                if not self._answer(sock, head, body):
                    return
        except OSError:
            sock.close()

    def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
        self.asked.append(head.partition(b"\r\n")[0])
        if head.startswith(b"GET"):
            self.gets.append(head)
            sock.sendall(self.models or response(MODELS))
            return True
        with self._lock:
            script = self.scripts[min(self._served, len(self.scripts) - 1)]
            self._served += 1
            self.requests.append(head + b"\r\n\r\n" + body)
        for action in script:
            if isinstance(action, bytes):
                sock.sendall(action)
            elif isinstance(action, float):
                time.sleep(action)
            else:
                if action == "reset":
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    sock.shutdown(socket.SHUT_RDWR)
                sock.close()
                return False
        return True


def make_record(request: int, sent_s: float, chunks: list[tuple[float, int, int]], **facts: object) -> RequestRecord:
    """A record of a request sent at `sent_s` with chunks (arrival s, kind, characters); it ends with its last chunk."""
    arrivals = [round(at * SECOND) for at, _, _ in chunks]
    values: dict[str, object] = {
        "phase": "measured",
        "user": 0,
        "sent_ns": round(sent_s * SECOND),
        "headers_ns": arrivals[0] if arrivals else None,
        "end_ns": arrivals[-1] if arrivals else round(sent_s * SECOND) + 1,
        "clock": "kernel",
        "http_status": 200,
        "input_tokens": 10,
        "max_tokens": 100,
        "arrivals": array("q", arrivals).tobytes(),
        "reads": array("q", arrivals).tobytes(),
        "kinds": array("b", [kind for _, kind, _ in chunks]).tobytes(),
        "sizes": array("i", [size for _, _, size in chunks]).tobytes(),
        **facts,
    }
    return RequestRecord(request=request, **values)  # type: ignore[arg-type]


def make_timeline(*records: RequestRecord) -> Timeline:
    """A timeline whose origin is 0."""
    return from_records(records, 0)


def command(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run llmdyno to its end."""
    return subprocess.run(
        [sys.executable, "-m", "llmdyno", *arguments],
        cwd=cwd,
        env=clean_environ(**environ),
        stdin=subprocess.DEVNULL,  # nobody is there to be asked
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def clean_environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AWS_"))}
    return {**kept, "COLUMNS": "100", "PYTHONWARNINGS": "error", **more}
