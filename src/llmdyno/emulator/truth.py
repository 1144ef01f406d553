"""What really happened to each request, as the emulator saw it.

In: times of the monotonic clock. Out: a line of JSON for each request at ``/truth``, for a client on the same host to
compare with. The record is bounded by bytes: the oldest requests are dropped, counted, and told once.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_REQUEST_BYTES = 400
"""About what the record of a request without tokens takes in memory."""
_TOKEN_BYTES = 9
"""A time takes eight bytes, and an array that grows has some to spare."""
_BLOCK = 16
"""Room for the times is taken for so many at once, since a token should cost little."""
_TIMES_A_PART = 4096


@dataclass(slots=True)
class Truth:
    """What really happened to one request, in monotonic ns. `status` is 0 until the end, −1 if the client left.

    `tokens` and `first_ns` hold for as long as the request lives; the times of its tokens go when it is dropped.
    """

    number: int
    arrive_ns: int
    end_ns: int = 0
    status: int = 0
    written_ns: array[int] = field(default_factory=lambda: array("q"))
    tokens: int = 0
    first_ns: int = 0
    kept: bool = True
    room: int = 0
    grown: Callable[[], None] | None = None

    def write(self, now_ns: int) -> None:
        """A token is written."""
        if self.tokens == self.room:
            self._grow(now_ns)
        self.tokens += 1
        if self.kept:
            self.written_ns.append(now_ns)

    def drop(self) -> int:
        """Forget the times; returns how many there was room for."""
        self.kept = False
        self.written_ns = array("q")
        return self.room

    def _grow(self, now_ns: int) -> None:
        if not self.tokens:
            self.first_ns = now_ns
        self.room += _BLOCK
        if self.kept and self.grown is not None:
            self.grown()

    def line(self) -> Iterator[str]:
        """The request as a line of JSON, in parts."""
        times, count = self.written_ns, len(self.written_ns)
        yield f'{{"n":{self.number},"arrive":{self.arrive_ns},"end":{self.end_ns},"status":{self.status},"t":['
        for start in range(0, count, _TIMES_A_PART):
            comma = "," if start else ""
            yield comma + ",".join(map(str, times[start : min(start + _TIMES_A_PART, count)]))
        yield "]}\n"


class Truths:
    """The requests, newest last. `most` is the bytes that they may take; `told` hears a message when the first one is
    dropped. `dropped` counts since the last :meth:`clear`."""

    def __init__(self, most: int, told: Callable[[str], None]) -> None:
        self.dropped = 0
        self._most = most
        self._told = told
        self._bytes = 0
        self._accepted = 0
        self._truths: deque[Truth] = deque()

    def __len__(self) -> int:
        return len(self._truths)

    def __getitem__(self, index: int) -> Truth:
        return self._truths[index]

    def __iter__(self) -> Iterator[Truth]:
        return iter(self._truths)

    def begin(self, now_ns: int) -> Truth:
        """Begin the truth about the next request. Requests are numbered from 0 and never again."""
        truth = Truth(self._accepted, now_ns, grown=self._grown)
        self._accepted += 1
        self._truths.append(truth)
        self._take(_REQUEST_BYTES)
        return truth

    def clear(self) -> None:
        """Forget every request."""
        for truth in self._truths:
            truth.drop()
        self._truths.clear()
        self._bytes = self.dropped = 0

    def parts(self) -> Iterator[bytes]:
        """The lines of all requests that are there now, in parts. A request that is dropped meanwhile is left out."""
        for truth in tuple(self._truths):
            if truth.kept:
                for part in truth.line():
                    yield part.encode()

    def _grown(self) -> None:
        self._take(_BLOCK * _TOKEN_BYTES)

    def _take(self, count: int) -> None:
        self._bytes += count
        while self._bytes > self._most and self._truths:
            self._bytes -= _REQUEST_BYTES + _TOKEN_BYTES * self._truths.popleft().drop()
            if not self.dropped:
                self._told(f"/truth has no more room: the oldest requests are dropped ({self._most:,} bytes are kept)")
            self.dropped += 1
