"""One connection against servers that do what real ones do: answer oddly, stall, break."""

from __future__ import annotations

import asyncio
import time
from array import array

import pytest
from tests.support import ENDING, Action, chunk, event, response, stream_head
from tests.transports.http1.sockets import GOOD, InLoop, Scripted, perform

from llmdyno.protocols.events import OTHER, TEXT


def test_a_good_answer(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(GOOD)
    [record] = in_loop(perform(server.url))
    assert (record.state, record.error_kind, record.http_status, record.finish_reason) == ("ok", None, 200, "length")
    assert (record.server_input_tokens, record.server_output_tokens) == (7, 2)
    assert list(array("b", record.kinds)) == [TEXT, TEXT, OTHER, OTHER, OTHER]
    arrivals, reads = array("q", record.arrivals), array("q", record.reads)
    assert record.connect_start_ns < record.connected_ns <= record.sent_ns < arrivals[0]
    assert record.end_ns == arrivals[-1]
    assert 0.015 < (arrivals[1] - arrivals[0]) / 1e9 < 1
    assert arrivals[1:] == array("q", [arrivals[1]] * 4)  # one read, one stamp
    assert all(read >= arrival for arrival, read in zip(arrivals, reads, strict=True))
    assert record.clock == "kernel"


@pytest.mark.parametrize(
    ("script", "kind", "code", "message"),
    [
        ([stream_head() + event("a"), 0.02, "close"], "broken_stream", None, "before the answer was whole"),
        ([stream_head() + event("a"), 0.02, "reset"], "broken_stream", None, "before the answer was whole"),
        ([stream_head() + event("a") + chunk(b"")], "broken_stream", None, "neither finish_reason nor"),
        ([stream_head() + chunk(b"data: {nonsense\n\n") + chunk(b"")], "malformed_event", None, "event 1"),
        ([stream_head() + chunk(b'data: {"error":{"message":"full"}}\n\n') + chunk(b"")], "stream_error", None, "full"),
        ([stream_head() + chunk(b'data: {"error":"full"}\n\n'), 0.02, "close"], "stream_error", None, "full"),
        ([stream_head() + b"zz\r\n"], "broken_stream", None, "framing"),
        ([b"SSH-2.0-OpenSSH\r\n\r\n"], "malformed_event", None, "not HTTP/1.1"),
        ([response(b"<html>Hi</html>", media_type="text/html")], "malformed_event", None, "text/html"),
        ([response(b'{"choices":[]}')], "malformed_event", None, "application/json, not text/event-stream"),
        ([response(b'{"error":{"message":"slow"}}', "429 Too Many Requests")], "http_status", 429, "slow"),
        ([response(b"", "500 Oops")], "http_status", 500, "no message"),
        ([response(b"", "302 Found", more="Location: /x\r\n")], "http_status", 302, "redirected to /x"),
        ([b"HTTP/1.1 503 X\r\nContent-Length: 100\r\n\r\nbusy", 0.02, "close"], "http_status", 503, "busy"),
    ],
)  # fmt: skip
def test_failures_are_facts_with_a_kind(
    scripted: Scripted, script: list[Action], kind: str, code: int | None, message: str
) -> None:
    server = scripted(script, GOOD)
    record, after = asyncio.run(perform(server.url, 2))
    assert (record.state, record.error_kind, record.error_code) == ("failed", kind, code)
    assert message in str(record.error_message)
    assert record.end_ns > record.sent_ns
    assert after.state == "ok"


def test_chunks_that_came_before_a_failure_are_kept(scripted: Scripted) -> None:
    [record] = asyncio.run(perform(scripted([stream_head() + event("a"), 0.02, event("b"), 0.02, "close"]).url))
    assert list(array("b", record.kinds)) == [TEXT, TEXT]
    assert record.state == "failed"


@pytest.mark.parametrize(
    ("script", "message", "chunks"),
    [
        ([30.0], "no byte of an answer within", 0),
        ([stream_head() + event("a"), 30.0], "the answer was not whole within", 1),
    ],
)
def test_timeouts(scripted: Scripted, script: list[Action], message: str, chunks: int) -> None:
    began = time.monotonic()
    [record] = asyncio.run(perform(scripted(script).url, timeout_s=0.2))
    assert time.monotonic() - began < 5
    assert (record.error_kind, len(record.kinds)) == ("timeout", chunks)
    assert message in str(record.error_message)


def test_answers_framed_in_other_ways(scripted: Scripted) -> None:
    body = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    until_close = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + body
    scripts: list[list[Action]] = [
        [until_close, 0.02, "close"],
        [response(body, media_type="text/event-stream")],
        [b"HTTP/1.1 100 Continue\r\n\r\n", 0.02, response(body, media_type="text/event-stream")],
        [response(body, media_type="text/plain", more="X-Request-Id: abc\r\n")],
        [response(body, media_type="text/event-stream", more="Connection: close\r\n")],
        [response(body, media_type="text/event-stream")],
    ]
    server = scripted(*scripts)
    records = asyncio.run(perform(server.url, len(scripts)))
    assert [record.state for record in records] == ["ok"] * len(scripts)
    assert [record.http_status for record in records] == [200] * len(scripts)
    assert [record.response_id for record in records] == [None, None, None, "abc", None, None]
    assert [record.reused for record in records] == [False, False, True, True, True, False]


def test_a_large_request_goes_out_whole(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted(GOOD)
    body = b"x" * 20_000_000
    [record] = in_loop(perform(server.url, body=body))
    assert record.state == "ok"
    assert server.requests[0].endswith(body)


def test_bytes_after_a_whole_answer_are_dropped_with_their_connection(scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a") + ENDING + b"JUNK\r\n\r\n"], GOOD)
    first, second = asyncio.run(perform(server.url, 2))
    assert (first.state, second.state, second.reused) == ("ok", "ok", False)
