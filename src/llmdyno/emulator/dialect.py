"""What every API that the emulator speaks has in common. PURE.

A dialect reads a request's body into an :class:`Asked`, or refuses it with a :class:`Refused`; and its :class:`Answer`
turns the model's tokens into bytes. It knows nothing of sockets, times or the other dialects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

CONTEXT = 131_072
"""The most tokens of input and output together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for.

    `text` is the prompt. `thinking_tokens` come before the answer, within `max_tokens`. An answer of `own_tokens` ends
    by itself (a tool call); None leaves its length to the model. It also ends before the first of `stops` in its text.
    """

    stream: bool
    input_tokens: int
    max_tokens: int
    ignore_eos: bool = False
    text: str = ""
    temperature: float | None = None
    thinking_tokens: int = 0
    own_tokens: int | None = None
    stops: tuple[str, ...] = ()


class Refused(Exception):
    """A request that is refused before its answer begins: HTTP status, body, header lines."""

    def __init__(self, status: int, message: str, body: bytes, headers: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.body = body
        self.headers = list(headers)


class Ending(NamedTuple):
    """How an answer ends.

    `output_tokens`: how many it has. `finish_reason`: ``length`` or ``stop``. `latency_ms`, `first_byte_ms`: from its
    request to its last token and to its first one. `stopped_by`: the stop sequence that ended it (None: none did).
    """

    output_tokens: int
    finish_reason: str
    latency_ms: int
    first_byte_ms: int
    stopped_by: str | None = None


class Answer(Protocol):
    """The bytes of one answer: events of a stream, or one body at the end."""

    stream: bool
    media_type: str
    headers: list[str]

    def token(self, index: int, text: str) -> bytes:
        """The events of token `index` (from 0); nothing when the answer is not streamed."""

    def end(self, ending: Ending) -> bytes:
        """What follows the last token, or the whole body. `finish_reason` is ``length`` or ``stop``; `stopped_by` is
        the stop sequence that ended it, if one did."""

    def fault(self, kind: str) -> bytes:
        """The event that says in mid-stream that the answer failed; `kind` is one of faults.STREAM."""

    def refusal(self, kind: str) -> Refused:
        """The same failure as the answer of a request that asked for no stream."""

    def damaged(self) -> bytes:
        """An event that a careful client must reject; nothing when the answer is not streamed."""
