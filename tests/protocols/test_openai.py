"""The OpenAI dialect, on bytes that other servers wrote."""

from __future__ import annotations

import json

import pytest
from tests.support import GOLDEN

from llmdyno.protocols.dialect import Envelope, error_text
from llmdyno.protocols.events import BROKEN_STREAM, MALFORMED_EVENT, OTHER, REASONING, STREAM_ERROR, TEXT, Event
from llmdyno.protocols.openai import CHAT, COMPLETIONS, DIALECTS, OpenAIDecoder
from llmdyno.workload.session import Message, user_message


def decode(*pieces: bytes) -> list[Event]:
    decoder = OpenAIDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def test_a_chat_stream_of_another_server() -> None:
    body = (GOLDEN / "chat_foreign_server.sse").read_bytes()
    events = decode(body)
    assert [(event.kind, event.text) for event in events] == [
        *((TEXT, text) for text in (" the", " time", " night", " thou", " world")),
        (OTHER, ""),
        (OTHER, ""),
        (OTHER, ""),
    ]
    assert [event.response_id for event in events] == ["chatcmpl-00000000"] + [None] * 7
    assert events[5].finish_reason == "length"
    assert (events[6].input_tokens, events[6].output_tokens) == (26, 5)
    assert [event.end for event in events] == [
        index + 2 for index in range(len(body)) if body[index : index + 2] == b"\n\n"
    ]
    assert all(event.failure is None for event in events)
    for index in range(len(body)):
        assert decode(body[:index], body[index:]) == events


def test_a_completions_stream_of_another_server() -> None:
    events = decode((GOLDEN / "completions_foreign_server.sse").read_bytes())
    assert "".join(event.text for event in events) == " the time night thou"
    assert [event.kind for event in events] == [TEXT] * 4 + [OTHER] * 3
    assert events[-2].output_tokens == 4


def chunk(**fields: object) -> bytes:
    return b"data: " + json.dumps(fields).encode() + b"\n\n"


def delta(finish: str | None = None, **fields: object) -> bytes:
    return chunk(choices=[{"index": 0, "delta": fields, "finish_reason": finish}])


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_told_from_content(field: str) -> None:
    events = decode(
        delta(role="assistant", content=None), delta(**{field: "hm", "content": None}), delta("stop", content="so")
    )
    assert [(event.kind, event.text) for event in events] == [(OTHER, ""), (REASONING, "hm"), (TEXT, "so")]


def test_content_in_parts_and_usage_beside_choices() -> None:
    body = {
        "choices": [{"delta": {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1},
    }
    events = decode(chunk(**body), delta("stop"))
    assert (events[0].text, events[0].input_tokens, events[0].output_tokens) == ("ab", 3, 1)


@pytest.mark.parametrize(
    ("event", "code", "message"),
    [
        ({"error": {"message": "overloaded", "type": "x", "code": 503}}, 503, "overloaded"),
        ({"error": "plain"}, None, "plain"),
        ({"object": "error", "message": "too long", "code": 400}, 400, "too long"),
        ({"error": {"message": "", "code": "rate"}}, None, '{"message":"","code":"rate"}'),
    ],
)
def test_an_error_after_the_stream_began(event: dict[str, object], code: int | None, message: str) -> None:
    events = decode(delta(content="a"), chunk(**event), b"data: [DONE]\n\n")
    failures = [event.failure for event in events if event.failure]
    assert [failure[:3] for failure in failures] == [(STREAM_ERROR, code, message)]
    assert failures[0].type == ("x" if code == 503 else None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'data: {"choices": [}\n\n', MALFORMED_EVENT),
        (b"data: nonsense\n\n", MALFORMED_EVENT),
        (b'data: "a text"\n\n', MALFORMED_EVENT),
        (b"", MALFORMED_EVENT),
        (b": ping\n\n", MALFORMED_EVENT),
        (delta(content="cut"), BROKEN_STREAM),
        (delta(content="cut") + b'data: {"cho', MALFORMED_EVENT),
    ],
)
def test_what_is_no_whole_answer(body: bytes, kind: str) -> None:
    failures = [event.failure for event in decode(body) if event.failure]
    assert failures[0].kind == kind
    assert failures[0].message


def test_a_stream_without_done_that_said_why_it_ended_is_whole() -> None:
    assert not any(event.failure for event in decode(delta(content="a"), delta("stop")))
    assert not any(event.failure for event in decode(delta(content="a"), b"data: [DONE]\n\n"))


def test_requests_as_the_api_reference_has_them() -> None:
    envelope = Envelope("/v1", "m", "key", {"X-A": "1"}, {"temperature": 0, "max_tokens": None}, True)
    request = CHAT.encode(envelope, user_message("hi"), 5)
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert json.loads(request.body) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "ignore_eos": True,
        "temperature": 0,
    }
    assert request.headers["Authorization"] == "Bearer key"
    assert request.headers["X-A"] == "1"
    plain = COMPLETIONS.encode(Envelope("", "m"), user_message("hi"), 5)
    assert plain.path == "/completions"
    assert json.loads(plain.body)["prompt"] == "hi"
    assert json.loads(plain.body)["max_tokens"] == 5
    assert "Authorization" not in plain.headers


def test_a_header_of_the_user_replaces_ours() -> None:
    request = CHAT.encode(Envelope("", "m", "key", {"authorization": "Other x"}), user_message("hi"), 5)
    assert [value for name, value in request.headers.items() if name.lower() == "authorization"] == ["Other x"]
    assert "key" not in repr(Envelope("", "m", "key", {"authorization": "Other key"}))


def test_a_conversation_on_both_routes() -> None:
    messages = (Message("system", "be short"), Message("user", "hi"))
    assert json.loads(CHAT.encode(Envelope("", "m"), messages, 5).body)["messages"] == [
        {"role": "system", "content": "be short"},
        {"role": "user", "content": "hi"},
    ]
    assert json.loads(COMPLETIONS.encode(Envelope("", "m"), messages, 5).body)["prompt"] == "be short\n\nhi"
    assert DIALECTS == {"chat": CHAT, "completions": COMPLETIONS}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        (b'{"error":{"message":"bad model","type":"x"}}', "x"),
        (b'{"error":{"type":7}}', None),
        (b'{"error":"x"}', None),
        (b"[]", None),
        (b"<html>", None),
    ],
)
def test_the_servers_name_for_an_error(body: bytes, name: str | None) -> None:
    assert CHAT.error_type({}, body) == name


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"error":{"message":"bad model","type":"x"}}', "bad model"),
        (b'{"message":"slow down"}', "slow down"),
        (b'{"detail":[{"msg":"field required"}]}', "field required"),
        (b'{"detail":"Not Found"}', "Not Found"),
        (b"<html>\n <h1>Bad  Gateway</h1>", "<html> <h1>Bad Gateway</h1>"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"", ""),
        (b'{"a":1}', '{"a":1}'),
    ],
)
def test_the_servers_own_message(body: bytes, text: str) -> None:
    assert error_text(body) == text
