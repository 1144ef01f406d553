"""From raw facts to records: each event gets the arrival of the read that completed it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from array import array

from hypothesis import given
from hypothesis import strategies as st
from tests.support import response
from tests.transports.http1.sockets import Scripted, perform

from llmdyno.protocols import bedrock
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest
from llmdyno.protocols.events import STREAM_ERROR, TEXT, Event, Failure
from llmdyno.protocols.openai import CHAT
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import assemble, built, reread
from llmdyno.transports.clock import NO_STAMP, Clock
from llmdyno.transports.exchange import Exchange, Payload, Prepared
from llmdyno.workload.session import Messages


class Frozen(Clock):
    """A clock whose wall time is 1000 s ahead, without sampling anything."""

    def __init__(self) -> None:
        self._sampled_ns, self._offsets = [0], [1000 * 10**9]


def stamp(time_ns: int) -> bytes:
    wall = time_ns + 1000 * 10**9
    return array("q", divmod(wall, 10**9)).tobytes()


BODY = b"".join(
    [
        b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"one"}}]}\n\ndata: {"choices":[{"delta":{"content":"two!"}}]}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n',
    ]
)


ENDS = [index + 2 for index in range(len(BODY)) if BODY[index : index + 2] == b"\n\n"]


def assembled(cuts: list[int], *, whole: bool = True) -> RequestRecord:
    """The record of a body read in these pieces, the nth read arriving at n s and read 1 ms later."""
    exchange = Exchange(Prepared(0, "measured", None, 3, 9, Payload()), 0)
    exchange.status, exchange.sent_ns = 200, 0
    exchange.headers[b"content-type"] = b"text/event-stream; charset=utf-8"
    bounds = [0, *cuts, len(BODY)]
    for number, (start, stop) in enumerate(itertools.pairwise(bounds), 1):
        exchange.reads.append(number * 10**9 + 10**6)
        exchange.stamps.append(stamp(number * 10**9))
        if stop > start:
            exchange.pieces.append(BODY[start:stop])
        exchange.marks.append(len(exchange.pieces))
    if not whole:
        exchange.cancelled, exchange.end_ns = True, 99 * 10**9
    return built(assemble(exchange, CHAT, Frozen(), keep_text=True))


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=8).map(sorted))
def test_each_event_arrives_with_the_read_that_completes_it(cuts: list[int]) -> None:
    record = assembled(cuts)
    bounds = [*cuts, len(BODY)]
    expected = [next(number for number, bound in enumerate(bounds, 1) if bound >= end) * 10**9 for end in ENDS]
    assert list(array("q", record.arrivals)) == expected
    assert list(array("q", record.reads)) == [time_ns + 10**6 for time_ns in expected]
    assert list(array("i", record.sizes)) == [0, 3, 4, 0, 0, 0]
    assert (record.state, record.text, record.clock) == ("ok", "onetwo!", "kernel")
    assert record.end_ns == len(bounds) * 10**9


def test_a_cancelled_exchange_keeps_its_chunks_and_is_no_failure() -> None:
    record = assembled([ENDS[0], ENDS[2]], whole=False)
    assert (record.state, record.error_kind, record.end_ns) == ("cancelled", None, 99 * 10**9)


def test_long_answers_are_decoded_in_slices() -> None:
    exchange = Exchange(Prepared(0, "measured", None, 3, 9, Payload()), 0)
    exchange.status, exchange.sent_ns = 200, 0
    piece = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
    exchange.pieces = [piece] * 1000 + [b"data: [DONE]\n\n"]
    exchange.reads, exchange.marks = [10**9] * 1001, list(range(1, 1002))
    exchange.stamps = [NO_STAMP] * 1001
    work, slices = assemble(exchange, CHAT, Frozen(), keep_text=False), 0
    try:
        while True:
            next(work)
            slices += 1
    except StopIteration as finished:
        record = finished.value
    assert slices == 16
    assert len(record.kinds) == 1001
    assert (record.clock, record.text) == ("user", None)


def test_counts_in_headers_are_kept_where_the_stream_has_none(scripted: Scripted) -> None:
    body = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    counts = "X-Amzn-Bedrock-Input-Token-Count: 7\r\nX-Amzn-Bedrock-Output-Token-Count: 9\r\n"
    more = counts + "X-Amzn-Bedrock-Invocation-Latency: 12\r\n"
    odd = more.replace("7", "-7").replace("9", "x")
    server = scripted(
        [response(body, media_type="text/event-stream", more=more)],
        [response(body, media_type="text/event-stream", more=odd)],
    )
    dialect = dataclasses.replace(CHAT, header_facts=bedrock.header_facts)
    told, untold = asyncio.run(perform(server.url, 2, dialect=dialect))
    assert (told.server_input_tokens, told.server_output_tokens, told.server_latency_ms) == (7, 9, 12)
    assert (untold.server_input_tokens, untold.server_output_tokens, untold.state) == (None, None, "ok")


# --- answers read after the run


class Whole(Clock):
    """A clock whose arrivals are the reads themselves."""

    def __init__(self) -> None:
        pass

    def arrivals(self, stamps: list[bytes], reads: list[int]) -> tuple[array[int], bool]:
        return array("q", reads), True


def never(envelope: Envelope, messages: Messages, max_tokens: int) -> HttpRequest:
    raise AssertionError


def kept() -> RequestRecord:
    exchange = Exchange(Prepared(0, "measured", None, 7, 5, Payload()), 0)
    exchange.status, exchange.sent_ns = 200, 1
    exchange.reads, exchange.stamps, exchange.marks = [10, 20, 30], [b""] * 3, [0, 2, 3]
    exchange.pieces = [b"ab", b"c", b"defg"]
    return built(assemble(exchange, Dialect("someone else's", never, None, ""), Whole(), keep_text=False))


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
