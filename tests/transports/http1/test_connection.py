"""One connection against servers that do what real ones do: answer oddly, stall, break."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import threading
import time
import zlib
from array import array

import pytest
from tests.support import ENDING, Action, chunk, event, response, stream_head
from tests.transports.http1.sockets import GOOD, InLoop, Scripted, perform

from llmdyno.protocols.anthropic import MESSAGES
from llmdyno.protocols.events import OTHER, TEXT

OPEN = ENDING.removesuffix(chunk(b""))
"""The end of a stream whose body stays open."""
UNASKED = b"HTTP/1.1 408 Request Time-out\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlate"
BODY = b"".join(
    b"data: " + json.dumps(part).encode() + b"\n\n"
    for part in (
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"delta": {"content": "b"}, "finish_reason": "stop"}]},
    )
)
DONE = b"data: [DONE]\n\n"


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
    body = b"x" * 8_000_000  # more than one write takes
    [record] = in_loop(perform(server.url, body=body, timeout_s=30))
    assert record.state == "ok"
    assert server.requests[0].endswith(body)


def test_bytes_after_a_whole_answer_are_dropped_with_their_connection(scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a") + ENDING + b"JUNK\r\n\r\n"], GOOD)
    first, second = asyncio.run(perform(server.url, 2))
    assert (first.state, second.state, second.reused) == ("ok", "ok", False)


BEGUN = stream_head() + event("a") + event("b")
UNDONE = BEGUN + OPEN.removesuffix(chunk(DONE))
LONGER = response(BODY + DONE, media_type="text/event-stream").replace(b"Length: ", b"Length: 9")


@pytest.mark.parametrize(
    "script",
    [
        [BEGUN + OPEN, 3.0],
        [BEGUN + OPEN[:-12], 0.02, OPEN[-12:], 3.0],
        [BEGUN + OPEN.replace(b"d: [DONE]", b"d:[DONE]"), 3.0],
        [UNDONE + chunk(b"data: [DONE]\n"), 3.0],
        [UNDONE + chunk(b"data: [DONE]\r\n\r\n"), 3.0],
        [BEGUN + OPEN, 0.02, "close"],
        [BEGUN + OPEN, 0.02, "reset"],
        [BEGUN + OPEN, 0.02, b"nonsense\r\n", 3.0],
        [LONGER, 3.0],
        [b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + BODY + DONE, 3.0],
    ],
)
def test_a_stream_ends_with_its_end_mark(scripted: Scripted, in_loop: InLoop, script: list[Action]) -> None:
    """What becomes of the body after the mark changes neither success nor the end; the connection is not used again."""
    server = scripted(script, GOOD)
    began = time.monotonic()
    first, second = in_loop(perform(server.url, 2))
    assert time.monotonic() - began < 1.5
    assert (first.state, second.state, second.reused) == ("ok", "ok", False)
    assert first.end_ns - first.sent_ns < 100_000_000
    assert first.finish_reason is not None


def json_open(status: str, media_type: str, body: bytes, framing: str = "Transfer-Encoding: chunked") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\n{framing}\r\n\r\n".encode()
    return head + (chunk(body) if "chunked" in framing else body)


UPSTREAM = b'{"error":{"message":"upstream died","code":502}}'


@pytest.mark.parametrize(
    ("answer", "kind", "code", "message"),
    [
        (json_open("200 OK", "application/json", UPSTREAM), "stream_error", 502, "upstream died"),
        (json_open("200 OK", "application/json", UPSTREAM, "X-A: b"), "stream_error", 502, "upstream died"),
        (json_open("200 OK", "application/json", UPSTREAM, "Content-Length: 99"), "stream_error", 502, "upstream died"),
        (json_open("200 OK", "text/event-stream", UPSTREAM), "stream_error", 502, "upstream died"),
        (json_open("503 X", "application/json", UPSTREAM), "http_status", 503, "upstream died"),
        (
            json_open("200 OK", "application/json", b'{"choices":[{"message":{"content":"hi"}}]}'),
            "malformed_event", None, "the answer is application/json, not text/event-stream",
        ),
    ],
)  # fmt: skip
def test_a_whole_json_document_ends_although_its_body_stays_open(
    scripted: Scripted, answer: bytes, kind: str, code: int | None, message: str
) -> None:
    server = scripted([answer[:-20], 0.02, answer[-20:], 3.0], GOOD)
    began = time.monotonic()
    first, second = asyncio.run(perform(server.url, 2))
    assert time.monotonic() - began < 1.0
    assert (first.error_kind, first.error_code) == (kind, code)
    assert str(first.error_message).startswith(message)
    assert first.end_ns - first.sent_ns < 100_000_000
    assert (second.state, second.reused) == ("ok", False)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_a_connection_that_breaks_after_a_json_document_hides_no_error(
    scripted: Scripted, in_loop: InLoop, how: str
) -> None:
    server = scripted([json_open("200 OK", "application/json", UPSTREAM), 0.02, how])
    [record] = in_loop(perform(server.url))
    assert (record.error_kind, record.error_code, record.error_message) == ("stream_error", 502, "upstream died")


def test_a_line_of_json_before_a_stream_ends_nothing(scripted: Scripted) -> None:
    server = scripted([stream_head() + chunk(b'{"status":"queued"}\n'), 0.5, event("a") + ENDING])
    [record] = asyncio.run(perform(server.url))
    assert (record.state, record.kinds.count(TEXT)) == ("ok", 1)


def test_anthropics_stream_ends_with_its_last_event(scripted: Scripted) -> None:
    events = [
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"i","usage":{"input_tokens":1}}}\n\n',
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        b'"delta":{"type":"text_delta","text":"hi"}}\n\n',
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"}}\n\n',
        b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
    ]
    server = scripted([stream_head() + b"".join(map(chunk, events)), 3.0])
    began = time.monotonic()
    [record] = asyncio.run(perform(server.url, dialect=MESSAGES))
    assert time.monotonic() - began < 1.5
    assert (record.state, record.finish_reason) == ("ok", "end_turn")


def test_text_that_looks_like_the_end_mark_ends_nothing(scripted: Scripted) -> None:
    quoted = stream_head() + event("data: [DONE]") + event("\\n\\ndata: [DONE]\\n\\n")
    [record] = asyncio.run(perform(scripted([quoted, 0.6, event("more") + ENDING]).url))
    assert (record.state, list(array("b", record.kinds))) == ("ok", [TEXT, TEXT, TEXT, OTHER, OTHER, OTHER])
    assert record.end_ns - record.sent_ns > 550_000_000


@pytest.mark.parametrize("pause_s", [0.0, 0.05])
@pytest.mark.parametrize("more", [UNASKED, response(b'{"error":"second"}', "500 Oops"), b"junk", GOOD[0]])
def test_an_answer_that_nobody_asked_for_is_nobodys(
    scripted: Scripted, in_loop: InLoop, more: bytes, pause_s: float
) -> None:
    server = scripted([stream_head() + event("a") + ENDING + more], GOOD)
    first, second = in_loop(perform(server.url, 2, pause_s=pause_s))
    assert (first.state, first.http_status, list(array("b", first.kinds))) == ("ok", 200, [TEXT, OTHER, OTHER, OTHER])
    assert (second.state, second.reused, second.resends) == ("ok", False, 0)


def test_an_unasked_answer_in_a_packet_of_its_own(scripted: Scripted, in_loop: InLoop) -> None:
    server = scripted([stream_head() + event("a") + ENDING, 0.02, UNASKED], GOOD)
    first, second = in_loop(perform(server.url, 2, pause_s=0.1))
    assert (first.state, second.state, second.reused, second.resends) == ("ok", "ok", False, 0)
    assert len(server.requests) == 2


@pytest.mark.parametrize("data", [stream_head(), stream_head() + event("a"), b"HTTP/1.1 200"])
def test_a_reset_right_after_data_is_seen_at_once(scripted: Scripted, in_loop: InLoop, data: bytes) -> None:
    began = time.monotonic()
    records = in_loop(perform(scripted([data, "reset"]).url, 10))
    assert time.monotonic() - began < 2
    assert [record.error_kind for record in records] == ["broken_stream"] * 10


@pytest.mark.parametrize(
    ("script", "kind", "code", "message"),
    [
        ([b"HTTP/1.1 101 X\r\nUpgrade: a\r\nConnection: upgrade\r\n\r\nabc", 9.0], "http_status", 101, "switched"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2_000_000, 9.0], "broken_stream", None, "larger than 1 MiB"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 300_000, 9.0], "broken_stream", None, "larger than 1 MiB"),
        ([b"HTTP/1.1 100 Go\r\n\r\n" * 5000, 9.0], "broken_stream", None, "interim answers"),
        ([response(b'{"status":"queued"}', "202 Accepted")], "http_status", 202, "accepted, but not answered"),
        ([b"HTTP/1.1 503 X\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"busy"), 9.0], "http_status", 503, "busy"),
        ([response(b'{"error":"stream_options?"}', "400 X")], "http_status", 400, '{"stream_options": null}'),
        ([response(b"xx", more="Content-Encoding: br\r\n")], "malformed_event", None, "compressed with br"),
        ([response(b"xx", more="Content-Encoding: gzip\r\n")], "malformed_event", None, "gzip compression"),
        ([response(b"xx", "500 Oops", more="Content-Encoding: br\r\n")], "http_status", 500, "compressed with br"),
        (
            [response(gzip.compress(b'{"error":"slow down"}'), "429 X", more="Content-Encoding: gzip\r\n")],
            *("http_status", 429, "slow down"),
        ),
    ],
)  # fmt: skip
def test_odd_answers_end_at_once_and_say_why(
    scripted: Scripted, script: list[Action], kind: str, code: int | None, message: str
) -> None:
    began = time.monotonic()
    [record] = asyncio.run(perform(scripted(script).url))
    assert time.monotonic() - began < 3
    assert (record.error_kind, record.error_code) == (kind, code)
    assert message in str(record.error_message)


def test_a_lenient_reading_of_heads_and_chunk_sizes(scripted: Scripted) -> None:
    old = stream_head().replace(b"\r\n", b"\n") + event("a") + ENDING
    padded = stream_head() + event("a").replace(b"\r\n", b"  \r\n", 1) + ENDING
    records = asyncio.run(perform(scripted([old], [padded]).url, 2))
    assert [record.state for record in records] == ["ok", "ok"]


@pytest.mark.parametrize(("name", "wbits"), [("gzip", 31), ("x-gzip", 31), ("deflate", 15), ("Deflate", -15)])
@pytest.mark.parametrize("ending", [[chunk(b"")], [3.0]])
def test_compression_that_nobody_asked_for(scripted: Scripted, name: str, wbits: int, ending: list[Action]) -> None:
    """Each chunk keeps the arrival of its own read, and the end mark counts as in a plain stream."""
    pack = zlib.compressobj(wbits=wbits)
    event_end = BODY.index(b"\n\n") + 2
    first = pack.compress(BODY[:event_end]) + pack.flush(zlib.Z_SYNC_FLUSH)
    rest = pack.compress(BODY[event_end:] + DONE) + pack.flush()
    head = stream_head().replace(b"\r\n\r\n", b"\r\nContent-Encoding: %b\r\n\r\n" % name.encode())
    [record] = asyncio.run(perform(scripted([head + chunk(first), 0.05, chunk(rest), *ending]).url))
    assert (record.state, record.finish_reason) == ("ok", "stop")
    assert list(array("b", record.kinds))[:2] == [TEXT, TEXT]
    arrivals = array("q", record.arrivals)
    assert 0.04 < (arrivals[1] - arrivals[0]) / 1e9 < 1
    assert 0 <= record.end_ns - arrivals[-1] < 50_000_000  # the body's end may come in a read of its own


def test_a_refusal_before_the_whole_request_was_sent(in_loop: InLoop) -> None:
    """The server answers and resets the connection, without reading the long body."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            sock, _ = listener.accept()
            sock.recv(1000)
            sock.sendall(response(b'{"error":"too long"}', "413 Too Large", more="Connection: close\r\n"))
            sock.close()  # unread bytes make this a reset

        threading.Thread(target=refuse, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        [record] = in_loop(perform(url, body=b"x" * 20_000_000))
    assert record.state == "failed"
    assert (record.error_kind, record.error_code, record.error_message) == ("http_status", 413, "too long")
