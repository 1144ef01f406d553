"""The emulator under clients that do odd things: on real sockets, answer by answer."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from http.client import HTTPException
from typing import Any

import pytest
from tests.emulator import odd
from tests.emulator.serving import CHAT, PATIENCE_S, TEXT, Answered, Served, read, request, serving

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.copies import Scaling
from llmdyno.emulator.faults import KINDS, Faults
from llmdyno.emulator.openai import MODELS_PATH

ALWAYS = Scaling(cold_start_s=0, idle_s=1e9, hold=True)
WHOLE = {**CHAT, "ignore_eos": True}
STREAM = {**WHOLE, "stream": True}
ENDLESS = {**STREAM, "max_tokens": 100_000}


@pytest.fixture(scope="module")
def plain() -> Iterator[Served]:
    with serving(scaling=ALWAYS) as served:
        yield served
        assert (served.told, served.errors) == ([], [])


def post(body: dict[str, Any], headers: dict[str, str] | None = None) -> bytes:
    return request("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)


def wait_until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def closed(sock: socket.socket) -> bool:
    """Whether the server closes the connection, with or without a last word."""
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


# --- requests of every form


@pytest.mark.parametrize(
    ("line", "status", "allow"),
    [
        ("OPTIONS *", 200, "GET, HEAD, POST, OPTIONS"),
        ("OPTIONS /v1/models", 200, "GET, HEAD, OPTIONS"),
        ("OPTIONS /v1/messages", 200, "POST, OPTIONS"),
        ("OPTIONS /nothing", 404, None),
        ("GET *", 404, None),
        ("GET /v1/messages", 405, "POST, OPTIONS"),
        ("PUT /health", 405, "GET, HEAD, OPTIONS"),
        ("TRACE /", 405, "OPTIONS"),
        ("TRACE /health", 405, "GET, HEAD, OPTIONS"),
        ("CONNECT localhost:80", 405, "OPTIONS"),
        ("PROPFIND /", 404, None),
        ("GET http://localhost:1/health", 200, None),
        ("GET HTTP://127.0.0.1/health?x", 200, None),
        ("GET http://foreign.example/health", 421, None),
    ],
)
def test_a_method_and_a_target(plain: Served, line: str, status: int, allow: str | None) -> None:
    method, _, target = line.partition(" ")
    answered = plain.ask(method, target)
    assert (answered.status, answered.headers.get("Allow")) == (status, allow)
    assert answered.closed is (method == "CONNECT")


def test_an_upgrade_is_answered_as_if_it_were_not_asked_for(plain: Served) -> None:
    asked = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
    with plain.connect() as sock:
        for _ in range(2):
            sock.sendall(post(WHOLE, asked))
            answered = read(sock)
            assert json.loads(answered.body)["usage"]["completion_tokens"] == 3


def test_head_is_get_without_the_body(plain: Served) -> None:
    for url in ("/health", "/truth", MODELS_PATH):
        got, head = plain.ask("GET", url), plain.ask("HEAD", url)
        assert (head.status, head.body, head.headers.get("Content-Length")) == (
            200,
            b"",
            got.headers.get("Content-Length"),
        )


def test_http_1_0_gets_no_chunks(plain: Served) -> None:
    data = post(STREAM).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: 127.0.0.1\r\n", b"Connection: keep-alive\r\n")
    answered = plain.send(data)
    assert (answered.status, answered.headers.get("Transfer-Encoding"), answered.closed) == (200, None, True)
    assert answered.body.startswith(b"data: {")
    assert answered.body.endswith(b"data: [DONE]\n\n")
    assert plain.send(b"GET /truth HTTP/1.0\r\n\r\n").body.endswith(b"]}\n")


def test_a_client_that_wants_to_close_is_told_that_the_connection_closes(plain: Served) -> None:
    for body in (WHOLE, STREAM):
        with plain.connect() as sock:
            sock.sendall(post(body, {"Connection": "close"}))
            answered = read(sock)
            assert (answered.status, answered.headers["Connection"], sock.recv(1)) == (200, "close", b"")


def test_pipelined_requests_are_answered_in_order(plain: Served) -> None:
    with plain.connect() as sock:
        reader = sock.makefile("rb")
        sock.sendall(post(WHOLE) + request("GET", "/nothing") + post(STREAM) + b"BREW / HTTP/1.1\r\n\r\n")
        data = reader.read()
    assert re.findall(rb"HTTP/1.1 (\d+) ", data) == [b"200", b"404", b"200", b"501"]


def test_a_client_that_sends_all_and_reads_nothing_holds_up_itself_alone(plain: Served) -> None:
    with plain.connect() as sock:
        sock.settimeout(0.2)
        many, sent = request("GET", "/v1/models") * 1000, 0
        with contextlib.suppress(TimeoutError):
            while sent < 100_000_000:
                sent += sock.send(many)
        assert sent < 100_000_000
        assert plain.ask("GET", "/health").status == 200
        [connection] = [one for one in plain.emulator._listener._connections if one._unsent]
        assert connection._held < 1_000_000
    wait_until(lambda: not plain.emulator._listener._connections)


def test_continue_is_sent_when_the_body_is_wanted(plain: Served) -> None:
    waiting = {"Expect": "100-continue"}
    head, blank, body = post(WHOLE, waiting).partition(b"\r\n\r\n")
    with plain.connect() as sock:
        sock.sendall(head + blank)
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(body)
        assert read(sock).status == 200
    too_long = request("POST", "/health", headers={**waiting, "Content-Length": "99999999999"})
    assert plain.send(too_long).status == 413


def test_a_client_that_ends_its_side_still_gets_its_answer(plain: Served) -> None:
    with plain.connect() as sock:
        sock.sendall(request("GET", "/truth") + request("GET", "/health"))
        sock.shutdown(socket.SHUT_WR)
        data = sock.makefile("rb").read()
    assert data.count(b"HTTP/1.1 200 OK") == 2


def test_a_refusal_arrives_although_the_client_is_still_sending(plain: Served) -> None:
    for _ in range(5):
        with plain.connect() as sock:
            sock.sendall(b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n")
            with contextlib.suppress(OSError):
                sock.sendall(b"x" * 3_000_000)
            answered = read(sock)
            assert (answered.status, answered.closed) == (413, True)
            assert answered.message == "the body is longer than 33,554,432 bytes"


# --- bodies and fields


@pytest.mark.parametrize("seed", range(3))
def test_odd_requests_get_a_proper_answer(plain: Served, seed: int) -> None:
    for one in odd.requests(seed, 150):
        answered = ask_odd(plain, one)
        if answered is None:
            assert not one.whole, one.data
            continue
        assert answered.status in range(200, 506), one.data
        assert answered.status != 500, one.data
        assert not (one.whole and answered.status >= 400) or answered.message, one.data
    assert (plain.told, plain.errors) == ([], [])
    assert plain.ask("GET", "/health").status == 200


def ask_odd(served: Served, one: odd.Odd) -> Answered | None:
    """The answer; None if there is none, as for a request that is not whole."""
    with served.connect() as sock:
        with contextlib.suppress(OSError):
            sock.sendall(one.data)
            if not one.whole:
                sock.shutdown(socket.SHUT_WR)
        try:
            return read(sock, one.method)
        except (OSError, HTTPException):
            return None


FIELDS = (
    *({"stream": "true"}, {"temperature": "hot"}, {"top_p": []}, {"stop": [1]}, {"tools": "x"}, {"stream_options": []}),
    *({"max_tokens": value} for value in ("3", 0, -1, 1.5, True, [], 2**70)),
    *({"messages": value} for value in (None, "x", [], ["x"], [{"content": 5}], [{"content": [{"text": 5}]}])),
)


@pytest.mark.parametrize("fields", FIELDS)
def test_a_wrong_field_of_a_chat_is_refused(plain: Served, fields: dict[str, Any]) -> None:
    answered = plain.send(post({**WHOLE, **fields}))
    assert answered.status == 400
    assert len(answered.message) < 150


UNFIT = "failed to satisfy constraint: Member must"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"jobName": "-" * 60}, f"Value '{'-' * 60}' at 'jobName' {UNFIT} satisfy regular expression pattern: [a-z"),
        ({"jobName": "a" + "-" * 61 + "_"}, f"Value 'a{'-' * 61}_' at 'jobName' {UNFIT} satisfy regular expression"),
        ({"jobName": ["x"]}, f"Value a list at 'jobName' {UNFIT} be a string"),
        ({"roleArn": "x" * 5000}, f"Value '{'x' * 100}…' at 'roleArn' {UNFIT} have length less than or equal to 2048"),
        (
            {"modelDataSource": {"s3DataSource": []}},
            f"Value null at 'modelDataSource.s3DataSource.s3Uri' {UNFIT} not be",
        ),
        ({"modelDataSource": "x"}, f"Value null at 'modelDataSource.s3DataSource.s3Uri' {UNFIT} not be null"),
        ({"jobTags": 5}, f"Value 5 at 'jobTags' {UNFIT} be a list of tags"),
        ({"jobTags": [{"key": "a"}]}, f"Value null at 'jobTags.1.member.value' {UNFIT} not be null"),
        ({"vpcConfig": []}, f"Value null at 'vpcConfig.subnetIds' {UNFIT} not be null"),
        ({"importedModelKmsKeyId": "x"}, f"Value 'x' at 'importedModelKmsKeyId' {UNFIT} satisfy regular expression"),
    ],
)
def test_a_wrong_field_of_an_import_is_refused(plain: Served, fields: dict[str, Any], message: str) -> None:
    answered = plain.ask("POST", "/model-import-jobs", json.dumps({**odd.JOB, **fields}).encode())
    count = 1 + ("vpcConfig" in fields)
    start = f"{count} validation error{'s' * (count > 1)} detected: "
    assert (answered.status, answered.message.startswith(start + message)) == (400, True), answered.message


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/imported-models?creationTimeAfter=0001-01-01T00:00:00%2B14:00", 200),
        ("/imported-models?creationTimeAfter=yesterday", 400),
        ("/imported-models?maxResults=" + "9" * 5000, 400),
        ("/imported-models?nextToken=99999999999999999999", 200),
        ("/imported-models/%FF%00", 400),
        ("/imported-models/" + "a" * 5000, 400),
        ("/imported-models/absent", 404),
        ("/model-import-jobs/a" + "-" * 100 + "_", 400),
        ("/model-import-jobs?statusEquals=Done", 400),
    ],
)
def test_odd_queries_of_the_control_plane(plain: Served, url: str, status: int) -> None:
    answered = plain.ask("GET", url)
    assert (answered.status, len(answered.body) < 500) == (status, True)


def test_a_signature_whose_date_is_none_is_refused() -> None:
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDLLMDYNOEMULATED0/20260101/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}"
    )
    with serving(verify_signatures=True) as served:
        headers = {"Authorization": authorization, "X-Amz-Date": "20269999T999999Z"}
        answered = served.ask("POST", f"/model/{odd.ARN}/invoke", b'{"prompt":"x"}', headers)
        assert (answered.status, answered.message) == (403, "The date of the signature cannot be read.")


def test_calls_of_models_that_do_not_exist_are_not_counted() -> None:
    with serving() as served:
        for name in ("arn:aws:bedrock:us-east-1:123456789012:imported-model%2Fother", "other", odd.ARN):
            assert served.ask("POST", f"/model/{name}/invoke", b"{}").status in (400, 404)
        assert set(served.emulator.counts._values) == {(served.emulator.model_arn, "InvocationClientErrors")}


def test_deep_and_long_bodies_are_refused_in_the_words_of_each_api(plain: Served) -> None:
    deep = b'{"model":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    found = [plain.ask("POST", url, deep, headers) for _, url, _, headers in odd.ROUTES[:11]]
    assert {answered.status for answered in found} == {400, 413}  # the control plane takes no such length
    assert [one.message for one in found[2:6]] == [
        "the body is nested too deeply",
        *["The request body is not valid JSON: the body is nested too deeply."] * 2,
        "The request body is not valid JSON.",
    ]


def test_a_text_too_long_to_count_is_too_long_for_the_context(plain: Served) -> None:
    answered = plain.send(post({**WHOLE, "messages": [{"role": "user", "content": " " * 2_000_000}]}))
    assert (answered.status, answered.message) == (400, "the maximum context length is 131072 tokens")


# --- bounds


def test_a_request_that_is_not_whole_in_time_is_refused() -> None:
    with serving(bounds=Bounds(request_s=0.1)) as served:
        with served.connect() as idle, served.connect() as slow, served.connect() as slower:
            slow.sendall(b"GET /health HTTP/1.1\r\n")
            slower.sendall(request("POST", "/health", headers={"Content-Length": "10"}) + b"abc")
            for one in (slow, slower):
                answered = read(one)
                assert (answered.status, answered.message) == (408, "the request was not whole within 0.1 s")
                assert closed(one)
            idle.sendall(request("GET", "/health"))  # a connection between requests may be idle
            assert read(idle).status == 200
        assert served.emulator.room.take(served.emulator.bounds.held_bytes)


def test_many_slow_uploads_together_are_bounded() -> None:
    upload = request("POST", "/health", headers={"Content-Length": "200000"}) + b"x" * 100_000
    with serving(bounds=Bounds(held_bytes=1_000_000)) as served, contextlib.ExitStack() as stack:
        room, clients = served.emulator.room, [stack.enter_context(served.connect()) for _ in range(15)]
        for left in range(900_000, -1, -100_000):
            clients[left // 100_000].sendall(upload)
            wait_until(lambda expected=left: room._left == expected)  # type: ignore[misc]
        for client in clients[10:]:
            client.sendall(upload)
            answered = read(client)
            assert (answered.status, answered.closed) == (503, True)
            assert answered.message == "the emulator holds as many bytes of requests as it may; try again later"
        assert served.ask("GET", "/health").status == 200
        for client in clients[:10]:
            client.close()
        wait_until(lambda: room._left == 1_000_000)


def test_a_client_that_does_not_read_its_stream_is_dropped() -> None:
    with serving(bounds=Bounds(held_bytes=200_000), speed=1e6) as served:
        with served.connect() as sock:
            sock.sendall(post(ENDLESS))
            wait_until(lambda: [truth.status for truth in served.emulator.truths] == [-1])
            assert closed(sock)
        assert served.emulator.room.take(200_000)
    with serving(bounds=Bounds(unread_s=0.05, request_s=0.1), speed=1e6) as served, served.connect() as sock:
        sock.sendall(post(ENDLESS))
        wait_until(lambda: [truth.status for truth in served.emulator.truths] == [-1])


def test_a_truth_that_is_full_says_what_was_dropped() -> None:
    with serving(bounds=Bounds(truth_bytes=1200)) as served:
        for _ in range(4):
            assert served.send(post(WHOLE)).status == 200
        answered = served.ask("GET", "/truth")
        assert answered.headers["X-LLMDyno-Truth-Dropped"] == "2"
        assert [json.loads(line)["n"] for line in answered.body.splitlines()] == [2, 3]
        assert len(served.told) == 1
        assert served.ask("POST", "/reset").status == 200
        assert served.ask("GET", "/truth").headers["X-LLMDyno-Truth-Dropped"] == "0"


def test_a_long_truth_is_sent_while_others_are_served() -> None:
    with serving(speed=1e6) as served:
        truth = served.emulator.truths.begin(0)
        for now_ns in range(10**18, 10**18 + 500_000):
            truth.write(now_ns)
        with served.connect() as slow:
            slow.sendall(request("GET", "/truth") + request("GET", "/health"))
            assert served.send(post(STREAM)).status == 200
            assert served.emulator.room._left > 250 * 1024 * 1024
            line = json.loads(read(slow).body.splitlines()[0])
            assert line["t"] == list(range(10**18, 10**18 + 500_000))


def test_a_full_house_closes_the_idle_and_never_the_busy() -> None:
    with serving(bounds=Bounds(connections=2, request_s=0.2)) as served:
        with served.connect() as idle, served.connect() as busy, served.connect() as third:
            idle.sendall(request("GET", "/health"))
            busy.sendall(post({**STREAM, "max_tokens": 100_000}))
            assert read(idle).status == 200
            third.sendall(request("GET", "/health"))
            assert closed(idle)
            assert read(third).status == 200
            assert busy.recv(10) == b"HTTP/1.1 2"
        [told] = served.told
        assert told.startswith("at the limit of open files with 2 connections: ")


# --- who may ask


@pytest.mark.parametrize("host", ["foreign.example", "localhost.foreign.example:80", ""])
def test_a_foreign_host_is_refused_on_every_route(plain: Served, host: str) -> None:
    found = [plain.ask(method, url, b"", {**headers, "Host": host}) for method, url, _, headers in odd.ROUTES]
    assert {answered.status for answered in found} == {421}
    assert found[0].message == f"the host {host!r} is not allowed here; llmdyno serve --allow-host NAME allows one"


def test_a_host_that_the_user_allows_is_answered() -> None:
    with serving(allowed_hosts=["box.example"]) as served:
        assert served.ask("GET", "/health", headers={"Host": "Box.example:80"}).status == 200
        assert served.ask("GET", "/health", headers={"Host": "x.box.example"}).status == 421


# --- faults

ANTHROPIC = {"anthropic-version": "2023-06-01"}
BEDROCK = f"/model/{odd.ARN}"
CONVERSE = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"maxTokens": 4}}
CALLS: dict[str, tuple[str, dict[str, Any], dict[str, str], bool]] = {
    "chat stream": ("/v1/chat/completions", STREAM, {}, True),
    "chat": ("/v1/chat/completions", WHOLE, {}, False),
    "completions stream": ("/v1/completions", {**TEXT, "stream": True}, {}, True),
    "completions": ("/v1/completions", TEXT, {}, False),
    "messages stream": ("/v1/messages", STREAM, ANTHROPIC, True),
    "messages": ("/v1/messages", WHOLE, ANTHROPIC, False),
    "invoke stream": (f"{BEDROCK}/invoke-with-response-stream", {"prompt": "x", "max_gen_len": 4}, {}, True),
    "invoke": (f"{BEDROCK}/invoke", {"prompt": "x", "max_gen_len": 4}, {}, False),
    "converse stream": (f"{BEDROCK}/converse-stream", CONVERSE, {}, True),
    "converse": (f"{BEDROCK}/converse", CONVERSE, {}, False),
}
REFUSED = {
    "openai": {"throttle": 429, "error": 500, "unavailable": 503, "denied": 403, "expired": 401, "timeout": 408,
               "model_error": 500, "quota": 429},
    "anthropic": {"throttle": 429, "error": 500, "unavailable": 529, "denied": 403, "expired": 401, "timeout": 504,
                  "model_error": 500, "quota": 402},
    "bedrock": {"throttle": 429, "error": 500, "unavailable": 503, "denied": 403, "expired": 403, "timeout": 408,
                "model_error": 424, "quota": 400},
}  # fmt: skip
BROKEN = {
    "openai": {"stream_error": 500, "stream_throttle": 429, "stream_internal": 500, "stream_unavailable": 503,
               "stream_validation": 400, "stream_timeout": 408},
    "anthropic": {"stream_error": 500, "stream_throttle": 429, "stream_internal": 500, "stream_unavailable": 529,
                  "stream_validation": 400, "stream_timeout": 504},
    "bedrock": {"stream_error": 424, "stream_throttle": 429, "stream_internal": 500, "stream_unavailable": 503,
                "stream_validation": 400, "stream_timeout": 408},
}  # fmt: skip
SAYS_SO = {"openai": b'data: {"error": ', "anthropic": b"event: error\n", "bedrock": b":exception-type"}
ENDS = {"openai": b"data: [DONE]\n\n", "anthropic": b"event: message_stop\n", "bedrock": b""}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_works_on_every_route(faulty: dict[str, Served], kind: str, name: str) -> None:
    url, body, headers, stream = CALLS[name]
    api = "anthropic" if headers else "bedrock" if url.startswith("/model") else "openai"
    served = faulty[kind]
    with served.connect() as sock:
        sock.sendall(request("POST", url, json.dumps(body).encode(), headers))
        if kind == "stall":
            _stalls(sock, stream)
        elif kind == "cut":
            with pytest.raises((OSError, HTTPException)):
                read(sock)
        else:
            _fails(read(sock), kind, api, stream)


@pytest.fixture(scope="module")
def faulty() -> Iterator[dict[str, Served]]:
    """An emulator for each kind of fault."""
    with contextlib.ExitStack() as stack:
        yield {kind: stack.enter_context(serving(faults=Faults({kind: 1.0}), scaling=ALWAYS)) for kind in KINDS}


def _stalls(sock: socket.socket, stream: bool) -> None:
    sock.settimeout(0.05)
    data = b""
    with contextlib.suppress(TimeoutError):
        while received := sock.recv(65536):
            data += received
        pytest.fail("the connection ended")
    assert data.startswith(b"HTTP/1.1 200") is stream


def _fails(answered: Answered, kind: str, api: str, stream: bool) -> None:
    if kind in REFUSED[api]:
        assert answered.status == REFUSED[api][kind]
    elif kind in BROKEN[api]:
        assert answered.status == (200 if stream else BROKEN[api][kind])
        assert not stream or SAYS_SO[api] in answered.body
        assert not stream or api == "bedrock" or ENDS[api] not in answered.body
    elif kind == "crc" and not stream:
        with pytest.raises(ValueError):
            json.loads(answered.body)
    else:  # late, wrong, or damaged in the middle: it goes on to its end
        assert answered.status == 200
        assert not stream or ENDS[api] in answered.body


def test_a_fault_happens_to_an_answer_that_ends_early(plain: Served) -> None:
    """A tool call has 24 tokens of the thousand that it may have."""
    tool = {"tools": [odd.TOOL], "tool_choice": {"type": "any"}, "max_tokens": 1000}
    with serving(faults=Faults({"stream_error": 1.0})) as served:
        answered = served.ask("POST", "/v1/messages", json.dumps({**CHAT, **tool}).encode(), ANTHROPIC)
        assert answered.status == 500
        assert len(served.emulator.truths[0].written_ns) == 12
