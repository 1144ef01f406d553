"""A client library in the place of the sockets: its iterator is stamped, its errors are records."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from llmdyno.protocols.events import HTTP_STATUS, STREAM_ERROR, TEXT, Event, Failure
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import built
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.library import Headers, LibraryTransport, Refusal
from llmdyno.workload.session import Message, Messages, Turn, user_message

GAP_S = 0.02


class Refused(Exception):
    pass


@dataclass
class Scripted:
    """A library whose stream gives these chunks, raises those that are exceptions, and waits before each."""

    chunks: list[Any]
    refuses: bool = False

    async def open(self, messages: Messages, max_tokens: int) -> tuple[Headers, AsyncIterator[Any]]:
        assert (messages, max_tokens) == ((Message("user", "<why>"),), 5)
        if self.refuses:
            raise Refused("too many")
        return {b"x-request-id": b"r1"}, self._stream()

    async def _stream(self) -> AsyncIterator[Any]:
        for chunk in self.chunks:
            await asyncio.sleep(GAP_S)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    def event(self, chunk: Any, number: int) -> Event:
        return Event(number, TEXT, chunk)

    def refusal(self, error: Exception, streaming: bool) -> Refusal:
        if streaming:
            return 200, {}, Failure(STREAM_ERROR, None, str(error), "Cut")
        return 429, {b"x-request-id": b"r0"}, Failure(HTTP_STATUS, 429, str(error), "Throttled")


def bracketed(messages: Messages) -> Messages:
    return tuple(Message(message.role, f"<{message.content}>") for message in messages)


@dataclass
class Performed:
    """One request through a library: its record, and the name of its refusal."""

    record: RequestRecord
    refusal: str | None


def perform(library: Scripted, timeout_s: float = 5.0, cancel_after_s: float | None = None) -> Performed:
    async def main() -> Performed:
        transport = LibraryTransport(library, bracketed)
        turn = Turn(3, "measured", user_message("why"), 7, 5)
        exchange = Exchange(Prepared.of(turn, transport.prepare(turn)), 1)
        if cancel_after_s is not None:
            asyncio.get_running_loop().call_later(cancel_after_s, transport.cancel)
        sending = asyncio.ensure_future(transport.perform(exchange, timeout_s))
        await asyncio.sleep(0)
        assert transport.in_flight == [exchange]
        await sending
        assert transport.in_flight == []
        return Performed(built(transport.read(exchange, keep_text=True)), transport.refusal(exchange))

    return asyncio.run(main())


def test_chunks_are_stamped_at_the_iterator() -> None:
    record = perform(Scripted(["a", "bc"])).record
    assert (record.request, record.input_tokens, record.max_tokens, record.user) == (3, 7, 5, 1)
    assert (record.state, record.clock, record.text, record.response_id) == ("ok", "sdk", "abc", "r1")
    assert record.http_status == 200
    first, second = array("q", record.arrivals)
    assert record.sent_ns is not None
    assert record.end_ns is not None
    assert record.sent_ns + GAP_S * 1e9 * 0.9 < first < second <= record.end_ns
    assert (list(array("i", record.sizes)), record.reads, record.headers_ns) == ([1, 2], record.arrivals, first)


def test_a_refusal_is_a_record() -> None:
    done = perform(Scripted([], refuses=True))
    record = done.record
    assert (record.state, record.error_kind, record.error_code) == ("failed", "http_status", 429)
    assert (record.error_type, record.error_message, record.http_status) == ("Throttled", "too many", 429)
    assert (record.response_id, done.refusal) == ("r0", "Throttled")


def test_an_error_within_the_stream_keeps_what_came() -> None:
    done = perform(Scripted(["a", Refused("gone")]))
    assert (done.record.state, done.record.error_kind, done.record.text) == ("failed", "stream_error", "a")
    assert (done.record.http_status, done.refusal) == (200, "Cut")


def test_nothing_at_all_is_a_failure() -> None:
    record = perform(Scripted([])).record
    assert (record.state, record.error_kind) == ("failed", "malformed_event")
    assert record.error_message == "the library gave no chunk"


def test_a_timeout_keeps_what_came() -> None:
    record = perform(Scripted(["a"] * 50), timeout_s=3.5 * GAP_S).record
    assert (record.state, record.error_kind) == ("failed", "timeout")
    assert record.error_message == "no whole answer within 0.07 s"
    assert 1 <= len(record.kinds) <= 3


def test_a_cancellation_is_no_failure() -> None:
    record = perform(Scripted(["a"] * 50), cancel_after_s=3.5 * GAP_S).record
    assert (record.state, record.error_kind) == ("cancelled", None)
    assert 1 <= len(record.kinds) <= 3


def test_chunks_are_read_in_slices() -> None:
    async def main() -> None:
        transport = LibraryTransport(Scripted([]), bracketed)
        turn = Turn(0, "measured", user_message("why"), 7, 5)
        exchange = Exchange(Prepared.of(turn, transport.prepare(turn)), 0)
        exchange.status, exchange.sent_ns, exchange.end_ns = 200, 1, 1000
        exchange.reads, exchange.chunks = list(range(10, 140)), ["x"] * 130
        work, slices = transport.read(exchange, keep_text=False), 0
        try:
            while True:
                next(work)
                slices += 1
        except StopIteration as finished:
            record = finished.value
        assert (slices, len(record.kinds), record.text) == (3, 130, None)
        assert list(array("q", record.arrivals)) == list(range(10, 140))
        assert await transport.decide(None) == ()  # type: ignore[arg-type]

    asyncio.run(main())
