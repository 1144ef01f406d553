"""One request on its way: what was prepared, and the raw facts as they come in.

In: a prepared request. Out: lists that the connection appends to, one entry a socket read, and the
bytes of the body as the HTTP parser cut them. Nothing is decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.protocols.events import Failure

ATTEMPT_STRIDE = 10**12
"""What each further attempt adds to a request's number."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be written: its place in the plan and its bytes; `unsigned` instead of bytes, where the
    client has to sign it just before the send; and its `prompt`, for a client that makes the bytes itself."""

    request: int
    phase: str
    offset_ns: int | None
    input_tokens: int
    max_tokens: int
    wire: bytes
    unsigned: HttpRequest | None = None
    attempt: int = 0
    prompt: str = ""

    def again(self) -> Prepared:
        """The same request as another attempt, under a number of its own."""
        attempt = self.attempt + 1
        return replace(self, request=self.request + ATTEMPT_STRIDE, attempt=attempt)

    @property
    def size(self) -> int:
        """How much memory its bytes take."""
        return len(self.prompt) + (len(self.wire) if self.unsigned is None else len(self.unsigned.body))


class Exchange:
    """The raw facts of one request. `planned_ns` is the moment that it was to be sent at, in an open loop.

    `reads` and `stamps`: a moment and a kernel stamp a socket read. `pieces`: the body, in the parser's
    pieces. `marks`: how many pieces there were after each read. `chunks`: a client library's own chunk objects, one a
    read, in the place of pieces.
    """

    __slots__ = (
        "cancelled",
        "chunks",
        "connect_start_ns",
        "connected_ns",
        "end_ns",
        "failure",
        "headers",
        "marks",
        "pieces",
        "planned_ns",
        "prepared",
        "reads",
        "reconnects",
        "reused",
        "sent_ns",
        "sign_ns",
        "stamps",
        "status",
        "tls_ns",
        "user",
    )

    def __init__(self, prepared: Prepared, user: int) -> None:
        self.prepared = prepared
        self.user = user
        self.planned_ns: int | None = None
        self.connect_start_ns: int | None = None
        self.connected_ns: int | None = None
        self.tls_ns: int | None = None
        self.sent_ns: int | None = None
        self.sign_ns: int | None = None
        self.end_ns: int | None = None
        self.reused = False
        self.reconnects = 0
        self.cancelled = False
        self.failure: Failure | None = None
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.reads: list[int] = []
        self.stamps: list[bytes] = []
        self.marks: list[int] = []
        self.pieces: list[bytes] = []
        self.chunks: list[Any] = []
