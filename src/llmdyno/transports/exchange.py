"""One request on its way: what was prepared, and the raw facts as they come in.

In: a prepared request. Out: lists that the transport appends to, one entry a socket read, and the bytes of the body
as the HTTP parser cut them. Nothing is decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.protocols.events import Failure
from llmdyno.workload.session import Messages, Session, Turn

ATTEMPT_STRIDE = 10**12
"""What each further attempt adds to a request's number."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A turn as a transport sends it: `wire`, the whole HTTP message; or `unsigned`, a request that is signed just
    before its send; or `messages`, for a client library that makes the bytes itself."""

    wire: bytes = field(default=b"", repr=False)  # it holds the key
    unsigned: HttpRequest | None = None
    messages: Messages = ()

    @property
    def size(self) -> int:
        """How many bytes of memory it takes, roughly."""
        size = len(self.wire) if self.unsigned is None else len(self.unsigned.body)
        return size + sum(len(message.content) for message in self.messages)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to send: its number, phase and lengths from the plan, and its payload.

    `offset_ns`: its planned instant after the start of its phase (None in a closed loop). `attempt`: 0, or the number
    of the retry. `session`: what it belongs to. `think_ns`: how long its user waits before sending it.
    """

    request: int
    phase: str
    offset_ns: int | None
    input_tokens: int
    max_tokens: int
    payload: Payload
    attempt: int = 0
    session: Session | None = None
    think_ns: int = 0

    @classmethod
    def of(cls, turn: Turn, payload: Payload, session: Session | None = None) -> Prepared:
        """A turn with its payload."""
        offset_ns = session.offset_ns if session is not None else None
        return cls(
            turn.number,
            turn.phase,
            offset_ns,
            turn.input_tokens,
            turn.max_tokens,
            payload,
            session=session,
            think_ns=turn.think_ns,
        )

    def again(self) -> Prepared:
        """The same request as another attempt, under a number of its own."""
        return replace(self, request=self.request + ATTEMPT_STRIDE, attempt=self.attempt + 1)


class Exchange:
    """The raw facts of one request. `planned_ns` is the instant at which it is due, in an open loop.

    `reads` and `stamps`: a time and a kernel stamp for each socket read. `pieces`: the body, in the parser's pieces.
    `marks`: how many pieces there were after each read. `chunks`: a client library's own chunk objects instead of
    pieces, one for each read.
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
