"""A client library in the place of the sockets, and answers that are read after the run."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from llmdyno.engine.recorder import outcome
from llmdyno.protocols.dialect import Dialect, HttpRequest, Target
from llmdyno.protocols.events import HTTP_STATUS, MALFORMED_EVENT, STREAM_ERROR, TEXT, Event, Failure
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import assemble, reread
from llmdyno.transports.exchange import Exchange, Prepared
from llmdyno.transports.library import SdkClient, assemble_sdk

GAP_S = 0.02


class Refused(Exception):
    pass


def refusal(error: Exception, streaming: bool) -> tuple[int | None, dict[bytes, bytes], Failure]:
    if streaming:
        return 200, {}, Failure(STREAM_ERROR, None, str(error), "Cut")
    return 429, {b"x-amzn-errortype": b"ThrottlingException"}, Failure(HTTP_STATUS, 429, str(error), "Throttled")


def opening(chunks: list[Any]) -> Callable[[str, int], Any]:
    """A library whose stream gives these chunks, raises those that are exceptions, and waits before each."""

    async def stream() -> AsyncIterator[Any]:
        for chunk in chunks:
            await asyncio.sleep(GAP_S)
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def open_stream(prompt: str, max_tokens: int) -> tuple[dict[bytes, bytes], AsyncIterator[Any]]:
        assert (prompt, max_tokens) == ("why", 5)
        if chunks == ["refused"]:
            raise Refused("too many")
        return {b"x-amzn-requestid": b"r1"}, stream()

    return open_stream


def event(chunk: str, number: int) -> Event:
    return Event(number, TEXT, chunk)


def perform(chunks: list[Any], timeout_s: float = 5.0, cancel_after_s: float | None = None) -> RequestRecord:
    async def main() -> RequestRecord:
        client = SdkClient(opening(chunks), refusal)
        exchange = Exchange(Prepared(3, "measured", None, 7, 5, b"", prompt="why"), 1)
        if cancel_after_s is not None:
            asyncio.get_running_loop().call_later(cancel_after_s, client.cancel_all)
        await client.perform(exchange, timeout_s)
        assert client.in_flight == []
        return outcome(assemble_sdk(exchange, event, keep_text=True))

    return asyncio.run(main())


def test_chunks_are_stamped_at_the_iterator() -> None:
    record = perform(["a", "bc"])
    assert (record.state, record.clock, record.text, record.response_id) == ("ok", "sdk", "abc", "r1")
    first, second = array("q", record.arrivals)
    assert record.sent_ns is not None
    assert record.end_ns is not None
    assert record.sent_ns + GAP_S * 1e9 * 0.9 < first < second <= record.end_ns
    assert (list(array("i", record.sizes)), record.reads) == ([1, 2], record.arrivals)


def test_a_refusal_is_a_record() -> None:
    record = perform(["refused"])
    assert (record.state, record.error_kind, record.error_code, record.error_type) == (
        "failed",
        "http_status",
        429,
        "Throttled",
    )
    assert record.http_status == 429


def test_an_error_within_the_stream_keeps_what_came() -> None:
    record = perform(["a", Refused("gone")])
    assert (record.state, record.error_kind, record.text) == ("failed", "stream_error", "a")


@pytest.mark.parametrize(("chunks", "kind"), [([], MALFORMED_EVENT)])
def test_nothing_at_all_is_a_failure(chunks: list[Any], kind: str) -> None:
    assert perform(chunks).error_kind == kind


def test_a_timeout_and_a_cancellation() -> None:
    assert perform(["a"] * 50, timeout_s=3.5 * GAP_S).error_kind == "timeout"
    assert perform(["a"] * 50, cancel_after_s=3.5 * GAP_S).state == "cancelled"


# --- answers read after the run


class Whole:
    """A clock whose stamps are the reads themselves."""

    def arrivals(self, stamps: list[bytes], reads: list[int]) -> tuple[array[int], bool]:
        return array("q", reads), True


def never(target: Target, prompt: str, max_tokens: int) -> HttpRequest:
    raise AssertionError


def kept() -> RequestRecord:
    exchange = Exchange(Prepared(0, "measured", None, 7, 5, b""), 0)
    exchange.status, exchange.sent_ns = 200, 1
    exchange.reads, exchange.stamps, exchange.marks = [10, 20, 30], [b""] * 3, [0, 2, 3]
    exchange.pieces = [b"ab", b"c", b"defg"]
    dialect = Dialect("someone else's", never, None, "")
    return outcome(assemble(exchange, dialect, Whole(), keep_text=False))  # type: ignore[arg-type]


def test_an_answer_that_we_cannot_read_is_kept_by_its_reads() -> None:
    record = kept()
    assert (record.state, record.body) == ("ok", b"abcdefg")
    assert list(array("q", record.arrivals)) == [10, 20, 30]
    assert list(array("i", record.sizes)) == [0, 3, 4]


def test_and_read_later_each_chunk_at_the_read_that_completed_it() -> None:
    record = kept()

    def read(pieces: list[bytes]) -> list[Event]:
        assert pieces == [b"", b"abc", b"defg"]
        return [
            Event(2, TEXT, "A", response_id="x"),
            Event(3, TEXT, "B", output_tokens=9),
            Event(3, finish_reason="stop"),
        ]

    reread(record, read, keep_text=True)
    assert list(array("q", record.arrivals)) == [20, 30, 30]
    assert (record.text, record.server_output_tokens, record.finish_reason) == ("AB", 9, "stop")
    assert record.body is None


def test_what_the_late_reading_finds_wrong_is_a_failure() -> None:
    record = kept()
    reread(record, lambda pieces: [Event(3, failure=Failure(STREAM_ERROR, None, "overloaded"))], keep_text=False)
    assert (record.state, record.error_kind, record.error_message) == ("failed", "stream_error", "overloaded")
