"""One answer under way: from the model's tokens to bytes on the wire. PURE: it is told the time.

In: what was asked, the tokens as the model says they are due. Out: bytes to a :class:`Wire`, and the truth about them.
A fault happens here, at half the tokens. It knows no sockets and no API: an :class:`~llmdyno.emulator.dialect.Answer`
knows how each token looks.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from llmdyno.emulator import answers, http
from llmdyno.emulator.dialect import Answer, Asked, Ending
from llmdyno.emulator.faults import CRC, CUT, STALL
from llmdyno.emulator.truth import Truth

LEFT = -1
"""The status of a request whose client left."""


class Wire(Protocol):
    """Where an answer goes. `chunked`: its client reads chunked bodies; the body of any other one ends with the
    connection. `headers` are lines that every answer on it needs."""

    chunked: bool
    headers: list[str]

    def send(self, data: bytes) -> None:
        """Send bytes, after all that were sent before."""

    def finished(self) -> None:
        """The answer is over: the next request may be handled."""

    def drop(self) -> None:
        """Close the connection now."""


class Host(Protocol):
    """What an answer asks of the server."""

    label: str

    def now_ns(self) -> int:
        """The monotonic clock."""

    def leave(self, stream: int) -> None:
        """Make no more tokens for a stream of the model."""


class Script(NamedTuple):
    """The text of an answer: `known` words if there are any, else words of the vocabulary from `offset` on. Before
    either come `thinking` words of the vocabulary. `stopped_by` is the stop sequence that ends it, if one does."""

    vocabulary: Sequence[str]
    offset: int
    known: Sequence[str] | None = None
    thinking: int = 0
    stopped_by: str | None = None

    def text(self, index: int) -> str:
        """Token `index`, from 0."""
        at = index - self.thinking
        if self.known is not None and 0 <= at < len(self.known):
            return self.known[at]
        return self.vocabulary[(self.offset + index) % len(self.vocabulary)]

    @property
    def length(self) -> int | None:
        """How many tokens the answer has by itself; None if it has no end of its own."""
        return None if self.known is None else self.thinking + len(self.known)


def write_script(asked: Asked, number: int, vocabulary: Sequence[str], *, garbled: bool) -> Script:
    """Choose the text of answer `number`; a `garbled` one is wrong.

    At temperature 0 the same prompt gets the same text, unless it is garbled.
    """
    settled = asked.temperature == 0 and not garbled
    offset = zlib.crc32(asked.text.encode(errors="surrogatepass")) if settled else 97 * number
    if asked.own_tokens is not None:
        known = [vocabulary[(offset + index) % len(vocabulary)] for index in range(asked.own_tokens)]
        return Script(vocabulary, offset, known, asked.thinking_tokens)
    answer = answers.answer(asked.text)
    if answer is not None and garbled:
        answer = answers.garbled(answer)
    return _stop(Script(vocabulary, offset, answer, asked.thinking_tokens), asked)


def _stop(script: Script, asked: Asked) -> Script:
    """A script that ends before the first stop sequence in its answer proper; the tokens of the sequence are counted,
    and are empty as far as it reaches."""
    if not asked.stops:
        return script
    longest = max(map(len, asked.stops))
    # The vocabulary repeats itself, so that what does not come in one round and a sequence's length never comes.
    most = min(script.length or asked.max_tokens, asked.thinking_tokens + len(script.vocabulary) + longest)
    pieces: list[str] = []
    text = ""
    for index in range(asked.thinking_tokens, min(most, asked.max_tokens)):
        pieces.append(script.text(index))
        begins = max(0, len(text) - longest)
        text += pieces[-1]
        found = [(at, stop) for stop in asked.stops if (at := text.find(stop, begins)) >= 0]
        if found:
            at, stop = min(found)
            return script._replace(known=_cut(pieces, at), stopped_by=stop)
    return script


def _cut(pieces: list[str], length: int) -> list[str]:
    """As many pieces, with `length` characters in all."""
    cut = []
    for piece in pieces:
        cut.append(piece[:length])
        length -= len(cut[-1])
    return cut


class Reply:
    """One answer, from its request to its last byte. The model's tokens come from `from_ns` on, the first one
    `extra_s` later than usual; `on_end` hears the truth when the answer is over."""

    def __init__(
        self,
        wire: Wire,
        host: Host,
        answer: Answer,
        asked: Asked,
        script: Script,
        truth: Truth,
        *,
        fault: str | None = None,
        from_ns: int | None = None,
        extra_s: float = 0.0,
        on_end: Callable[[Truth], None] | None = None,
    ) -> None:
        self.asked = asked
        self.script = script
        self.truth = truth
        self.from_ns = truth.arrive_ns if from_ns is None else from_ns
        self.extra_s = extra_s
        self.over = False
        self._wire = wire
        self._host = host
        self._answer = answer
        self._fault = fault
        self._damaged = False
        self._fault_at = min(asked.max_tokens, script.length or asked.max_tokens) // 2
        self._on_end = on_end
        self._stream: int | None = None
        self._chunked = wire.chunked
        self._chunk = http.chunk if self._chunked else bytes
        self._last_chunk = http.LAST_CHUNK if self._chunked else b""

    def begin(self, stream: int) -> None:
        """The model has taken the request in, as its stream number `stream`: send the head."""
        self._stream = stream
        answer = self._answer
        if answer.stream:
            lines = [*answer.headers, *self._wire.headers]
            if self._chunked:
                lines.append("Transfer-Encoding: chunked")
            self._wire.send(http.head(200, answer.media_type, self._host.label, lines))

    def token(self, index: int, finish_reason: str | None) -> None:
        """Write token `index`, and the end of the answer if there is a `finish_reason`."""
        if self.over:
            return
        fault = self._fault
        # The model may end an answer early: then its last token is where the fault happens.
        if fault is not None and (index >= self._fault_at or finish_reason is not None) and self._break(fault):
            return
        content = self._answer.token(index, self.script.text(index))
        now_ns = self._host.now_ns()
        self.truth.write(now_ns)
        if finish_reason is None:
            if content:
                self._wire.send(self._chunk(content))
            return
        if index + 1 == self.script.length:
            finish_reason = "stop"
        self._finish(content, index + 1, finish_reason, now_ns)

    def abandon(self) -> None:
        """The connection is gone."""
        self._end(LEFT)

    def give_up(self) -> None:
        """The emulator cannot go on with it: the client sees that the connection ends."""
        self._wire.drop()

    def _finish(self, content: bytes, tokens: int, finish_reason: str, now_ns: int) -> None:
        answer, truth = self._answer, self.truth
        last_ms, first_ms = ((time_ns - truth.arrive_ns) // 1_000_000 for time_ns in (now_ns, truth.first_ns))
        stopped_by = self.script.stopped_by if tokens == self.script.length else None
        tail = answer.end(Ending(tokens, finish_reason, last_ms, first_ms, stopped_by))
        if answer.stream:
            chunks = [self._chunk(part) for part in (content, tail) if part]
            self._wire.send(b"".join(chunks) + self._last_chunk)
        else:
            if self._damaged:
                tail = tail[: len(tail) // 2]
            headers = [*answer.headers, *self._wire.headers]
            self._wire.send(http.whole(200, tail, self._host.label, answer.media_type, headers))
        self._end(200)
        self._wire.finished()

    def _break(self, fault: str) -> bool:
        """Let the fault happen; returns whether no more tokens are written."""
        if fault == CRC:
            self._fault, self._damaged = None, True
            damaged = self._answer.damaged()
            if damaged:
                self._wire.send(self._chunk(damaged))
            return False
        if fault == CUT:
            self._wire.drop()
        elif fault == STALL:
            self._leave()
        else:
            self._fail(fault)
        return True

    def _fail(self, fault: str) -> None:
        """End with an error: an event of the stream, or the whole answer."""
        if self._answer.stream:
            self._wire.send(self._chunk(self._answer.fault(fault)) + self._last_chunk)
            self._end(500)
        else:
            refused = self._answer.refusal(fault)
            headers = [*refused.headers, *self._wire.headers]
            self._wire.send(http.whole(refused.status, refused.body, self._host.label, headers=headers))
            self._end(refused.status)
        self._wire.finished()

    def _leave(self) -> None:
        if self._stream is not None:
            self._host.leave(self._stream)
            self._stream = None

    def _end(self, status: int) -> None:
        if self.over:
            return
        self.over = True
        self._leave()
        self.truth.status, self.truth.end_ns = status, self._host.now_ns()
        if self._on_end is not None:
            self._on_end(self.truth)
