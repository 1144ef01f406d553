"""From raw facts to records: each event gets the arrival of the read that completed it."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
from array import array

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import response
from tests.transports.http1.sockets import Scripted, perform

from llmdyno.protocols import bedrock
from llmdyno.protocols.anthropic import MESSAGES
from llmdyno.protocols.dialect import Dialect, Envelope, HttpRequest
from llmdyno.protocols.events import (
    ABORTED,
    BROKEN_STREAM,
    EMPTY,
    HTTP_STATUS,
    MALFORMED_EVENT,
    OTHER,
    STREAM_ERROR,
    TEXT,
    Event,
    Failure,
)
from llmdyno.protocols.openai import CHAT
from llmdyno.timeline.record import TIMEOUT, RequestRecord
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


def assembled(cuts: list[int]) -> RequestRecord:
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
    assert record.end_ns == expected[-1]


def test_a_cancelled_exchange_keeps_its_chunks_and_is_no_failure() -> None:
    record = answered(BODY[: ENDS[3]], b"", b"x", cancelled=True)
    assert (record.state, record.error_kind, record.end_ns) == ("cancelled", None, 99 * 10**9)
    assert record.text == "onetwo!"


# --- what is a success


def answered(
    *pieces: bytes,
    failure: Failure | None = None,
    cancelled: bool = False,
    media_type: bytes = b"text/event-stream",
    status: int = 200,
    dialect: Dialect = CHAT,
) -> RequestRecord:
    """The record of an answer whose nth piece arrived at n s, ended by us at 99 s if it did not end well."""
    exchange = Exchange(Prepared(0, "measured", None, 3, 9, Payload()), 0)
    exchange.status, exchange.sent_ns = status, 0
    exchange.headers[b"content-type"] = media_type
    exchange.pieces = list(pieces)
    exchange.reads = [number * 10**9 for number in range(1, len(pieces) + 1)]
    exchange.stamps = [stamp(time_ns) for time_ns in exchange.reads]
    exchange.marks = list(range(1, len(pieces) + 1))
    exchange.failure, exchange.cancelled = failure, cancelled
    if failure is not None or cancelled:
        exchange.end_ns = 99 * 10**9
    return built(assemble(exchange, dialect, Frozen(), keep_text=True))


def sse(*values: object) -> bytes:
    return b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)


def piece(finish: object = None, **fields: object) -> dict[str, object]:
    return {"choices": [{"delta": fields, "finish_reason": finish}]}


WORD = sse(piece(content="a"))
DONE = b"data: [DONE]\n\n"
BROKEN = Failure(BROKEN_STREAM, None, "the connection ended before the answer was whole")


@pytest.mark.parametrize("failure", [BROKEN, Failure(TIMEOUT, None, "too late"), None])
@pytest.mark.parametrize("mark", [DONE, b"data: [DONE]\n"])
def test_what_comes_after_the_end_mark_changes_nothing(failure: Failure | None, mark: bytes) -> None:
    late = sse(piece(content="late"), {"error": "late"}) if mark == DONE else b""
    record = answered(WORD, sse(piece("stop")) + mark, late, failure=failure)
    assert (record.state, record.error_kind, record.error_message) == ("ok", None, None)
    assert (record.text, len(record.kinds), record.end_ns) == ("a", 3, 2 * 10**9)


def test_a_broken_answer_without_its_end_mark_is_broken() -> None:
    record = answered(WORD, sse(piece("stop")), failure=BROKEN)
    assert (record.state, record.error_kind, record.end_ns) == ("failed", BROKEN_STREAM, 99 * 10**9)
    told = answered(WORD, sse({"error": {"message": "full", "code": 503}}), failure=BROKEN)
    assert (told.error_kind, told.error_code, told.error_message) == (STREAM_ERROR, 503, "full")


def test_an_error_without_its_blank_line_is_told_although_the_connection_broke() -> None:
    record = answered(WORD, b'event: error\ndata: {"message":"full","code":503}\n', failure=BROKEN)
    assert (record.error_kind, record.error_code, record.error_message) == (STREAM_ERROR, 503, "full")


@pytest.mark.parametrize(
    "reason",
    ["abort", "error", "cancelled", "network_error", "insufficient_system_resource", "ABORTED", "interrupted",
     "preempted", "deadline_exceeded", "disconnected", "exception", "unavailable", "killed"],
)  # fmt: skip
def test_an_abort_is_a_failure(reason: str) -> None:
    record = answered(WORD, sse(piece(reason)), DONE)
    assert (record.state, record.error_kind, record.finish_reason) == ("failed", ABORTED, reason)
    assert record.text == "a"


@pytest.mark.parametrize("others", [[], ["stop"]])
def test_an_abort_is_one_whatever_else_is_said(others: list[str]) -> None:
    choices = {"choices": [{"finish_reason": one} for one in [*others, "abort"]]}
    record = answered(WORD, sse(choices, *(piece(one) for one in others)), DONE)
    assert (record.error_kind, record.finish_reason) == (ABORTED, "abort")


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "content_filter", "eos_token"])
def test_other_reasons_are_not(reason: str) -> None:
    assert answered(WORD, sse(piece(reason)), DONE).state == "ok"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (DONE, "the answer holds no output"),
        (sse(piece(role="assistant", content=""), piece("stop")), "the answer holds no output (finish reason 'stop')"),
        (
            sse(piece("length"), {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 7}}) + DONE,
            "the answer holds no output (finish reason 'length', 7 output tokens by the server's count)",
        ),
    ],
)
def test_an_empty_answer_is_a_failure(body: bytes, message: str) -> None:
    record = answered(body)
    assert (record.state, record.error_kind, record.error_message) == ("failed", EMPTY, message)


@pytest.mark.parametrize("reason", ["stop", "STOP", "eos", "end_turn"])
def test_a_model_that_ends_its_answer_at_once_has_answered(reason: str) -> None:
    counted = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})
    record = answered(sse(piece(role="assistant", content=""), piece(reason)), counted + DONE)
    assert (record.state, record.finish_reason, record.server_output_tokens) == ("ok", reason, 1)
    assert set(record.kinds) == {OTHER}
    uncounted = sse({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 0}})
    for body in (sse(piece(reason)), sse(piece(reason)) + uncounted, sse(piece()) + counted):
        assert answered(body, DONE).error_kind == EMPTY


def test_counts_of_each_chunk_alone_are_added_up() -> None:
    chunks = [{**piece(content="a b"), "usage": {"prompt_tokens": 3, "completion_tokens": 2}} for _ in range(6)]
    record = answered(sse(piece(role="assistant"), *chunks, piece("stop")), DONE)
    assert record.server_output_tokens == 12
    assert list(array("i", record.cumulative_tokens)) == [-1, 2, 4, 6, 8, 10, 12, -1, -1]
    told = answered(sse(*chunks, {"choices": [], "usage": {"completion_tokens": 13}}, piece("stop")), DONE)
    assert told.server_output_tokens == 13
    few = answered(sse(*chunks[:3], piece("stop")), DONE)
    assert few.server_output_tokens == 2


@pytest.mark.parametrize(
    "output", [{"tool_calls": [{"function": {"arguments": "{"}}]}, {"refusal": "no"}, {"reasoning": "hm"}]
)
def test_any_kind_of_output_is_an_answer(output: dict[str, object]) -> None:
    assert answered(sse(piece(**output), piece("stop")), DONE).state == "ok"


def test_other_dialects_are_held_to_the_same() -> None:
    stop = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    empty = answered(sse({"type": "message_start"}, stop, {"type": "message_stop"}), dialect=MESSAGES)
    assert (empty.state, empty.error_kind) == ("failed", EMPTY)


def test_counts_and_texts_that_no_file_can_hold() -> None:
    odd = {"prompt_tokens": 2**63, "completion_tokens": 2**62}
    body = sse({**piece(content="\ud83d!"), "id": "\ud83d"}, {**piece("st\ud83dop"), "usage": odd}) + DONE
    record = answered(body)
    assert (record.state, record.text, record.response_id, record.finish_reason) == (
        "ok",
        "\ufffd!",
        "\ufffd",
        "st\ufffdop",
    )
    assert (record.server_input_tokens, record.server_output_tokens) == (None, None)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(record), type=RequestRecord) == record


def test_cached_and_reasoning_tokens_are_kept() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 5}}
    usage = {"prompt_tokens": 3, "completion_tokens": 6, **details}
    record = answered(WORD, sse(piece("stop"), {"choices": [], "usage": usage}), DONE)
    assert (record.cached_input_tokens, record.reasoning_tokens) == (2, 5)


# --- media types and error bodies


@pytest.mark.parametrize("start", [b"\n", b"id: 0\n", b"retry: 3\n", b"\xef\xbb\xbf", b": hi\n\n"])
def test_events_under_another_media_type_also_byte_by_byte(start: bytes) -> None:
    body = start + WORD + sse(piece("stop")) + DONE
    assert answered(body, media_type=b"text/plain").state == "ok"
    single = [body[index : index + 1] for index in range(len(body))]
    assert answered(*single, media_type=b"application/octet-stream").text == "a"


def test_an_error_in_json_after_a_good_status() -> None:
    body = json.dumps({"error": {"message": "quota", "code": 429}, "user": "u" * 200}).encode()
    for media_type in (b"application/json", b"text/event-stream", b""):
        record = answered(body, media_type=media_type)
        assert (record.error_kind, record.error_code, record.error_message) == (STREAM_ERROR, 429, "quota")
    page = answered(b"<html><title>Log in</title></html>", media_type=b"text/html")
    assert page.error_message == "the answer is text/html, not text/event-stream; it starts with 'Log in'"
    deep = answered(b"[" * 100_000, media_type=b"application/json")
    assert (deep.state, deep.error_kind) == ("failed", MALFORMED_EVENT)


def test_the_body_of_a_refusal() -> None:
    for body, message in (
        (b'{"detail":[{"loc":["body","max_tokens"],"msg":"Field required"}]}', "body.max_tokens: Field required"),
        (b"<html><head><title>504 Gateway Time-out</title></head></html>", "504 Gateway Time-out"),
        (b"[" * 100_000, "[" * 300),
        (b"", "no message"),
    ):
        record = answered(body, media_type=b"text/html", status=422)
        assert (record.error_kind, record.error_code, record.error_message) == (HTTP_STATUS, 422, message)


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
