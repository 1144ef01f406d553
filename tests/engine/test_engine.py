"""The engine against servers that do what real ones do: close, stall, break, answer oddly."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import socket
import ssl
import threading
import time
from array import array
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import pytest
import trustme
import uvloop
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ENDING, MODELS, Action, ScriptedServer, chunk, event, response, stream_head

from llmdyno import InputError
from llmdyno.engine.driver import Driver, Load, Phase, Snapshot
from llmdyno.engine.recorder import Recorder, outcome
from llmdyno.engine.supply import Supply, prepare
from llmdyno.host.limits import allow_open_files
from llmdyno.protocols import DIALECTS
from llmdyno.protocols.dialect import HttpRequest, Target
from llmdyno.protocols.events import OTHER, TEXT, Failure
from llmdyno.targets.openai import look
from llmdyno.timeline.record import RequestRecord
from llmdyno.transports.assemble import assemble
from llmdyno.transports.clock import NO_STAMP, Clock
from llmdyno.transports.exchange import ATTEMPT_STRIDE, Exchange, Prepared
from llmdyno.transports.http1.client import Client
from llmdyno.transports.http1.proxy import Proxy, find_proxy
from llmdyno.transports.http1.tls import make_context
from llmdyno.transports.http1.wire import Origin, serialise
from llmdyno.workload.plan import PlannedRequest

CHAT = DIALECTS["openai", "chat"]
GOOD: list[Action] = [stream_head() + event("a"), 0.02, event("b") + ENDING]
Scripted = Callable[..., ScriptedServer]


@pytest.fixture(params=["asyncio", "uvloop"])
def in_loop(request: pytest.FixtureRequest) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Runs a coroutine on either event loop."""

    def run(main: Coroutine[Any, Any, Any]) -> Any:
        factory = uvloop.new_event_loop if request.param == "uvloop" else None
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main)

    return run


async def perform(
    url: str, count: int = 1, *, timeout_s: float = 5.0, body: bytes = b"{}", pause_s: float = 0.0
) -> list[RequestRecord]:
    """Send requests one after the other through one client; their records."""
    loop, clock, origin = asyncio.get_running_loop(), Clock(), Origin.of(url)
    client = Client(origin, loop)
    await client.resolve()
    records: list[RequestRecord] = []
    recorder = Recorder(loop, partial(assemble, dialect=CHAT, clock=clock, keep_text=False), records.append)
    wire = serialise(origin, HttpRequest("POST", origin.path + "/chat/completions", {}, body))
    await asyncio.sleep(0.01)  # the kernel switches its stamps on a moment after the first socket asks for them
    for number in range(count):
        exchange = Exchange(Prepared(number, "measured", None, 1, 2, wire), 0)
        await client.perform(exchange, timeout_s)
        recorder.add(exchange)
        await asyncio.sleep(pause_s)
    recorder.drain()
    client.close()
    clock.close()
    return records


def test_a_good_answer(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
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


def test_connections_are_reused(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    server = scripted(GOOD)
    records = in_loop(perform(server.url, 3))
    assert [record.reused for record in records] == [False, True, True]
    assert [record.connected_ns is None for record in records] == [False, True, True]
    assert server.accepted == 1


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("pause_s", [0.0, 0.1])
def test_a_connection_closed_while_idle_costs_a_reconnect(
    scripted: Scripted, in_loop: Callable[..., Any], how: str, pause_s: float
) -> None:
    server = scripted([*GOOD, 0.02, how])
    records = in_loop(perform(server.url, 3, pause_s=pause_s))
    assert [record.state for record in records] == ["ok"] * 3
    assert len(server.requests) == 3
    assert server.accepted == 3


def test_a_connection_closed_at_the_very_moment_of_the_send(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    """The server closes without a byte of an answer, so another connection is tried."""
    server = scripted(GOOD, ["close"], GOOD)
    first, second = in_loop(perform(server.url, 2))
    assert (first.state, second.state) == ("ok", "ok")
    assert second.reconnects == 1
    assert not second.reused
    assert second.connected_ns is not None


def test_a_new_connection_that_closes_without_an_answer_is_a_failure(
    scripted: Scripted, in_loop: Callable[..., Any]
) -> None:
    [record] = in_loop(perform(scripted(["close"]).url))
    assert (record.state, record.error_kind) == ("failed", "broken_stream")
    assert "before any byte" in str(record.error_message)


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


def test_counts_in_headers_are_kept_where_the_stream_has_none(scripted: Scripted) -> None:
    body = b'data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n'
    counts = "X-Amzn-Bedrock-Input-Token-Count: 7\r\nX-Amzn-Bedrock-Output-Token-Count: 9\r\n"
    more = counts + "X-Amzn-Bedrock-Invocation-Latency: 12\r\n"
    odd = more.replace("7", "-7").replace("9", "x")
    server = scripted(
        [response(body, media_type="text/event-stream", more=more)],
        [response(body, media_type="text/event-stream", more=odd)],
    )
    told, untold = asyncio.run(perform(server.url, 2))
    assert (told.server_input_tokens, told.server_output_tokens, told.server_latency_ms) == (7, 9, 12)
    assert (untold.server_input_tokens, untold.server_output_tokens, untold.state) == (None, None, "ok")


def test_a_large_request_goes_out_whole(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    server = scripted(GOOD)
    body = b"x" * 20_000_000
    [record] = in_loop(perform(server.url, body=body))
    assert record.state == "ok"
    assert server.requests[0].endswith(body)


def test_nobody_listens(free_port: int) -> None:
    [record] = asyncio.run(perform(f"http://127.0.0.1:{free_port}/v1"))
    assert (record.state, record.error_kind, record.sent_ns) == ("failed", "connect", None)
    assert f"port {free_port}" in str(record.error_message)


# --- TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def tls_server(scripted: Scripted, authority: trustme.CA, host: str, *scripts: list[Action]) -> ScriptedServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    server = scripted(*scripts, wrap=lambda sock: context.wrap_socket(sock, server_side=True))
    server.url = server.url.replace("http://127.0.0.1", "https://localhost")
    return server


def trust(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))


def test_tls_is_stamped_and_reused(
    scripted: Scripted,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Any,
    in_loop: Callable[..., Any],
) -> None:
    trust(authority, monkeypatch, tmp_path)
    server = tls_server(scripted, authority, "localhost", GOOD)
    first, second = in_loop(perform(server.url, 2, body=b"y" * 3_000_000))
    assert (first.state, second.state) == ("ok", "ok"), (first.error_message, second.error_message)
    assert first.connected_ns < first.tls_ns <= first.sent_ns
    assert (second.reused, second.tls_ns) == (True, None)
    assert second.clock == "kernel"
    assert list(array("b", first.kinds)) == [TEXT, TEXT, OTHER, OTHER, OTHER]


def test_a_certificate_that_does_not_verify(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    [unknown] = asyncio.run(perform(tls_server(scripted, authority, "localhost", GOOD).url))
    assert (unknown.error_kind, unknown.sent_ns) == ("tls", None)
    assert "does not verify" in str(unknown.error_message)
    trust(authority, monkeypatch, tmp_path)
    [other_name] = asyncio.run(perform(tls_server(scripted, authority, "other.example", GOOD).url))
    assert other_name.error_kind == "tls"
    with talkative() as port:
        [no_tls] = asyncio.run(perform(f"https://127.0.0.1:{port}/v1"))
    assert no_tls.error_kind == "tls"
    [silent] = asyncio.run(perform(scripted(GOOD).url.replace("http://", "https://"), timeout_s=0.3))
    assert (silent.error_kind, silent.error_message.partition(" 1")[0]) == ("timeout", "no TLS with")


@contextlib.contextmanager
def talkative() -> Iterator[int]:
    """A server that speaks plain HTTP first, whatever it is asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                sock, _ = listener.accept()
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                sock.recv(1000)
                sock.close()

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def test_tls_cut_in_the_middle(
    scripted: Scripted, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    trust(authority, monkeypatch, tmp_path)
    server = tls_server(scripted, authority, "localhost", [stream_head() + event("a"), 0.05, "close"], GOOD)
    cut, after = asyncio.run(perform(server.url, 2))
    assert (cut.error_kind, len(cut.kinds)) == ("broken_stream", 1)
    assert after.state == "ok"


# --- assembling: bytes to records


class Frozen(Clock):
    """A clock whose wall time is 1000 s ahead, without sampling anything."""

    def __init__(self) -> None:
        self._moments, self._offsets = [0], [1000 * 10**9]


def stamp(moment_ns: int) -> bytes:
    wall = moment_ns + 1000 * 10**9
    return array("q", divmod(wall, 10**9)).tobytes()


BODY = b"".join(
    [
        b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n',
        b'data: {"choices":[{"delta":{"content":"one"}}]}\n\ndata: {"choices":[{"delta":{"content":"two!"}}]}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
        b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\ndata: [DONE]\n\n',
    ]
)
ENDS = [place + 2 for place in range(len(BODY)) if BODY[place : place + 2] == b"\n\n"]


def assembled(cuts: list[int], *, whole: bool = True) -> RequestRecord:
    """The record of a body read in these pieces, the nth read arriving at n s and read 1 ms later."""
    exchange = Exchange(Prepared(0, "measured", None, 3, 9, b""), 0)
    exchange.status, exchange.sent_ns = 200, 0
    exchange.headers[b"content-type"] = b"text/event-stream; charset=utf-8"
    places = [0, *cuts, len(BODY)]
    for number, (start, stop) in enumerate(itertools.pairwise(places), 1):
        exchange.reads.append(number * 10**9 + 10**6)
        exchange.stamps.append(stamp(number * 10**9))
        if stop > start:
            exchange.pieces.append(BODY[start:stop])
        exchange.marks.append(len(exchange.pieces))
    if not whole:
        exchange.cancelled, exchange.end_ns = True, 99 * 10**9
    work = assemble(exchange, CHAT, Frozen(), keep_text=True)
    while True:
        try:
            next(work)
        except StopIteration as finished:
            return finished.value


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=8).map(sorted))
def test_each_event_arrives_with_the_read_that_completes_it(cuts: list[int]) -> None:
    record = assembled(cuts)
    bounds = [*cuts, len(BODY)]
    expected = [next(number for number, bound in enumerate(bounds, 1) if bound >= end) * 10**9 for end in ENDS]
    assert list(array("q", record.arrivals)) == expected
    assert list(array("q", record.reads)) == [moment + 10**6 for moment in expected]
    assert list(array("i", record.sizes)) == [0, 3, 4, 0, 0, 0]
    assert (record.state, record.text, record.clock) == ("ok", "onetwo!", "kernel")
    assert record.end_ns == len(bounds) * 10**9


def test_a_cancelled_exchange_keeps_its_chunks_and_is_no_failure() -> None:
    record = assembled([ENDS[0], ENDS[2]], whole=False)
    assert (record.state, record.error_kind, record.end_ns) == ("cancelled", None, 99 * 10**9)


def test_long_answers_are_decoded_in_slices() -> None:
    exchange = Exchange(Prepared(0, "measured", None, 3, 9, b""), 0)
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


def test_the_wall_clock_may_be_set_during_a_run() -> None:
    clock = Frozen()
    clock._moments, clock._offsets = [0, 5 * 10**9], [1000 * 10**9, 2000 * 10**9]
    after = array("q", divmod(6 * 10**9 + 2000 * 10**9, 10**9)).tobytes()
    arrivals, whole = clock.arrivals([stamp(10**9), after], [10**9 + 5, 6 * 10**9 + 5])
    assert (list(arrivals), whole) == ([10**9, 6 * 10**9], True)
    arrivals, whole = clock.arrivals([after], [3 * 10**9])  # set between two samples: the read's own time stands in
    assert (list(arrivals), whole) == ([3 * 10**9], False)


# --- driving


def watching(snapshots: list[Snapshot], stop: Callable[[], None], chunks: int | None) -> Callable[[Snapshot], None]:
    """Keeps snapshots, and stops the load once so many chunks have come."""

    def watch(snapshot: Snapshot) -> None:
        snapshots.append(snapshot)
        if chunks is not None and snapshot.chunks >= chunks:
            stop()

    return watch


async def drive(url: str, load: Load, phases: list[tuple[str, int | None]], stop_at_chunks: int | None = None) -> Any:
    loop, clock, origin = asyncio.get_running_loop(), Clock(), Origin.of(url)
    client = Client(origin, loop)
    await client.resolve()
    records: list[RequestRecord] = []
    snapshots: list[Snapshot] = []
    recorder = Recorder(
        loop, partial(assemble, dialect=CHAT, clock=clock, keep_text=False), records.append, secrets=("sk-secret",)
    )

    def stop() -> None:
        driver.stop()

    driver = Driver(client, recorder, clock, load, watching(snapshots, stop, stop_at_chunks))
    wire = serialise(origin, HttpRequest("POST", origin.path + "/chat/completions", {}, b"{}"))
    supplies, first = [], 0
    for name, count in phases:
        total = count if count is not None else 10**6
        planned = (PlannedRequest(first + n, name, None, "", 1, 2) for n in range(total))
        supply = Supply(planned, lambda request: prepare(request, wire), total=count, ahead=count or 4)
        supplies.append(Phase(name, supply, timed=name == "measured"))
        first += total
    await driver.run(supplies)
    client.close()
    clock.close()
    return records, snapshots, driver, supplies


def test_warm_up_is_kept_apart_and_users_are_independent(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    slow: list[Action] = [stream_head() + event("a"), 0.4, event("b") + ENDING]
    server = scripted(GOOD, GOOD, slow, GOOD)
    records, snapshots, driver, _ = in_loop(drive(server.url, Load(2, None, 5), [("warmup", 2), ("measured", 9)]))
    assert [record.phase for record in records].count("warmup") == 2
    warm_end = max(record.end_ns for record in records if record.phase == "warmup")
    assert all(record.sent_ns > warm_end for record in records if record.phase == "measured")
    by_user = [[record for record in records if record.user == user and record.phase == "measured"] for user in (0, 1)]
    assert sorted(len(own) for own in by_user) == [1, 8]  # one user was held up, the other went on
    assert server.accepted == 2
    assert [name for name, _, _ in driver.observed.phases] == ["warmup", "measured"]
    assert snapshots[-1].done == 9
    assert snapshots[-1].in_flight == 0
    assert snapshots[-1].ttft_p50_s is not None


def test_a_duration_ends_the_sending_and_lets_answers_end(scripted: Scripted) -> None:
    server = scripted(GOOD)
    records, _, driver, [phase] = asyncio.run(drive(server.url, Load(2, 0.3, 5), [("measured", None)]))
    supply = phase.supply
    _, start_ns, end_ns = driver.observed.phases[0]
    assert all(record.state == "ok" for record in records)
    assert max(record.sent_ns for record in records) < start_ns + 0.3e9 < end_ns
    assert len(records) > 8
    assert supply.made_late > 0  # only four were made ahead


def test_stopping_marks_what_is_in_flight(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    server = scripted([stream_head() + event("a"), 30.0])
    records, _, driver, _ = in_loop(drive(server.url, Load(3, None, 60), [("measured", 10)], stop_at_chunks=3))
    assert [record.state for record in records] == ["cancelled"] * 3
    assert all(list(array("b", record.kinds)) == [TEXT] for record in records)
    assert driver.observed.interrupted


def test_a_server_that_is_gone_is_not_hammered(free_port: int) -> None:
    url = f"http://127.0.0.1:{free_port}/v1"
    records, _, _, _ = asyncio.run(drive(url, Load(1, 0.5, 5), [("measured", None)]))
    assert 2 <= len(records) <= 6
    assert {record.error_kind for record in records} == {"connect"}


def test_more_users_than_requests(scripted: Scripted) -> None:
    records, _, _, _ = asyncio.run(drive(scripted(GOOD).url, Load(8, None, 5), [("measured", 3)]))
    assert len(records) == 3


def test_a_key_echoed_by_the_server_is_hidden(scripted: Scripted) -> None:
    server = scripted([response(b'{"error":{"message":"bad key sk-secret"}}', "401 Unauthorized")])
    records, _, _, _ = asyncio.run(drive(server.url, Load(1, None, 5), [("measured", 1)]))
    assert records[0].error_message == "bad key ***"


def recorder_of(sink: Callable[[RequestRecord], None]) -> Recorder:
    return Recorder(asyncio.new_event_loop(), partial(assemble, dialect=CHAT, clock=Frozen(), keep_text=False), sink)


def ended(number: int) -> Exchange:
    exchange = Exchange(Prepared(number, "measured", None, 1, 2, b""), 0)
    exchange.failure, exchange.end_ns = Failure("connect", None, "refused"), 5
    return exchange


def test_a_sink_that_fails_is_told_once_and_ends_the_handing_over() -> None:
    handed: list[RequestRecord] = []
    told: list[str] = []

    def sink(record: RequestRecord) -> None:
        handed.append(record)
        if record.request == 1:
            raise OSError(28, "No space left on device")

    recorder = recorder_of(sink)
    recorder.on_error = lambda: told.append("told")
    for number in range(4):
        recorder.add(ended(number))
    recorder.drain()
    assert [record.request for record in handed] == [0, 1]
    assert recorder.error is not None
    assert told == ["told"]
    recorder._loop.close()


def test_an_answer_that_defeats_the_decoder_is_still_a_record(monkeypatch: pytest.MonkeyPatch) -> None:
    class Defeated:
        def feed(self, data: bytes) -> list[Any]:
            raise RecursionError("too deep")

    handed: list[RequestRecord] = []
    recorder = recorder_of(handed.append)
    defeated = dataclasses.replace(CHAT, decoder=Defeated)  # type: ignore[arg-type]
    recorder.assemble = partial(assemble, dialect=defeated, clock=Frozen(), keep_text=False)
    exchange = Exchange(Prepared(0, "measured", None, 1, 2, b""), 0)
    exchange.status, exchange.sent_ns, exchange.pieces = 200, 1, [b"data: x\n\n"]
    exchange.reads, exchange.stamps, exchange.marks = [7], [NO_STAMP], [1]
    recorder.add(exchange)
    recorder.add(ended(1))
    recorder.drain()
    assert [(record.state, record.error_kind, record.end_ns) for record in handed] == [
        ("failed", "malformed_event", 7),
        ("failed", "connect", 5),
    ]
    assert "too deep" in str(handed[0].error_message)
    recorder._loop.close()


def test_large_prompts_are_not_all_kept_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmdyno.engine.supply.AHEAD_BYTES", 1000)
    planned = (PlannedRequest(n, "measured", None, "", 1, 2) for n in range(50))
    supply = Supply(planned, lambda request: prepare(request, b"x" * 300), total=50)
    assert len(supply) == 4
    taken = 0
    while supply.take():
        taken += 1
    assert (taken, supply.made_late) == (50, 46)


def test_bytes_after_a_whole_answer_are_nobodys(scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a") + ENDING + b"JUNK\r\n\r\n"], GOOD)
    first, second = asyncio.run(perform(server.url, 2))
    assert (first.state, second.state, second.reused) == ("ok", "ok", False)


def test_open_files_are_foreseen() -> None:
    import resource

    allow_open_files(1)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        with pytest.raises(InputError, match=r"limit of \d+ open files"):
            allow_open_files(hard)


# --- looking before the load


async def probe(url: str, model: str = "m", api_key: str | None = "sk-secret") -> Any:
    origin = Origin.of(url)
    client = Client(origin, asyncio.get_running_loop())
    await client.resolve()
    try:
        return await look(client, origin, Target(origin.path, model, api_key), CHAT, timeout_s=0.5)
    finally:
        client.close()


def test_an_endpoint_that_does(scripted: Scripted) -> None:
    server = scripted(GOOD)
    found = asyncio.run(probe(server.url))
    assert (found.models, found.emulated) == (["m"], None)
    assert server.requests == []
    assert asyncio.run(probe(server.url, "")).models == ["m"]


def test_a_model_that_is_not_listed_is_asked_itself(scripted: Scripted) -> None:
    server = scripted(GOOD)
    asyncio.run(probe(server.url, "an-alias"))
    assert len(server.requests) == 1
    without_list = scripted(GOOD, models=response(b"Not Found", "404 Not Found", "text/html"))
    asyncio.run(probe(without_list.url))
    assert len(without_list.requests) == 1


NOT_FOUND = response(b'{"detail":"Not Found"}', "404 Not Found")
TWO_MODELS = response(b'{"data":[{"id":"a"},{"id":"b"}]}')


@pytest.mark.parametrize(
    ("models", "answer", "model", "message"),
    [
        (response(b"<html>", media_type="text/html"), GOOD, "m", "is not an OpenAI-compatible server.*text/html"),
        (response(b'{"a":1}'), GOOD, "m", "is not an OpenAI-compatible server"),
        (response(b'{"error":"no *** here"}', "401 Unauthorized"), GOOD, "m", r"401 \(no .* here\).*--api-key"),
        (NOT_FOUND, [NOT_FOUND], "m", "is not an OpenAI-compatible server: /v1/chat/completions answered 404"),
        (NOT_FOUND, [response(b'{"error":"no model m"}', "404 X")], "m", "--model: the server refuses 'm'"),
        (NOT_FOUND, [response(b'{"error":"key"}', "403 Forbidden")], "m", "chat/completions: the server answered 403"),
        (TWO_MODELS, [response(b'{"error":"no"}', "400 X")], "m", "refuses 'm'.*it lists a, b"),
        (TWO_MODELS, GOOD, "", "--model: not given, and the server lists a, b"),
        (NOT_FOUND, GOOD, "", "--model: not given, and the server keeps no list"),
        (b"garbage\r\n\r\n", GOOD, "m", "not HTTP/1.1"),
    ],
)  # fmt: skip
def test_an_endpoint_that_does_not(
    scripted: Scripted, models: bytes, answer: list[Action], model: str, message: str
) -> None:
    server = scripted(answer, models=models)
    with pytest.raises(InputError, match=message) as caught:
        asyncio.run(probe(server.url, model))
    assert "sk-secret" not in str(caught.value)


def test_a_base_that_lacks_v1(scripted: Scripted) -> None:
    class AtRoot(ScriptedServer):
        def _answer(self, sock: socket.socket, head: bytes, body: bytes) -> bool:
            sock.sendall(response(MODELS) if head.startswith(b"GET /v1/models") else NOT_FOUND)
            return True

    server = AtRoot([[]])
    try:
        with pytest.raises(InputError, match=r"did you mean --base-url http://127\.0\.0\.1:\d+/v1"):
            asyncio.run(probe(server.url.removesuffix("/v1")))
    finally:
        server.close()


def test_an_endpoint_that_is_not_there(free_port: int) -> None:
    with pytest.raises(InputError, match=rf"cannot connect to 127\.0\.0\.1 port {free_port}: connection refused"):
        asyncio.run(probe(f"http://127.0.0.1:{free_port}/v1"))
    with talkative() as port, pytest.raises(InputError, match=r"TLS with 127\.0\.0\.1:.* failed"):
        asyncio.run(probe(f"https://127.0.0.1:{port}/v1"))


@pytest.mark.parametrize(
    ("url", "authority_text", "port"),
    [
        ("http://h/v1", "h", 80),
        ("https://h", "h", 443),
        ("http://[::1]:8/v1", "[::1]:8", 8),
        ("https://h:80", "h:80", 80),
    ],
)
def test_origins(url: str, authority_text: str, port: int) -> None:
    origin = Origin.of(url)
    assert (origin.authority, origin.port) == (authority_text, port)
    wire = serialise(origin, HttpRequest("POST", "/p", {"User-Agent": "mine"}, b"{}"))
    assert wire.startswith(f"POST /p HTTP/1.1\r\nHost: {authority_text}\r\nUser-Agent: mine\r\n".encode())
    assert wire.endswith(b"Content-Length: 2\r\n\r\n{}")
    assert wire.count(b"User-Agent") == 1


# --- open loop and stages


def planned_supply(url: str, offsets_s: list[float]) -> Supply:
    origin = Origin.of(url)
    wire = serialise(origin, HttpRequest("POST", origin.path + "/chat/completions", {}, b"{}"))
    planned = (PlannedRequest(n, "measured", round(at * 1e9), "", 1, 2) for n, at in enumerate(offsets_s))
    return Supply(planned, lambda request: prepare(request, wire), total=len(offsets_s))


async def drive_load(url: str, load: Load, supply: Supply, stop_at_chunks: int | None = None) -> Any:
    loop, clock, origin = asyncio.get_running_loop(), Clock(), Origin.of(url)
    client = Client(origin, loop)
    await client.resolve()
    records: list[RequestRecord] = []
    snapshots: list[Snapshot] = []
    recorder = Recorder(loop, partial(assemble, dialect=CHAT, clock=clock, keep_text=False), records.append)

    def stop() -> None:
        driver.stop()

    driver = Driver(client, recorder, clock, load, watching(snapshots, stop, stop_at_chunks))
    await driver.run([Phase("measured", supply, timed=True)])
    client.close()
    clock.close()
    start_ns = driver.observed.phases[0][1]
    return sorted(records, key=lambda record: record.request), snapshots, start_ns


SLOW: list[Action] = [stream_head() + event("a"), 0.3, event("b") + ENDING]


def test_requests_leave_at_their_planned_instants(scripted: Scripted, in_loop: Callable[..., Any]) -> None:
    server = scripted(SLOW)
    offsets = [0.0, 0.05, 0.05, 0.1, 0.3]
    load = Load(1, None, 5, open_loop=True)
    records, _, start_ns = in_loop(drive_load(server.url, load, planned_supply(server.url, offsets)))
    assert [round((record.planned_ns - start_ns) / 1e9, 6) for record in records] == offsets
    for record in records:  # whatever those before it were doing
        first_ns = record.connect_start_ns or record.sent_ns
        assert 0 <= first_ns - record.planned_ns < 200_000_000
    assert all(record.state == "ok" for record in records)


def test_a_bound_holds_requests_back_and_their_instants_stay(scripted: Scripted) -> None:
    server = scripted(SLOW)
    load = Load(1, None, 5, open_loop=True, max_concurrency=1)
    supply = planned_supply(server.url, [0.0, 0.01, 0.02])
    records, snapshots, start_ns = asyncio.run(drive_load(server.url, load, supply))
    assert [round((record.planned_ns - start_ns) / 1e9, 6) for record in records] == [0.0, 0.01, 0.02]
    waits = [(record.sent_ns - record.planned_ns) / 1e9 for record in records]
    assert waits[0] < 0.2
    assert waits[1] > 0.25
    assert waits[2] > 0.5  # first come, first served
    assert server.accepted == 1
    assert max(snapshot.waiting for snapshot in snapshots) >= 1


def test_a_throttled_request_gives_its_place_up_until_it_comes_again(scripted: Scripted) -> None:
    refusal: list[Action] = [response(b'{"message":"slow down"}', "429 Too Many Requests")]
    server = scripted(refusal, SLOW)
    load = Load(
        1, None, 5, retries=2, open_loop=True, max_concurrency=1, throttled=lambda exchange: exchange.status == 429
    )
    supply = planned_supply(server.url, [0.0, 0.01, 0.02])
    records, _, _ = asyncio.run(drive_load(server.url, load, supply))
    first, second, third, again = records
    assert [record.state for record in records] == ["failed", "ok", "ok", "ok"]
    assert (again.attempt, again.request % ATTEMPT_STRIDE) == (1, first.request)
    assert second.sent_ns < third.sent_ns < again.sent_ns
    assert (second.sent_ns - first.sent_ns) / 1e9 < 0.5  # it did not wait for the other's second attempt
    assert 1.0 <= (again.sent_ns - first.sent_ns) / 1e9 < 2.0
    assert again.planned_ns is None


def test_stopping_an_open_loop_sends_nothing_more(scripted: Scripted) -> None:
    server = scripted([stream_head() + event("a"), 30.0])
    load = Load(1, None, 60, open_loop=True, max_concurrency=2)
    supply = planned_supply(server.url, [0.0, 0.0, 0.0, 60.0])
    began = time.monotonic()
    records, _, _ = asyncio.run(drive_load(server.url, load, supply, stop_at_chunks=2))
    assert time.monotonic() - began < 5
    assert [record.state for record in records] == ["cancelled", "cancelled"]


def test_the_number_of_users_follows_the_stages(scripted: Scripted) -> None:
    quick: list[Action] = [stream_head() + event("a"), 0.02, event("b") + ENDING]
    server = scripted(quick)
    load = Load(9, None, 5, stages=((0.0, 0.4, 1), (0.4, 0.4, 4), (1.0, 0.2, 2)))
    origin = Origin.of(server.url)
    wire = serialise(origin, HttpRequest("POST", origin.path + "/chat/completions", {}, b"{}"))
    planned = (PlannedRequest(n, "measured", None, "", 1, 2) for n in range(10**6))
    supply = Supply(planned, lambda request: prepare(request, wire), total=None, ahead=50)
    records, _, start_ns = asyncio.run(drive_load(server.url, load, supply))
    at = [((record.sent_ns - start_ns) / 1e9, (record.end_ns - start_ns) / 1e9) for record in records]

    def most(low: float, high: float) -> int:
        return max(sum(sent <= m / 100 < end for sent, end in at) for m in range(int(low * 100), int(high * 100)))

    assert most(0.1, 0.35) == 1
    assert most(0.5, 0.75) == 4
    assert not any(0.93 < sent < 0.99 for sent, _ in at)  # the pause before the third
    assert most(1.0, 1.2) == 2
    assert max(sent for sent, _ in at) < 1.5


# --- TLS and proxies


def test_an_authority_of_ones_own_and_a_certificate_to_show(
    scripted: Scripted, authority: trustme.CA, tmp_path: Any
) -> None:
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_context)
    authority.configure_trust(server_context)
    server_context.verify_mode = ssl.CERT_REQUIRED
    server_context.set_alpn_protocols(["h2", "http/1.1"])
    seen: list[Any] = []

    def wrap(sock: socket.socket) -> socket.socket:
        wrapped = server_context.wrap_socket(sock, server_side=True)
        seen.append((wrapped.getpeercert(), wrapped.selected_alpn_protocol()))
        return wrapped

    server = scripted(GOOD, wrap=wrap)
    ours = authority.issue_cert("client@example.org")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ours.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    ours.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    url = f"https://localhost:{server.port}/v1"
    files = {"ca_file": str(tmp_path / "ca.pem"), "client_cert": str(tmp_path / "cert.pem")}
    context = make_context(**files, client_key=str(tmp_path / "key.pem"))
    record = asyncio.run(one_request(url, tls=context))
    assert record.state == "ok", record.error_message
    assert record.connect_start_ns <= record.connected_ns <= record.tls_ns <= record.sent_ns <= record.headers_ns
    certificate, protocol = seen[0]
    assert ("email", "client@example.org") in certificate["subjectAltName"]
    assert protocol == "http/1.1"  # the server would have spoken HTTP/2
    stranger = asyncio.run(one_request(url, tls=make_context()))
    assert (stranger.error_kind, "does not verify" in stranger.error_message) == ("tls", True)
    trusting = make_context(insecure=True, client_cert=files["client_cert"], client_key=str(tmp_path / "key.pem"))
    assert asyncio.run(one_request(url, tls=trusting)).state == "ok"


async def one_request(url: str, **options: Any) -> RequestRecord:
    loop, clock, origin = asyncio.get_running_loop(), Clock(), Origin.of(url)
    client = Client(origin, loop, **options)
    await client.resolve()
    request = HttpRequest("POST", origin.path + "/chat/completions", {"Authorization": "Bearer k"}, b"{}")
    exchange = Exchange(Prepared(0, "measured", None, 1, 2, client.serialise(request)), 0)
    await client.perform(exchange, 5)
    client.close()
    clock.close()
    return outcome(assemble(exchange, CHAT, clock, keep_text=False))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ca_file": "no-such.pem"}, "--ca-file: no-such.pem cannot be used"),
        ({"client_cert": "no-such.pem"}, "--client-cert, --client-key: cannot be used"),
    ],
)
def test_files_that_are_no_certificates(options: dict[str, str], words: str) -> None:
    with pytest.raises(InputError) as refused:
        make_context(**options)  # type: ignore[arg-type]
    assert words in str(refused.value)


def test_a_plain_proxy_gets_the_whole_url(scripted: Scripted) -> None:
    server = scripted(GOOD)
    proxy = Proxy("127.0.0.1", server.port, "Basic dTpw")
    record = asyncio.run(one_request("http://far.example/v1", proxy=proxy))
    assert record.state == "ok", record.error_message
    assert server.requests[0].startswith(
        b"POST http://far.example/v1/chat/completions HTTP/1.1\r\nHost: far.example\r\n"
    )
    assert b"Proxy-Authorization: Basic dTpw" in server.requests[0]


def test_a_tunnel_through_a_proxy(scripted: Scripted, authority: trustme.CA, tmp_path: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("far.example").configure_cert(context)
    asked: list[bytes] = []

    def wrap(sock: socket.socket) -> socket.socket:
        data = b""
        while b"\r\n\r\n" not in data:
            data += sock.recv(4096)
        asked.append(data)
        sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return context.wrap_socket(sock, server_side=True)

    server = scripted(GOOD, wrap=wrap)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    proxy = Proxy("127.0.0.1", server.port, "Basic dTpw")
    options = {"proxy": proxy, "tls": make_context(ca_file=str(tmp_path / "ca.pem"))}
    record = asyncio.run(one_request("https://far.example/v1", **options))
    assert record.state == "ok", record.error_message
    assert asked[0].startswith(b"CONNECT far.example:443 HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dTpw" in asked[0]
    assert b"Proxy-Authorization" not in server.requests[0]  # that is the proxy's, not the server's


def test_a_proxy_that_refuses(scripted: Scripted) -> None:
    refusal: list[Action] = [b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "close"]
    server = scripted(refusal)
    record = asyncio.run(one_request("https://far.example/v1", proxy=Proxy("127.0.0.1", server.port)))
    assert record.error_kind == "connect"
    assert "407 Proxy Authentication Required" in record.error_message


@pytest.mark.parametrize(
    ("environ", "url", "expected"),
    [
        ({"http_proxy": "http://p:3128"}, "http://far.example/v1", ("p", 3128, None)),
        ({"https_proxy": "http://u:p%40ss@p:3128"}, "https://far.example/v1", ("p", 3128, "Basic dTpwQHNz")),
        ({"all_proxy": "p:3128"}, "https://far.example/v1", ("p", 3128, None)),
        ({"http_proxy": "http://p:3128"}, "https://far.example/v1", None),
        ({"http_proxy": "http://p:3128", "no_proxy": "far.example"}, "http://far.example/v1", None),
        ({"http_proxy": "http://p:3128"}, "http://127.0.0.1:8000/v1", None),
        ({"http_proxy": "http://p:3128"}, "http://localhost:8000/v1", None),
    ],
)
def test_proxies_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], url: str, expected: tuple[str, int, str | None] | None
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    found = find_proxy(Origin.of(url))
    assert (None if found is None else (found.host, found.port, found.authorization)) == expected


def test_a_proxy_that_is_not_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks5://p:1080")
    with pytest.raises(InputError, match="a proxy by socks5 is not spoken"):
        find_proxy(Origin.of("https://far.example/v1"))
