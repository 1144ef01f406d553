"""The Anthropic dialect, on bytes that another server wrote and on the event shapes of Anthropic's API reference."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support import ANTHROPIC_START, GOLDEN

from llmdyno.protocols.anthropic import MESSAGES, REFUSALS, AnthropicDecoder
from llmdyno.protocols.dialect import Envelope, HeaderFacts
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    STREAM_ERROR,
    TEXT,
    TOOL,
    Event,
    Failure,
)
from llmdyno.protocols.refusals import known_refusals
from llmdyno.workload.session import Message, user_message

TEXT_STREAM = (GOLDEN / "anthropic_foreign_server.sse").read_bytes()
TOOL_STREAM = (GOLDEN / "anthropic_foreign_server_tool.sse").read_bytes()
"""What LiteLLM's proxy sends on its own /v1/messages: an answer cut at max_tokens; thinking, text and a tool call."""


def decode(*pieces: bytes) -> list[Event]:
    decoder = AnthropicDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def sse(*values: dict[str, Any]) -> bytes:
    return b"".join(f"event: {value.get('type')}\ndata: {json.dumps(value)}\n\n".encode() for value in values)


def started(**block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": 0, "content_block": block}


def delta(**fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": 0, "delta": fields}


def ended(reason: str | None = "end_turn", **usage: int) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


STOP = {"type": "message_stop"}


def outputs(*values: dict[str, Any]) -> list[tuple[int, str]]:
    """Kinds and texts of some events in the middle of an answer that ends well."""
    events = decode(sse(ANTHROPIC_START, *values, ended(output_tokens=9), STOP))
    assert not any(event.failure for event in events)
    return [(event.kind, event.text) for event in events[1:-2]]


# --- another server's bytes


def test_an_answer_of_another_server() -> None:
    events = decode(TEXT_STREAM)
    assert [(event.kind, event.text) for event in events] == [
        *[(OTHER, "")] * 2,
        (TEXT, "Grüße"),
        (TEXT, " from"),
        (TEXT, " here"),
        *[(OTHER, "")] * 3,
    ]
    assert [event.response_id for event in events] == ["msg_bbf9a369-96a0-47d6-8bda-2f4626a09d76"] + [None] * 7
    assert [event.finish_reason for event in events] == [None] * 6 + ["max_tokens", None]
    # This server counts at the end alone; the zero that it begins with is no count.
    assert [event.input_tokens for event in events] == [None] * 6 + [11, None]
    assert [event.output_tokens for event in events] == [None] * 6 + [3, None]
    assert [event.end for event in events] == [
        index + 2 for index in range(len(TEXT_STREAM)) if TEXT_STREAM[index : index + 2] == b"\n\n"
    ]
    assert not any(event.failure for event in events)


def test_reasoning_text_and_a_tool_call_of_another_server() -> None:
    events = decode(TOOL_STREAM)
    assert [(event.kind, event.text) for event in events if event.kind != OTHER] == [
        (REASONING, "Look"),
        (REASONING, " it up."),
        (TEXT, "One moment."),
        (TOOL, "weather"),
        (TOOL, '{"city":'),
        (TOOL, ' "Oslo"}'),
    ]
    assert len(events) == 14
    assert (events[-2].finish_reason, events[-2].input_tokens, events[-2].output_tokens) == ("tool_use", 21, 17)
    assert not any(event.failure for event in events)


@pytest.mark.parametrize("body", [TEXT_STREAM, TOOL_STREAM], ids=["text", "tool"])
def test_every_split_in_two_and_byte_by_byte(body: bytes) -> None:
    events = decode(body)
    for index in range(len(body)):
        assert decode(body[:index], body[index:]) == events
    assert decode(*(body[index : index + 1] for index in range(len(body)))) == events


@given(cuts=st.lists(st.integers(0, len(TOOL_STREAM)), max_size=6), length=st.integers(0, len(TOOL_STREAM)))
def test_any_split_of_any_beginning(cuts: list[int], length: int) -> None:
    body = TOOL_STREAM[:length]
    cuts_at = [0, *sorted(min(cut, length) for cut in cuts), length]
    assert decode(*(body[start:stop] for start, stop in pairwise(cuts_at))) == decode(body)


def test_every_beginning_that_lacks_the_stop_reason_is_a_failure() -> None:
    enough = decode(TOOL_STREAM)[-2].end - 2  # the message_delta without its blank line
    for length in range(enough):
        failures = [event.failure for event in decode(TOOL_STREAM[:length]) if event.failure]
        assert [failure.kind in (BROKEN_STREAM, MALFORMED_EVENT) for failure in failures] == [True], length
    assert not any(event.failure for event in decode(TOOL_STREAM[:enough]))


# --- the documented shapes


def test_input_tokens_include_the_cached_ones() -> None:
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 700, "output_tokens": 1}
    start = {**ANTHROPIC_START, "message": {**ANTHROPIC_START["message"], "usage": usage}}  # type: ignore[dict-item]
    first, last = decode(sse(start, ended(output_tokens=4)))
    assert (first.response_id, first.input_tokens, first.output_tokens) == ("msg_1", 735, None)
    # A later count of one sort replaces that sort alone.
    assert (last.input_tokens, last.output_tokens) == (735, 4)
    assert decode(sse(start, ended(input_tokens=6, output_tokens=4)))[1].input_tokens == 736
    assert decode(sse(start, ended(input_tokens=0, output_tokens=4)))[1].input_tokens == 735


def test_what_is_output_and_what_is_not() -> None:
    assert outputs(
        {"type": "ping"},
        started(type="thinking", thinking="", signature=""),
        delta(type="thinking_delta", thinking="hm"),
        delta(type="signature_delta", signature="EqQB"),
        {"type": "content_block_stop", "index": 0},
        started(type="redacted_thinking", data="EmwK"),
        started(type="text", text=""),
        delta(type="text_delta", text="so"),
        delta(type="text_delta", text=""),
        delta(type="citations_delta", citation={"cited_text": "x"}),
    ) == [
        (OTHER, ""),
        (OTHER, ""),
        (REASONING, "hm"),
        *[(OTHER, "")] * 4,
        (TEXT, "so"),
        *[(OTHER, "")] * 2,
    ]


def test_a_block_that_begins_with_output() -> None:
    assert outputs(
        started(type="text", text="Hi"),
        started(type="thinking", thinking="hm"),
        started(type="tool_use", id="t", name="sum", input={"a": 1}),
        started(type="server_tool_use", id="t", name="web_search", input={}),
        started(type="web_search_tool_result", tool_use_id="t", content=[{"title": "no output of the model"}]),
        started(type="tool_use", id="t"),
    ) == [(TEXT, "Hi"), (REASONING, "hm"), (TOOL, 'sum{"a":1}'), (TOOL, "web_search"), (OTHER, ""), (OTHER, "")]


def test_types_of_the_future_are_ignored() -> None:
    assert outputs(
        {"type": "weather", "delta": "a text where an object used to be"},
        delta(type="smell_delta", smell="x"),
        started(type="smell", smell="x"),
        delta(type="text_delta", text="a"),
    ) == [(OTHER, "")] * 3 + [(TEXT, "a")]


def test_nothing_counts_after_the_end_mark() -> None:
    whole = decode(sse(ANTHROPIC_START, delta(type="text_delta", text="a"), ended(), STOP))
    more = sse(delta(type="text_delta", text="b"), {"type": "error", "error": {"type": "x", "message": "y"}})
    assert decode(sse(ANTHROPIC_START, delta(type="text_delta", text="a"), ended(), STOP) + more + b"data: {") == whole
    assert decode(sse(ANTHROPIC_START, delta(type="text_delta", text="a"), ended(), STOP), more, b"data: {") == whole


def test_an_end_without_either_mark() -> None:
    assert not any(event.failure for event in decode(sse(ANTHROPIC_START, ended())))
    assert not any(event.failure for event in decode(sse(ANTHROPIC_START, STOP)))
    assert not any(event.failure for event in decode(sse(ANTHROPIC_START, ended()).removesuffix(b"\n\n")))
    broken = decode(sse(ANTHROPIC_START, delta(type="text_delta", text="a"), ended(None)))
    message = "the stream ended after 3 events with neither stop_reason nor message_stop"
    assert broken[-1] == Event(broken[-2].end, failure=Failure(BROKEN_STREAM, None, message))


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, ("Overloaded", "overloaded_error")),
        ({"type": 7, "message": "odd"}, ("odd", None)),
        ("plain", ("plain", None)),
        (None, ("an error event without a message", None)),
    ],
)
def test_an_error_in_mid_stream(error: Any, failure: tuple[str, str | None]) -> None:
    events = decode(sse(ANTHROPIC_START, delta(type="text_delta", text="a"), {"type": "error", "error": error}, STOP))
    assert [event.failure for event in events] == [None, None, Failure(STREAM_ERROR, None, *failure)]


@pytest.mark.parametrize(
    ("event", "failure"),
    [
        (b'event: error\ndata: {"message":"down","status":503}\n\n', (503, "down", None)),
        (b"event: error\ndata: upstream reset\n\n", (None, "upstream reset", None)),
        (b'data: {"error":{"type":"api_error","message":"lost"}}\n\n', (None, "lost", "api_error")),
        (b'error: {"code":400,"message":"context"}\n\n', (400, "context", None)),
        (b'{"error":{"message":"context"}}\n\n', (None, "context", None)),
        (b'event: server_error\ndata: {"message":"down"}\n\n', (None, "down", None)),
        (b"event: exception\ndata: upstream reset\n\n", (None, "upstream reset", None)),
        (b'data: {"type":"content_block_delta","error":{"message":"lost"}}\n\n', (None, "lost", None)),
    ],
)
def test_an_error_in_any_frame(event: bytes, failure: tuple[int | None, str, str | None]) -> None:
    body = sse(ANTHROPIC_START, delta(type="text_delta", text="a"))
    code, message, name = failure
    events = decode(body, event, sse(delta(type="text_delta", text="b"), ended(), STOP))
    assert [one.failure for one in events] == [None, None, Failure(STREAM_ERROR, code, message, name)]


def test_a_stream_that_ends_inside_an_event() -> None:
    *_, last = decode(sse(ANTHROPIC_START), b'event: content_block_delta\ndata: {"type":"con')
    assert last.failure == Failure(BROKEN_STREAM, None, "the stream ended inside event 2")


def test_events_that_are_no_messages_and_a_foreign_end_mark() -> None:
    beats = b"event: ping\ndata: 12:00\n\ndata:\n\nhello\n\n"
    done = b"data: [DONE]\n\n"
    events = decode(sse(ANTHROPIC_START), beats, sse(delta(type="text_delta", text="a")), done, sse(STOP))
    assert [(event.text, event.end_mark) for event in events if event.kind != OTHER or event.end_mark] == [
        ("a", False),
        ("", True),
    ]
    assert not any(event.failure for event in events)
    assert [event.end_mark for event in decode(sse(ANTHROPIC_START, ended(), STOP))] == [False, False, True]


def test_the_name_of_an_event_where_its_type_is_missing() -> None:
    events = decode(
        b'event: content_block_delta\ndata: {"delta":{"type":"text_delta","text":"a"}}\n\n',
        b'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"}}\n\n',
    )
    assert [(event.kind, event.text, event.finish_reason) for event in events] == [
        (TEXT, "a", None),
        (OTHER, "", "end_turn"),
    ]


@pytest.mark.parametrize("usage", [[], "x", None, {"input_tokens": 2**63, "output_tokens": -1}, {"output_tokens": 0.5}])
def test_usage_that_says_nothing(usage: Any) -> None:
    odd = {"type": "message_delta", "delta": {"stop_reason": "null"}, "usage": usage}
    start = {**ANTHROPIC_START, "message": {"id": 7, "usage": usage}}
    events = decode(sse(start, delta(type="text_delta", text="a"), odd, STOP))
    assert [(event.input_tokens, event.output_tokens, event.finish_reason) for event in events] == [(None,) * 3] * 4
    assert not any(event.failure for event in events)


def test_cached_tokens_and_whole_floats() -> None:
    counts = {"input_tokens": 5.0, "cache_read_input_tokens": 700, "output_tokens": 4.0}
    last = decode(sse({"type": "message_start"}, ended(**counts), STOP))[1]  # type: ignore[arg-type]
    assert (last.input_tokens, last.output_tokens, last.cached_input_tokens) == (705, 4, 700)


@given(value=st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=4)), lambda inner: st.dictionaries(
    st.sampled_from(["type", "delta", "content_block", "message", "usage", "error", "text", "input_tokens"]), inner
)))  # fmt: skip
def test_no_value_raises(value: Any) -> None:
    kinds = ("message_start", "content_block_start", "content_block_delta", "message_delta", "error")
    for kind in kinds:
        fields = value if isinstance(value, dict) else {"delta": value, "message": value, "content_block": value}
        decode(sse({**fields, "type": kind}))
    decode(b"data: " + json.dumps(value).encode() + b"\n\n")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the answer holds no event"),
        (b": ping\n\n", "the answer holds no event"),
        (b"data: nonsense\n\n", "event 1 ('nonsense')"),
        (b"event: content_block_delta\ndata: x\n\n", "event 1 "),
        (b'data: {"no":"type"}\n\n', "event 1 "),
        (b'data: "\xff"\n\n', "event 1 "),
    ],
)
def test_malformed_answers(body: bytes, message: str) -> None:
    [event] = decode(body)
    assert event.failure is not None
    assert (event.failure.kind, event.failure.code) == (MALFORMED_EVENT, None)
    assert event.failure.message.startswith(message)


@given(noise=st.binary(max_size=200))
def test_noise_never_raises(noise: bytes) -> None:
    assert decode(sse(ANTHROPIC_START) + noise)[-1].failure is not None


# --- requests, refusals, headers


def test_the_request_as_the_api_reference_has_it() -> None:
    request = MESSAGES.encode(Envelope("/v1", "claude-x", "key", ignore_eos=True), user_message("hi"), 5)
    assert (request.method, request.path) == ("POST", "/v1/messages")
    assert json.loads(request.body) == {
        "model": "claude-x",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    }
    assert request.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": "2023-06-01",
        "x-api-key": "key",
    }
    assert "x-api-key" not in MESSAGES.encode(Envelope("", "m"), user_message("hi"), 5).headers


def test_system_messages_have_a_field_of_their_own() -> None:
    messages = (
        Message("system", "be short"),
        Message("user", "a"),
        Message("assistant", "b"),
        Message("system", "now"),
    )
    body = json.loads(MESSAGES.encode(Envelope("", "m", temperature=0.5), messages, 5).body)
    assert body["system"] == "be short\n\nnow"
    assert body["messages"] == [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    assert body["temperature"] == 0.5


def test_what_the_user_gives_replaces_ours() -> None:
    headers = {"Anthropic-Version": "2099-01-01", "X-Api-Key": "other", "anthropic-beta": "b"}
    extra = {"max_tokens": 9, "stream": None, "thinking": {"type": "enabled", "budget_tokens": 8}}
    request = MESSAGES.encode(Envelope("", "m", "key", headers, extra), user_message("hi"), 5)
    assert request.headers == {"content-type": "application/json", "accept": "text/event-stream", **headers}
    assert json.loads(request.body) == {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "thinking": {"type": "enabled", "budget_tokens": 8},
    }


def test_how_the_service_refuses() -> None:
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    assert MESSAGES.error_type({}, body) == "overloaded_error"
    assert MESSAGES.refusals == REFUSALS
    assert REFUSALS.not_ready == frozenset()
    assert REFUSALS.throttled == {"rate_limit_error", "overloaded_error"}
    assert REFUSALS.statuses == {429, 529}


def test_the_name_of_the_response_in_its_headers() -> None:
    assert MESSAGES.header_facts({b"request-id": b"req_1", b"x-request-id": b"no"}) == HeaderFacts("req_1")
    assert MESSAGES.header_facts({}) == HeaderFacts()


def test_the_refusals_of_all_services_together() -> None:
    known = known_refusals()
    assert known.not_ready == {"ModelNotReadyException"}
    assert known.throttled == {"ThrottlingException", "rate_limit_error", "overloaded_error"}
    assert known.statuses == {429, 529}
    assert {"AccessDeniedException", "authentication_error"} <= set(known.remedies)
