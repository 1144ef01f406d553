"""Answers under way, and routes, without a socket: a wire that keeps what is sent, a clock that is set by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdyno.emulator import openai, routes
from llmdyno.emulator.dialect import Asked, Ending
from llmdyno.emulator.faults import BEFORE, Faults
from llmdyno.emulator.http import Request
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.emulator.outcome import Whole
from llmdyno.emulator.reply import Reply, Script, write_script
from llmdyno.emulator.server import Emulator
from llmdyno.emulator.truth import Truth

MS = 1_000_000
WORDS = [" a", " b", " c", " d"]


class FakeWire:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.chunked = True
        self.headers: list[str] = []
        self.sent: list[bytes] = []
        self.calls: list[str] = []

    def send(self, data: bytes) -> None:
        self.sent.append(data)

    def finished(self) -> None:
        self.calls.append("finished")

    def drop(self) -> None:
        self.calls.append("drop")


class FakeHost:
    """A clock that is set by hand, and the streams that ended early or not."""

    label = "profile=p"

    def __init__(self) -> None:
        self.time_ns = 0
        self.left: list[int] = []

    def now_ns(self) -> int:
        return self.time_ns

    def leave(self, stream: int) -> None:
        self.left.append(stream)


def begun(stream: bool = True, **more: Any) -> tuple[Reply, FakeWire, FakeHost]:
    """A text completion of four tokens that has begun."""
    body = {"model": "m", "prompt": "x", "max_tokens": 4, "stream": stream}
    asked = openai.read_request(openai.COMPLETIONS_PATH, json.dumps(body).encode(), "m")
    wire, host = FakeWire(), FakeHost()
    script = Script(WORDS, 0)
    reply = Reply(wire, host, openai.Answer(asked, 0, 0, "m"), asked, script, Truth(0, 10 * MS), **more)
    reply.begin(3)
    return reply, wire, host


def play(reply: Reply, host: FakeHost, count: int = 4) -> None:
    for index in range(count):
        host.time_ns = (20 + index) * MS
        reply.token(index, "length" if index == 3 else None)


def test_a_stream_from_its_head_to_its_last_chunk() -> None:
    ended: list[Truth] = []
    reply, wire, host = begun(on_end=ended.append)
    play(reply, host)
    assert wire.sent[0].startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n")
    assert b"X-LLMDyno-Emulated: profile=p\r\nTransfer-Encoding: chunked\r\n\r\n" in wire.sent[0]
    assert len(wire.sent) == 5
    size, _, rest = wire.sent[1].partition(b"\r\n")
    assert int(size, 16) == len(rest) - 2
    assert b'"text":" a"' in rest
    assert wire.sent[4].endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert wire.calls == ["finished"]
    [truth] = ended
    assert (truth.status, truth.end_ns, list(truth.written_ns)) == (200, 23 * MS, [n * MS for n in (20, 21, 22, 23)])
    assert host.left == [3]


def test_a_whole_answer_is_sent_at_its_end() -> None:
    reply, wire, host = begun(stream=False)
    play(reply, host)
    [sent] = wire.sent
    head, _, body = sent.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["choices"][0]["text"] == " a b c d"


def test_a_client_that_leaves_ends_the_answer_once() -> None:
    ended: list[Truth] = []
    reply, wire, host = begun(on_end=ended.append)
    play(reply, host, 2)
    reply.abandon()
    reply.abandon()
    reply.token(2, None)
    assert [(truth.status, len(truth.written_ns)) for truth in ended] == [(-1, 2)]
    assert len(wire.sent) == 3
    assert host.left == [3]


def test_a_fault_at_half_the_tokens() -> None:
    reply, wire, host = begun(fault="stream_unavailable")
    play(reply, host)
    assert len(reply.truth.written_ns) == 2
    assert reply.truth.status == 500
    assert b'"type": "ServiceUnavailableError"' in wire.sent[-1]
    assert wire.sent[-1].endswith(b"0\r\n\r\n")


def test_the_same_fault_without_a_stream_is_a_status() -> None:
    reply, wire, host = begun(stream=False, fault="stream_unavailable")
    play(reply, host)
    assert wire.sent[0].startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert (reply.truth.status, wire.calls) == (503, ["finished"])


def test_cut_stall_and_damage() -> None:
    reply, wire, host = begun(fault="cut")
    play(reply, host, 3)
    assert wire.calls == ["drop"]
    reply, wire, host = begun(fault="stall")
    play(reply, host, 3)
    assert (wire.calls, host.left, reply.over) == ([], [3], False)
    reply, wire, host = begun(fault="crc")
    play(reply, host)
    assert len(wire.sent) == 6
    with pytest.raises(ValueError):
        json.loads(wire.sent[3].split(b"data: ")[1])
    assert wire.calls == ["finished"]


def asked(**more: Any) -> Asked:
    return Asked(stream=True, input_tokens=1, max_tokens=9, **more)


def test_the_text_of_an_answer() -> None:
    vocabulary = [f" {n}" for n in range(100)]
    free = write_script(asked(text="x"), 1, vocabulary, garbled=False)
    assert (free.text(0), free.text(4), free.length) == (" 97", " 1", None)
    settled = [write_script(asked(text="x", temperature=0), n, vocabulary, garbled=False).text(0) for n in (1, 2)]
    assert settled[0] == settled[1]
    known = write_script(asked(text="Write this number in digits: seven"), 0, vocabulary, garbled=False)
    assert (known.text(0), known.length) == ("7", 1)
    wrong = write_script(asked(text="Write this number in digits: seven"), 0, vocabulary, garbled=True)
    assert wrong.text(0) == "8"


def test_thinking_comes_before_a_known_answer() -> None:
    script = Script([" x", " y"], 0, ["4", "2"], thinking=3)
    assert [script.text(index) for index in range(5)] == [" x", " y", " x", "4", "2"]
    assert script.length == 5


def test_a_tool_call_has_its_own_length() -> None:
    script = write_script(asked(own_tokens=5), 0, WORDS, garbled=False)
    assert script.length == 5


# --- routes


def server(**more: Any) -> Emulator:
    return Emulator(PROFILES[DEFAULT_PROFILE], speed=1, seed=0, **more)


def answered(emulator: Emulator, method: str, url: str, **fields: Any) -> tuple[int, dict[str, Any]]:
    """Status and JSON body of an answer that is ready."""
    headers = fields.pop("headers", {})
    request = Request(method, url, headers, json.dumps(fields).encode())
    outcome = routes.handle(emulator, request, FakeWire())
    assert isinstance(outcome, Whole)
    head, _, body = outcome.data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


MESSAGE = {"model": DEFAULT_PROFILE, "max_tokens": 3, "messages": [{"role": "user", "content": "x"}]}
ANTHROPIC = {"anthropic-version": "2023-06-01"}


def test_what_is_at_which_path() -> None:
    emulator = server()
    assert answered(emulator, "GET", "/health?x=1") == (200, {"status": "ok"})
    assert answered(emulator, "POST", "/health")[0] == 405
    assert answered(emulator, "GET", "/v1/messages")[0] == 405
    assert answered(emulator, "GET", "/v1/models")[1]["object"] == "list"
    listed = answered(emulator, "GET", "/v1/models", headers=ANTHROPIC)[1]
    assert (listed["data"][0]["type"], listed["first_id"]) == ("model", DEFAULT_PROFILE)
    assert answered(emulator, "GET", "/imported-models")[1]["modelSummaries"][0]["modelName"] == DEFAULT_PROFILE
    assert answered(emulator, "GET", "/imported-modelsx")[0] == 404
    assert answered(emulator, "POST", "/model/a/b/invoke")[1]["Output"]["__type"].endswith("UnknownOperationException")


def test_a_key_that_is_wrong() -> None:
    emulator = server(api_key="k")
    assert answered(emulator, "GET", "/v1/models")[1]["error"]["type"] == "AuthenticationError"
    status, body = answered(emulator, "POST", "/v1/messages", headers=ANTHROPIC, **MESSAGE)
    assert (status, body["error"]["type"]) == (401, "authentication_error")
    assert emulator.truths[-1].status == 401


@pytest.mark.parametrize("kind", BEFORE)
def test_faults_before_the_answer_on_every_route(kind: str) -> None:
    emulator = server(faults=Faults({kind: 1.0}))
    model = emulator.model_arn.replace("/", "%2F")
    found = [
        answered(emulator, "POST", "/v1/messages", headers=ANTHROPIC, **MESSAGE),
        answered(emulator, "POST", "/v1/chat/completions", **MESSAGE),
        answered(emulator, "POST", f"/model/{model}/invoke", prompt="x"),
    ]
    assert all(status >= 400 for status, _ in found)
    assert [truth.status for truth in emulator.truths] == [status for status, _ in found]


@pytest.mark.parametrize("url", ["/v1/messages", "/v1/chat/completions"])
def test_a_slow_answer_and_a_failing_one_begin(url: str) -> None:
    for kind, extra_s in (("slow", 5.0), ("stream_error", 0.0)):
        body = json.dumps(MESSAGE).encode()
        reply = routes.handle(server(faults=Faults({kind: 1.0})), Request("POST", url, ANTHROPIC, body), FakeWire())
        assert isinstance(reply, Reply)
        assert (reply.extra_s, reply.over) == (extra_s, False)


# --- stop sequences


def stopped(*stops: str, most: int = 20, thinking: int = 0) -> tuple[list[str], str | None]:
    asked = Asked(stream=True, input_tokens=1, max_tokens=most, stops=stops, thinking_tokens=thinking)
    script = write_script(asked, 0, WORDS, garbled=False)
    return [script.text(index) for index in range(script.length or most)], script.stopped_by


@pytest.mark.parametrize(
    ("stops", "texts", "by"),
    [
        ((" c",), [" a", " b", ""], " c"),
        (("c",), [" a", " b", " "], "c"),
        (("b c",), [" a", " ", ""], "b c"),
        ((" a b c d a b",), ["", "", "", "", "", ""], " a b c d a b"),
        ((" a",), [""], " a"),
        (("d a", "c"), [" a", " b", " "], "c"),  # the first in the text, not the first in the list
        (("c d", "c"), [" a", " b", " "], "c"),
        (("b", "a b"), [" ", ""], "a b"),
    ],
)
def test_the_text_stops_before_the_sequence(stops: tuple[str, ...], texts: list[str], by: str) -> None:
    assert stopped(*stops) == (texts, by)


def test_a_sequence_that_does_not_come_stops_nothing() -> None:
    words = [WORDS[index % 4] for index in range(20)]
    assert stopped("x") == (words, None)
    assert stopped(" d", most=3) == (words[:3], None)
    assert stopped(" a", thinking=2) == ([" a", " b", " c", " d", ""], " a")  # thinking is not looked at
    known = Asked(stream=True, input_tokens=1, max_tokens=50, stops=("3 ",), text="count upwards")
    script = write_script(known, 0, WORDS, garbled=False)
    assert (script.known, script.stopped_by) == (["1 ", "2 ", ""], "3 ")


def test_the_answer_says_that_it_stopped() -> None:
    heard: list[str | None] = []

    class Heard(openai.Answer):
        def end(self, ending: Ending) -> bytes:
            heard.append(ending.stopped_by)
            return super().end(ending)

    asked = openai.read_request(
        openai.COMPLETIONS_PATH, json.dumps({"model": "m", "prompt": "x", "max_tokens": 9, "stop": ["c"]}).encode(), "m"
    )
    for most, by, reason in ((9, "c", "stop"), (2, None, "length")):
        script = write_script(asked, 0, WORDS, garbled=False)
        wire = FakeWire()
        reply = Reply(wire, FakeHost(), Heard(asked, 0, 0, "m"), asked, script, Truth(0, 0))
        reply.begin(0)
        for index in range(min(3, most)):
            reply.token(index, "length" if index + 1 == min(3, most) else None)
        body = json.loads(wire.sent[-1].partition(b"\r\n\r\n")[2])
        assert body["choices"][0] == {
            "index": 0,
            "text": (" a b ", " a b")[most == 2],
            "logprobs": None,
            "finish_reason": reason,
        }
        assert body["usage"]["completion_tokens"] == min(3, most)
        assert heard.pop() == by
