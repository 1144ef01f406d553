"""One request in flight: what was prepared, and the raw facts as they arrive.

In: a prepared request. Out: lists that the transport appends to, with one entry for each socket read, and the body in
the pieces that the HTTP parser gave. Nothing is decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

from llmdyno.protocols.dialect import HttpRequest
from llmdyno.protocols.events import MALFORMED_EVENT, Failure
from llmdyno.spec.masking import Masker
from llmdyno.transports.encoding import decode_pieces
from llmdyno.workload.session import Messages, Session, Turn

ATTEMPT_STRIDE = 10**12
"""Each further attempt adds this to the request's number."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A turn in the form that a transport sends.

    `wire`: the whole HTTP message. `unsigned`: a request that is signed just before its send. `messages`: for a client
    library that makes the bytes itself.
    """

    wire: bytes = field(default=b"", repr=False)  # it holds the key
    unsigned: HttpRequest | None = None
    messages: Messages = ()

    @property
    def size(self) -> int:
        """The approximate memory that the payload uses, in bytes."""
        size = len(self.wire) if self.unsigned is None else len(self.unsigned.body)
        return size + sum(len(message.content) for message in self.messages)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to send.

    `request`: its number. `offset_ns`: when it is due, after the start of its phase (None in a closed loop). `payload`:
    what is sent. `attempt`: 0, or the number of the retry. `session`: the session that it belongs to. `think_ns`: how
    long its user waits before sending it.
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
        """Combine a turn with its payload."""
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
        """The same request as its next attempt, with a new number."""
        return replace(self, request=self.request + ATTEMPT_STRIDE, attempt=self.attempt + 1)


class Exchange:
    """The raw facts of one request. Times are nanoseconds of the monotonic clock; None: it did not happen.

    `planned_ns`: when the request was due, in an open loop. `connect_start_ns`, `connected_ns` and `tls_ns`: connecting
    began, the TCP connection was open, the TLS handshake was done. `sent_ns`: just before the first byte was written.
    `sign_ns`: how long signing took. `end_ns`: the last byte, or the failure. `reads` and `stamps`: the time and the
    kernel's stamp of each socket read. `pieces`: the body, in the parser's pieces. `marks`: the number of pieces after
    each read. `chunks`: the chunk objects of a client library, one for each read; the body has no pieces then.
    `resends`, `first_sent_ns` and `resend_reason`: how often the request was written again because its connection was
    dead, when it was written first, and why it was written again the last time. `redirects`: how often it followed a
    redirect. `advice`: what helps against one that was not followed. `concealed`: secrets in what the server said are
    masked.
    """

    __slots__ = (
        "_received",
        "advice",
        "cancelled",
        "chunks",
        "concealed",
        "connect_start_ns",
        "connected_ns",
        "end_ns",
        "failure",
        "first_sent_ns",
        "headers",
        "marks",
        "pieces",
        "planned_ns",
        "prepared",
        "reads",
        "reconnects",
        "redirects",
        "resend_reason",
        "resends",
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
        self.resends = 0
        self.redirects = 0
        self.advice: str | None = None
        self.first_sent_ns: int | None = None
        self.resend_reason: str | None = None
        self.cancelled = False
        self.failure: Failure | None = None
        self.status: int | None = None
        self.headers: dict[bytes, bytes] = {}
        self.reads: list[int] = []
        self.stamps: list[bytes] = []
        self.marks: list[int] = []
        self.pieces: list[bytes] = []
        self.chunks: list[Any] = []
        self.concealed = False
        self._received: int | None = None

    def begin_again(self, reason: str, *, resent: bool = False, moved: bool = False) -> None:
        """Forget the answer, because the request is written again for this reason.

        Args:
            reason: why, for the record.
            resent: the same bytes, because the connection was dead. If not, the server asked for other bytes.
            moved: to another path.
        """
        self.resends += resent
        self.redirects += moved
        self.first_sent_ns = self.first_sent_ns or self.sent_ns
        self.resend_reason = reason
        self.status = self.end_ns = None
        self.headers = {}
        self.reads, self.stamps, self.marks, self.pieces = [], [], [], []

    def advise(self, text: str) -> None:
        """Note what helps against a redirect that is not followed."""
        self.advice = text

    @property
    def body_bytes(self) -> int:
        """The size of the body as it was received, compressed or not."""
        return sum(map(len, self.pieces)) if self._received is None else self._received

    def conceal(self, mask: Masker) -> None:
        """Mask secrets in all that the server said, before anything is read from it or cut. Call it after the end.

        Pieces and headers keep their sizes.
        """
        self.uncompress()
        self.concealed = True
        body = b"".join(self.pieces)
        masked = mask.data(body)
        if masked != body:
            ends = list(accumulate(map(len, self.pieces), initial=0))
            self.pieces = [masked[start:end] for start, end in pairwise(ends)]
        self.headers = {name: mask.data(value) for name, value in self.headers.items()}
        if self.failure is not None:
            kind, code, message, name = self.failure
            self.failure = Failure(kind, code, mask.text(message), name and mask.text(name))

    def uncompress(self) -> None:
        """Decode a body that the server compressed. What cannot be decoded is a failure. Call it after the end."""
        encoding = self.headers.pop(b"content-encoding", b"")
        if encoding:
            self._received = self.body_bytes
            self.pieces, problem = decode_pieces(encoding, self.pieces)
            if problem is not None and self.failure is None:
                self.failure = Failure(MALFORMED_EVENT, None, problem)
