"""The emulator over HTTP/2, driven by a client of frames: on real sockets, with a protocol stack that is not ours."""

from __future__ import annotations

import gc
import json
import random
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace

import pytest
from h2.errors import ErrorCodes
from h2.settings import SettingCodes
from tests.emulator.serving import CHAT, PATIENCE_S, Served, request, serving
from tests.emulator.test_wire import ALWAYS, ENDLESS, STREAM, WHOLE, wait_until
from tests.emulator.two import Client, Got

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.faults import Faults
from llmdyno.emulator.http import NO_HTTP2, split
from llmdyno.emulator.incoming import HTTP2_PREFACE
from llmdyno.emulator.moto import AwsServices

COMPLETIONS = "/v1/chat/completions"
MODEL = "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aimported-model%2Femulated0001/"


@pytest.fixture(scope="module")
def plain() -> Iterator[Served]:
    with serving(scaling=ALWAYS) as served:
        yield served
        assert (served.told, served.errors) == ([], [])


@pytest.fixture
def client(plain: Served) -> Iterator[Client]:
    with Client(plain.port) as client:
        yield client


def statuses(served: Served) -> dict[int, int]:
    lines = served.ask("GET", "/truth").body.splitlines()
    return {one["n"]: one["status"] for one in map(json.loads, lines)}


# --- answers


def test_a_stream_comes_event_by_event_when_each_is_made() -> None:
    with serving(scaling=replace(ALWAYS, first_inference_s=0), speed=1.0) as served, Client(served.port) as client:
        body = {"prompt": "x", "max_gen_len": 6, "ignore_eos": True}
        got = client.post(MODEL + "invoke-with-response-stream", body)
        [written] = [json.loads(line)["t"] for line in served.ask("GET", "/truth").body.splitlines()]
    assert got.status == 200
    assert got.headers["content-type"] == "application/vnd.amazon.eventstream"
    assert got.headers["x-llmdyno-emulated"].startswith("profile=")
    assert len(got.frames) in (6, 7)  # the end comes with the last token, in one frame or in two
    for frame in got.frames[:5]:
        assert int.from_bytes(frame[:4], "big") == len(frame)  # one event of the event stream, whole
    for at_s, written_ns in zip(got.at_s[:6], written, strict=True):
        assert 0 <= at_s - written_ns / 1e9 < 0.1
    assert got.at_s[5] - got.at_s[0] > 0.03


def test_many_streams_on_one_connection(plain: Served, client: Client) -> None:
    numbers = [
        client.ask("POST", COMPLETIONS, json.dumps({**STREAM, "max_tokens": 1 + n}).encode()) for n in range(150)
    ]
    for n, number in enumerate(numbers):
        got = client.answer(number)
        assert (got.status, got.body.count(b'"delta":{"content"')) == (200, 1 + n)
        assert got.body.endswith(b"data: [DONE]\n\n")


def test_the_same_answers_as_over_http_1(plain: Served, client: Client) -> None:
    for path in ("/v1/models", "/health", "/nothing", "/v1/messages"):
        first, second = plain.ask("GET", path), client.get(path)
        assert (first.status, first.body) == (second.status, second.body)
        assert first.headers["Content-Length"] == second.headers["content-length"] == str(len(second.body))
    assert "transfer-encoding" not in client.get("/truth").headers
    assert client.answer(client.ask("OPTIONS", "*")).headers["allow"] == "GET, HEAD, POST, OPTIONS"
    assert client.answer(client.ask("HEAD", "/v1/models")).frames == []
    assert client.answer(client.ask("TRACE", "/")).status == 405
    assert client.answer(client.ask("GET", "nothing")).message == "the request target is not a path"
    assert client.answer(client.head("GET", "/health", host="foreign.example", end=True)).status == 421


def test_a_long_body_in_and_a_long_body_out(plain: Served) -> None:
    with Client(plain.port) as client:
        long = client.post(COMPLETIONS, {**WHOLE, "messages": [{"role": "user", "content": "a" * 3_000_000}]})
        assert (long.status, "maximum context" in long.message) == (400, True)
        for _ in range(3):
            assert client.post(COMPLETIONS, {**WHOLE, "max_tokens": 3000}).status == 200
    with Client(plain.port, settings={SettingCodes.INITIAL_WINDOW_SIZE: 1000}) as client:
        truth = client.get("/truth")
    assert len(truth.body) > 100_000
    assert all(len(frame) <= 1000 for frame in truth.frames)
    assert truth.body == plain.ask("GET", "/truth").body


def test_windows_that_are_shut_hold_up_one_stream_alone(plain: Served) -> None:
    with Client(plain.port, room=False, settings={SettingCodes.INITIAL_WINDOW_SIZE: 300}) as client:
        client.get("/health")  # the settings are known from here on
        held = client.ask("POST", COMPLETIONS, json.dumps(STREAM).encode())
        client.until(lambda: len(client.streams[held].body) == 300)
        assert client.get("/health").status == 200
        client.protocol.increment_flow_control_window(10_000, held)
        client.flush()
        assert client.answer(held).body.endswith(b"[DONE]\n\n")


def test_trailers_and_continue(plain: Served, client: Client) -> None:
    number = client.head("POST", COMPLETIONS, [("expect", "100-continue"), ("te", "trailers")])
    client.until(lambda: bool(client.streams[number].informed))
    client.protocol.send_data(number, json.dumps(CHAT).encode())
    client.protocol.send_headers(number, [("x-sum", "1")], end_stream=True)
    client.flush()
    assert (client.answer(number).status, client.streams[number].informed) == (200, ["100"])


def test_a_client_may_begin_with_single_bytes(plain: Served) -> None:
    with Client(plain.port) as other, plain.connect() as sock:
        other.get("/health")
        for byte in HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0":
            sock.sendall(bytes([byte]))
        assert sock.recv(9)[3] == 4  # SETTINGS
    with plain.connect() as sock:
        sock.sendall(request("GET", "/health") + HTTP2_PREFACE)
        answer = b""
        while data := sock.recv(65536):
            answer += data
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 505 " in answer  # it is too late for another protocol


# --- ends


def test_a_client_that_resets_a_stream_has_left() -> None:
    with serving(scaling=ALWAYS, speed=100.0) as served, Client(served.port) as client:
        number = client.ask("POST", COMPLETIONS, json.dumps(ENDLESS).encode())
        client.until(lambda: len(client.streams[number].frames) > 2)
        client.drop(number)
        wait_until(lambda: statuses(served)[0] == -1)
        assert client.get("/health").status == 200
        gone = client.ask("POST", COMPLETIONS, json.dumps(ENDLESS).encode())
        client.until(lambda: client.streams[gone].status == 200)
        client.sock.close()
        wait_until(lambda: statuses(served)[1] == -1)
        assert served.errors == []


def test_a_client_may_reset_a_stream_at_once() -> None:
    """Before the answer of another service is asked for: nobody is asked, and nothing is left behind."""
    with warnings.catch_warnings(record=True) as warned, serving(services=AwsServices()) as served:
        warnings.simplefilter("always")
        with Client(served.port) as client:
            pseudo = [(":method", "GET"), (":path", "/bucket"), (":scheme", "http"), (":authority", "127.0.0.1")]
            client.protocol.send_headers(1, pseudo, end_stream=True)
            client.drop(1)
            client.streams[1] = Got()
            assert client.get("/health").status == 200
        gc.collect()
        assert (served.errors, [str(one.message) for one in warned]) == ([], [])


def test_after_goaway_the_open_stream_goes_on_to_its_end() -> None:
    with serving(scaling=ALWAYS, speed=20.0) as served, Client(served.port) as client:
        number = client.ask("POST", COMPLETIONS, json.dumps({**STREAM, "max_tokens": 40}).encode())
        client.until(lambda: client.streams[number].status == 200)
        client.sock.sendall(b"\0\0\x08\x07" + bytes(13))  # GOAWAY without an error
        client.until(lambda: client.streams[number].ended)
        assert client.streams[number].body.endswith(b"[DONE]\n\n")
        client.to_the_end()
        assert statuses(served) == {0: 200}


@pytest.mark.parametrize(
    ("kind", "status", "reset"),
    [("throttle", 429, None), ("stream_error", 200, None), ("cut", 200, int(ErrorCodes.INTERNAL_ERROR))],
)
def test_a_fault_happens_to_its_stream_alone(kind: str, status: int, reset: int | None) -> None:
    with serving(scaling=ALWAYS, faults=Faults({kind: 1.0})) as served, Client(served.port) as client:
        got = client.post(MODEL + "converse-stream", {"messages": [{"role": "user", "content": [{"text": "x"}]}]})
        assert (got.status, got.reset) == (status, reset)
        assert (b"modelStreamErrorException" in got.body) == (kind == "stream_error")
        assert client.get("/health").status == 200


BROKEN = {
    "a frame that is too long": b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "a stream with an even number": b"\0\0\1\1\5\0\0\0\2\x82",
    "data on no stream": b"\0\0\1\0\0\0\0\0\x09x",
    "headers that are no HPACK": b"\0\0\4\1\5\0\0\0\1\xff\xff\xff\xff",
    "settings of a wrong length": b"\0\0\1\4\0\0\0\0\0x",
    "a head without a method": b"\0\0\1\1\5\0\0\0\1\x84",
    "a window of more than 2³¹": b"\0\0\4\x08\0\0\0\0\0\x7f\xff\xff\xff",
    "a continuation of nothing": b"\0\0\1\x09\4\0\0\0\1\x82",
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_http_2_gets_a_goaway(plain: Served, name: str) -> None:
    with Client(plain.port) as client, Client(plain.port) as other:
        client.sock.sendall(BROKEN[name])
        client.to_the_end()
        assert client.goodbye
        assert other.get("/health").status == 200


@pytest.mark.parametrize("seed", range(4))
def test_random_frames_end_cleanly(plain: Served, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(40):
        data = bytearray()
        for _ in range(rng.randint(1, 8)):
            length = rng.choice((0, 1, 4, 5, 8, 30, 300))
            data += length.to_bytes(3, "big") + bytes([rng.choice((*range(11), 255)), rng.choice((0, 1, 4, 5, 8, 37))])
            data += rng.choice((0, 1, 1, 3, 5, 2, 2**31 - 1)).to_bytes(4, "big") + rng.randbytes(length)
        with plain.connect() as sock:
            sock.sendall(HTTP2_PREFACE + b"\0\0\0\4\0\0\0\0\0" + bytes(data) + rng.randbytes(rng.randint(0, 20)))
            sock.shutdown(1)
            while sock.recv(65536):
                pass
    assert plain.ask("GET", "/health").status == 200


# --- bounds


def test_what_is_too_long_or_too_slow_is_refused() -> None:
    bounds = Bounds(head_bytes=2000, body_bytes=10_000, request_s=0.1, linger_s=0.1)
    with serving(bounds=bounds) as served, Client(served.port) as client:
        assert client.answer(client.ask("GET", "/health", more=[("x", "a" * 2500)])).status == 431
        number = client.head("POST", COMPLETIONS)
        for _ in range(3):
            client.protocol.send_data(number, b"a" * 4000)
        client.flush()
        got = client.answer(number)
        client.until(lambda: got.reset is not None)
        assert (got.status, got.ended, got.reset) == (413, True, 0)
        slow = client.answer(client.head("POST", COMPLETIONS))
        assert (slow.status, slow.message) == (408, "the request was not whole within 0.1 s")
        assert client.get("/health").status == 200
        client.ask("GET", "/health", more=[("x", "a" * 9000)])
        client.to_the_end()  # a list of headers that is not even read
        assert client.goodbye == ErrorCodes.ENHANCE_YOUR_CALM


def test_more_streams_than_the_bound_end_the_connection() -> None:
    with serving(bounds=Bounds(streams=3)) as served, Client(served.port) as client:
        client.get("/health")
        client.protocol.remote_settings.update({SettingCodes.MAX_CONCURRENT_STREAMS: 100})
        client.protocol.remote_settings.acknowledge()
        for _ in range(4):
            client.head("POST", COMPLETIONS)
        client.to_the_end()
        assert client.goodbye is not None


def test_many_slow_uploads_together_are_bounded() -> None:
    with serving(bounds=Bounds(held_bytes=100_000)) as served, Client(served.port) as client:
        assert [client.answer(client.ask("POST", "/nothing", b"a" * 60_000)).status for _ in range(2)] == [404, 404]
        slow = [client.head("POST", COMPLETIONS) for _ in range(9)]
        for number in slow:
            client.protocol.send_data(number, b"a" * 12_000)
            client.flush()
            assert client.get("/health").status == 200
        assert [client.streams[number].status for number in slow] == [0] * 8 + [503]


def test_a_client_that_makes_no_room_is_dropped() -> None:
    settings = {SettingCodes.INITIAL_WINDOW_SIZE: 100}
    with serving(bounds=Bounds(unread_s=0.05, request_s=0.1), scaling=ALWAYS) as served:
        with Client(served.port, room=False, settings=settings) as client:
            client.ask("POST", COMPLETIONS, json.dumps(ENDLESS).encode())
            client.to_the_end()
        assert statuses(served) == {0: -1}
    with serving(bounds=Bounds(held_bytes=100_000), scaling=ALWAYS, speed=1e6) as served:
        with Client(served.port, room=False, settings=settings) as client:
            client.ask("POST", COMPLETIONS, json.dumps(ENDLESS).encode())
            client.to_the_end()
        assert served.ask("GET", "/health").status == 200  # what it held is free again


# --- without the package


SERVE_WITHOUT = """
import sys
sys.modules["h2"] = None
from llmdyno.cli import main
sys.exit(main(["serve", "--port", "0", "--no-aws-services", "--embedded"]))
"""


def test_without_the_package_such_a_client_is_told() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", SERVE_WITHOUT], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            port = int(json.loads(process.stdout.readline())["root"].rpartition(":")[2])
            for _ in range(2):
                with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
                    sock.sendall(HTTP2_PREFACE)
                    answer = b""
                    while data := sock.recv(4096):
                        answer += data
                assert answer == NO_HTTP2
            with Client(port) as client:
                client.to_the_end()
                assert client.goodbye == ErrorCodes.HTTP_1_1_REQUIRED
        finally:
            process.terminate()
        [line] = process.stderr.read().decode().splitlines()
        assert line.endswith("speaks HTTP/2, which needs the package h2: pip install 'llmdyno[emulator]'")


def test_an_answer_taken_apart() -> None:
    whole = b"HTTP/1.1 200 OK\r\nX-A: b:c \r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert split(whole + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n") == (200, [("x-a", "b:c")], b"abcde")
    assert split(b"HTTP/1.1 404 Not Found\r\nA: 1\r\n\r\nx\r\n\r\ny") == (404, [("a", "1")], b"x\r\n\r\ny")
