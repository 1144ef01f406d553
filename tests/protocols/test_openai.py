"""The OpenAI dialect, on bytes that other servers wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import GOLDEN

from llmdyno.protocols.dialect import Envelope
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    EMPTY,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    REFUSAL,
    STREAM_ERROR,
    TEXT,
    TOOL,
    Event,
    Failure,
)
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
    assert failures[0].type == {503: "x", 400: None}.get(code or 0, "rate" if "rate" in message else None)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'data: {"choices": [}\n\n', MALFORMED_EVENT),
        (b"data: nonsense\n\n", MALFORMED_EVENT),
        (b'data: "a text"\n\n', MALFORMED_EVENT),
        (b"", MALFORMED_EVENT),
        (b": ping\n\n", MALFORMED_EVENT),
        (delta(content="cut"), BROKEN_STREAM),
        (delta(content="cut") + b'data: {"cho', BROKEN_STREAM),
    ],
)
def test_what_is_no_whole_answer(body: bytes, kind: str) -> None:
    failures = [event.failure for event in decode(body) if event.failure]
    assert failures[0].kind == kind
    assert failures[0].message


def test_a_stream_without_done_that_said_why_it_ended_is_whole() -> None:
    assert not any(event.failure for event in decode(delta(content="a"), delta("stop")))
    assert not any(event.failure for event in decode(delta(content="a"), b"data: [DONE]\n\n"))


DONE = b"data: [DONE]\n\n"


def outputs(*deltas: object) -> list[tuple[int, str]]:
    """The output of deltas, read by the fast path and by the general one, which must agree."""
    chunks = [chunk(choices=[{"index": 0, "delta": one}]) for one in deltas]
    cold = [decode(one, delta("stop"), DONE)[:-2] for one in chunks]
    warm = [decode(delta(content="x"), one, delta("stop"), DONE)[1:-2] for one in chunks]
    found = [[(event.kind, event.text) for event in events] for events in cold]
    assert [[(event.kind, event.text) for event in events] for events in warm] == found
    return [pair for events in found for pair in events]


def test_every_kind_of_output() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "sum", "arguments": ""}}
    assert outputs(
        {"content": "a"},
        {"content": [thought]},
        {"content": [thought, {"type": "text", "text": "so"}]},
        {"content": ["a", {"type": "text", "text": "b"}]},
        {"content": None, "tool_calls": [call]},
        {"content": None, "tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]},
        {"function_call": {"name": "f", "arguments": "{"}},
        {"refusal": "I cannot"},
        {"content": "", "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}]},
        {"content": None, "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]},
        {"audio": {"transcript": "hello", "data": "AAAA"}},
        {"thought": "hm"},
        {"reasoning": {"content": "hm"}},
        {"reasoning_content": [{"text": "hm"}]},
        {"content": [{"text": "hm", "thought": True}]},
        {"content": [{"type": "text", "text": {"value": "part"}}]},
        {"content": {"text": "object"}},
        {"text": "other name"},
        "plain",
    ) == [
        (TEXT, "a"),
        (REASONING, "hm"),
        (REASONING, "hm"),
        (TEXT, "so"),
        (TEXT, "ab"),
        (TOOL, "sum"),
        (TOOL, "{}"),
        (TOOL, 'f{"a":1}g'),
        (TOOL, "f{"),
        (REFUSAL, "I cannot"),
        (REASONING, "hm"),
        (REASONING, "hm"),
        (REASONING, "hm"),
        (TEXT, "hello"),
        *[(REASONING, "hm")] * 4,
        (TEXT, "part"),
        (TEXT, "object"),
        (TEXT, "other name"),
        (TEXT, "plain"),
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {},
        [],
        None,
        7,
        {"content": 7},
        {"content": {}},
        {"tool_calls": "x"},
        {"tool_calls": [7, {"function": 7}]},
        {"reasoning": 7},
        {"refusal": 7},
    ],
)
def test_fields_of_an_unexpected_type_hold_no_output(odd: object) -> None:
    assert outputs(odd) == [(OTHER, "")]


def test_two_kinds_in_one_delta_are_two_chunks_of_one_arrival() -> None:
    events = decode(delta(reasoning="hm", content="so"), delta("stop"))
    assert [(event.kind, event.text) for event in events] == [(REASONING, "hm"), (TEXT, "so"), (OTHER, "")]
    assert events[0].end == events[1].end


def test_every_choice_counts() -> None:
    both = chunk(choices=[{"index": 0, "delta": {}}, {"index": 1, "delta": {"content": "b"}}])
    late = chunk(choices=[{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {}, "finish_reason": "stop"}])
    events = decode(both, late)
    assert [(event.kind, event.text, event.finish_reason) for event in events] == [
        (TEXT, "b", None),
        (TEXT, "a", "stop"),
    ]


def test_text_where_another_route_has_it() -> None:
    message = {"choices": [{"message": {"role": "assistant", "content": "a"}}]}
    assert [event.text for event in decode(chunk(**message), chunk(**message), delta("stop"))] == ["a", "a", ""]
    # A whole message after the deltas repeats them.
    assert [event.text for event in decode(delta(content="a"), chunk(**message), delta("stop"))] == ["a", "", ""]
    assert decode(chunk(choices=[{"delta": {}, "text": "a"}]), delta("stop"))[0].text == "a"


@pytest.mark.parametrize("reason", ["", "null", None, 0, [], {}])
def test_what_is_no_finish_reason(reason: object) -> None:
    last = chunk(choices=[{"delta": {"content": "b"}, "finish_reason": reason}])
    events = decode(delta(content="a"), last)
    assert [event.finish_reason for event in events] == [None] * 3
    assert events[-1].failure is not None
    assert events[-1].failure.kind == BROKEN_STREAM


def test_usage_in_all_its_shapes() -> None:
    details = {"prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}
    usage = {"prompt_tokens": 3.0, "completion_tokens": 2, **details}
    for last in (chunk(choices=[], usage=usage), chunk(choices=[], usage=None, x_groq={"usage": usage})):
        event = decode(delta(content="a"), delta("stop"), last, DONE)[2]
        assert (event.input_tokens, event.output_tokens) == (3, 2)
        assert (event.cached_input_tokens, event.reasoning_tokens) == (2, 1)


@pytest.mark.parametrize("usage", [[], "x", 7, {}, {"completion_tokens": 2**70, "prompt_tokens": -1}])
def test_usage_that_says_nothing(usage: object) -> None:
    running = chunk(choices=[{"delta": {"content": "b"}}], usage=usage)
    events = decode(delta(content="a"), running, delta("stop"), DONE)
    assert [(event.text, event.input_tokens, event.output_tokens) for event in events[:2]] == [
        ("a", None, None),
        ("b", None, None),
    ]
    assert not any(event.failure for event in events)


def test_running_counts_beside_each_chunk() -> None:
    counted = [
        chunk(choices=[{"delta": {"content": "a"}}], usage={"prompt_tokens": 9, "completion_tokens": number})
        for number in (1, 2, 4)
    ]
    events = decode(*counted)
    assert [event.output_tokens for event in events] == [1, 2, 4, None]
    assert events[-1].failure is not None  # counts beside text do not say that the answer is whole


def test_a_whole_body_with_usage_needs_no_mark() -> None:
    last = chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1})
    assert not any(event.failure for event in decode(delta(content="a"), last))
    assert not any(event.failure for event in decode(delta(content="a"), last, chunk(choices=[], cost="0")))
    broken = decode(delta(content="a"), last, delta(content="b"))[-1].failure
    assert broken is not None
    assert broken.kind == BROKEN_STREAM
    assert decode(last)[-1].failure is not None


def test_nothing_counts_after_the_end_mark() -> None:
    events = decode(delta(content="a"), DONE, delta(content="b"), chunk(error="late"), b"data: {")
    assert [event.text for event in events] == ["a", ""]
    assert [event.end_mark for event in events] == [False, True]
    one_piece = decode(delta(content="a") + DONE + delta(content="b") + b"error: x\n\n")
    assert one_piece == events


def test_events_that_are_no_messages() -> None:
    beats = [
        b"data:\n\n",
        b"data: \n\n",
        b"event: ping\ndata: 12:00\n\n",
        b"event: ping\ndata: {}\n\n",
        b"event: ping\n\n",
        b"hello\n\n",
        b": note\n\n",
    ]
    events = decode(*beats, delta(content="a"), *beats, delta("stop"), *beats, DONE)
    assert [event.text for event in events] == ["a", "", ""]
    typed = b"event: chunk\n" + delta(content="a")
    assert [event.text for event in decode(typed, b"event: message\n" + delta("stop"))] == ["a", ""]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'event: error\ndata: {"message":"down","status":503}\n\n', (503, "down", None)),
        (b"event: error\ndata: upstream reset\n\n", (None, "upstream reset", None)),
        (b'event: other\ndata: {"error":"x"}\n\n', (None, "x", None)),
        (b'error: {"code":400,"message":"context","type":"bad"}\n\n', (400, "context", "bad")),
        (b'{"error":{"code":400,"message":"context"}}\n\n', (400, "context", None)),
        (b'{"detail":\n"gone"}\n', (None, "gone", None)),
        (b'data: {"code":"Invalid","message":"range"}\n\n', (None, "range", "Invalid")),
        (b'data: {"choices":[{"error":{"code":502,"message":"lost"},"finish_reason":"x"}]}\n\n', (502, "lost", None)),
    ],
)  # fmt: skip
def test_errors_in_any_frame(event: bytes, expected: tuple[int | None, str, str | None]) -> None:
    code, message, name = expected
    for events in (decode(event), decode(delta(content="a"), event), decode(delta(content="a"), event, DONE)):
        assert [event.failure for event in events if event.failure] == [Failure(STREAM_ERROR, code, message, name)]


def test_what_a_server_wrote_beside_the_protocol_is_told() -> None:
    for said in (b"no backend available\n", b'data: {"message":"no backend available"}\n\n'):
        failure = decode(said)[-1].failure
        assert failure is not None
        assert "no backend available" in failure.message


@pytest.mark.parametrize(
    "odd", [b'data: {"message":"no worker left"}\n\n', b"no worker left\n\n", b'data: {"odd":"no worker left"}\n\n']
)
def test_an_answer_without_end_in_which_the_server_wrote_something(odd: bytes) -> None:
    usage = chunk(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 1})
    for body, kind in (((odd, DONE), EMPTY), ((delta(content="a"), odd, DONE), BROKEN_STREAM)):
        [failure] = [event.failure for event in decode(*body) if event.failure]
        assert failure.kind == kind
        assert "no worker left" in failure.message
    for whole in (
        (odd, delta(content="a"), delta("stop"), DONE),
        (odd, delta(content="a"), usage, DONE),
        (delta(content="a"), delta("stop"), odd),
    ):
        assert not any(event.failure for event in decode(*whole))


@pytest.mark.parametrize("mark", [b"[done]", b'"[DONE]"', b"  [DONE] ", b"[ DONE ]", b"DONE"])
def test_end_marks_in_other_spellings(mark: bytes) -> None:
    events = decode(delta(content="a"), b"data: " + mark + b"\n\n", delta(content="late"))
    assert [(event.text, event.end_mark) for event in events] == [("a", False), ("", True)]


@pytest.mark.parametrize("words", [b"Error: no worker", b"[ERROR] no worker", b'"Error: no worker"'])
def test_words_in_place_of_json(words: bytes) -> None:
    failure = decode(delta(content="a"), b"data: " + words + b"\n\n")[-1].failure
    assert failure == Failure(STREAM_ERROR, None, words.decode().strip('"'))


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        (chunk(choices=[{"index": 1, "delta": {}, "finish_reason": "stop"}]), "stop"),
        (chunk(choices=[{"delta": {}, "finish_reason": "stop"}, {"delta": {}, "finish_reason": "abort"}]), "abort"),
        (chunk(choices=[{"delta": {"finish_reason": "stop"}}]), "stop"),
        (chunk(choices=[{"delta": {}, "stop_reason": "end_turn"}]), "end_turn"),
        (chunk(choices=[{"delta": {}, "finish_reason": "stop", "stop_reason": "</s>"}]), "stop"),
        (chunk(choices=[{"delta": {}}], finish_reason="length"), "length"),
    ],
)
def test_where_the_finish_reason_may_be(last: bytes, reason: str) -> None:
    events = decode(delta(content="a"), last)
    assert [event.finish_reason for event in events] == [None, reason]
    assert not any(event.failure for event in events)


def test_a_count_before_any_output_counts_no_output() -> None:
    first = chunk(choices=[{"delta": {"role": "assistant"}}], usage={"prompt_tokens": 3, "completion_tokens": 1})
    events = decode(first, delta(content="a"), delta("stop"))
    assert [(event.input_tokens, event.output_tokens) for event in events] == [(3, None), (None, None), (None, None)]
    [ended, _] = decode(chunk(choices=[{"finish_reason": "stop"}], usage={"completion_tokens": 1}), DONE)
    assert ended.output_tokens == 1


def test_numbers_longer_than_python_reads() -> None:
    digits = b"9" * 5000
    odd = b'data: {"choices":[{"delta":{"content":"b"}}],"x":' + digits + b',"usage":{"prompt_tokens":' + digits + b"}}"
    events = decode(delta(content="a"), odd + b"\n\n", delta("stop"))
    assert [(event.text, event.input_tokens) for event in events] == [("a", None), ("b", None), ("", None)]


def test_bytes_that_a_strict_reader_refuses() -> None:
    invalid = b'data: {"choices":[{"delta":{"content":"\xff!"}}]}\n\n'
    odd = b'data: {"choices":[{"delta":{"content":"b"},"logprob":-Infinity}],"x":1e999}\n\n'
    events = decode(delta(content="a"), invalid, odd, delta("stop"))
    assert [event.text for event in events] == ["a", "\ufffd!", "b", ""]
    deep = b'data: {"choices":[{"delta":{"content":"c"}}],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    failure = decode(delta(content="a"), deep)[-1].failure
    assert failure is not None
    assert (failure.kind, failure.message.endswith("nested too deeply")) == (MALFORMED_EVENT, True)


def test_a_character_cut_in_two() -> None:
    halves = decode(delta(content="a\ud83d"), delta(content="\ude00b"), delta("stop"))
    assert [event.text for event in halves] == ["a", "😀b", ""]
    whole = decode(delta(content="\ud83d"), delta(content="\ude00"), delta("stop"))
    assert [(event.kind, event.text) for event in whole] == [(TEXT, ""), (TEXT, "😀"), (OTHER, "")]
    lone = decode(delta(content="\ude00"), delta(content="\ud83dx"), delta(content="\ud83d"), delta("stop"))
    assert [event.text for event in lone] == ["\ufffd", "\ufffdx", "", ""]


FIELDS = (
    "choices delta message content text thinking type reasoning tool_calls function name arguments finish_reason usage "
    "prompt_tokens completion_tokens prompt_tokens_details cached_tokens x_groq error code detail base_resp refusal "
    "audio object id loc msg timings"
).split()
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4)),
    max_leaves=12,
)


@settings(max_examples=300)
@given(values=st.lists(VALUES, max_size=5), cut=st.integers(0, 400))
def test_no_value_raises_and_splits_do_not_matter(values: list[object], cut: int) -> None:
    body = delta(content="a") + b"".join(b"data: " + json.dumps(value).encode() + b"\n\n" for value in values)
    events = decode(body)
    assert decode(body[:cut], body[cut:]) == events
    for event in events:
        event.text.encode()
        assert event.output_tokens is None or 0 < event.output_tokens < 2**31


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
