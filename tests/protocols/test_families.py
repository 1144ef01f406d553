"""Foundation models on InvokeModel: bodies and chunks as AWS's documents and public captures show them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.test_bedrock import chunk, event_frame, exception, run
from tests.support import ANTHROPIC_START, GOLDEN

from llmdyno.protocols.anthropic import AnthropicDecoder
from llmdyno.protocols.bedrock import BODY_FORMATS, InvokeDecoder, header_facts, invoke_dialect
from llmdyno.protocols.converse import CONVERSE, ConverseDecoder
from llmdyno.protocols.dialect import Dialect, Envelope, HeaderFacts
from llmdyno.protocols.events import (
    BROKEN_STREAM,
    MALFORMED_EVENT,
    OTHER,
    REASONING,
    STREAM_ERROR,
    TEXT,
    TOOL,
    Event,
    is_abort,
    is_normal_end,
)
from llmdyno.protocols.families import (
    FAMILY_FORMATS,
    RUNTIME_CHAT,
    AnthropicFramesDecoder,
    NovaDecoder,
    family_dialect,
    family_format,
)
from llmdyno.spec.readers import BODY_FORMATS as KNOWN_FORMATS
from llmdyno.workload.session import Message, Messages, user_message

METRICS = {"inputTokenCount": 7, "outputTokenCount": 3, "invocationLatency": 900, "firstByteLatency": 300}
LAST = {"amazon-bedrock-invocationMetrics": METRICS}
TURNS: Messages = (
    Message("system", "be short"),
    Message("user", "a"),
    Message("assistant", "b"),
    Message("user", "c"),
)


def shown(events: list[Event]) -> list[tuple[int, str]]:
    return [(event.kind, event.text) for event in events if event.kind != OTHER]


def last(events: list[Event], name: str) -> Any:
    """The last value that any event tells."""
    return next((value for event in reversed(events) if (value := getattr(event, name)) is not None), None)


def whole(events: list[Event]) -> tuple[Any, ...]:
    """What a record would hold: finish reason, counts, latencies."""
    assert [event.failure for event in events if event.failure] == []
    names = ("finish_reason", "input_tokens", "output_tokens", "server_latency_ms", "server_first_byte_ms")
    return tuple(last(events, name) for name in names)


# --- Anthropic

CLAUDE = [
    ANTHROPIC_START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "c2ln"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 1},
    {"type": "content_block_start", "index": 2,
     "content_block": {"type": "tool_use", "id": "t", "name": "get", "input": {}}},
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
     "usage": {"output_tokens": 15}},
    {"type": "message_stop", **LAST},
]  # fmt: skip


def test_anthropics_events_in_frames() -> None:
    body = b"".join(chunk(**event) for event in CLAUDE)
    events = run(AnthropicFramesDecoder(), body, chunk(type="content_block_delta", delta={"text": "late"}))
    assert shown(events) == [(REASONING, "Hm."), (TEXT, "Hello"), (TOOL, "get"), (TOOL, "{}")]
    assert whole(events) == ("tool_use", 25, 15, 900, 300)
    assert len(events) == len(CLAUDE)
    assert (events[0].response_id, events[-1].end_mark, events[-1].end) == ("msg_1", True, len(body))


def test_another_servers_events_read_the_same_in_frames_and_as_server_sent_ones() -> None:
    sent = (GOLDEN / "anthropic_foreign_server_tool.sse").read_bytes()
    data = [json.loads(line[6:]) for line in sent.split(b"\n") if line.startswith(b"data: {")]
    framed = run(AnthropicFramesDecoder(), b"".join(chunk(**one) for one in data))
    plain = run(AnthropicDecoder(), sent)
    facts = [
        [(e.kind, e.text, e.finish_reason, e.input_tokens, e.output_tokens) for e in one] for one in (framed, plain)
    ]
    assert facts[0] == facts[1]
    assert len(shown(framed)) > 2


@pytest.mark.parametrize(
    ("pieces", "kind", "name"),
    [
        ([chunk(**CLAUDE[0])], BROKEN_STREAM, None),
        ([], MALFORMED_EVENT, None),
        ([chunk(**CLAUDE[0]), exception("throttlingException", "slow")], STREAM_ERROR, "ThrottlingException"),
        ([chunk(type="error", error={"type": "overloaded_error", "message": "x"})], STREAM_ERROR, "overloaded_error"),
        ([event_frame("chunk", {"bytes": "!!"})], MALFORMED_EVENT, None),
    ],
)
def test_anthropics_stream_that_fails(pieces: list[bytes], kind: str, name: str | None) -> None:
    failure = run(AnthropicFramesDecoder(), *pieces)[-1].failure
    assert failure is not None
    assert (failure.kind, failure.type) == (kind, name)


def test_an_answer_is_whole_with_its_stop_reason_though_the_stop_event_is_missing() -> None:
    events = run(AnthropicFramesDecoder(), b"".join(chunk(**event) for event in CLAUDE[:-1]))
    assert whole(events)[0] == "tool_use"


def test_frames_of_another_kind_hold_nothing() -> None:
    for decoder in (AnthropicFramesDecoder(), NovaDecoder(), InvokeDecoder()):
        assert decoder.feed(event_frame("initial-response", {})) == [Event(len(event_frame("initial-response", {})))]


# --- Nova

NOVA = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"reasoningContent": {"reasoningText": {"text": "Hm."}}}, "contentBlockIndex": 0}},
    {"contentBlockDelta": {"delta": {"text": "Hello"}, "contentBlockIndex": 1}},
    {"contentBlockStop": {"contentBlockIndex": 1}},
    {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "t", "name": "get"}}, "contentBlockIndex": 2}},
    {"contentBlockDelta": {"delta": {"toolUse": {"input": "{}"}}, "contentBlockIndex": 2}},
    {"messageStop": {"stopReason": "tool_use"}},
    {
        "metadata": {
            "usage": {
                "inputTokens": 5,
                "outputTokens": 4,
                "cacheReadInputTokenCount": 90,
                "cacheReadInputTokens": 90,
                "cacheWriteInputTokenCount": 10,
            },
            "metrics": {},
            "trace": {},
        },
        **LAST,
    },
]


def test_novas_stream_is_converses_in_chunks() -> None:
    events = run(NovaDecoder(), b"".join(chunk(**one) for one in NOVA))
    assert shown(events) == [(REASONING, "Hm."), (TEXT, "Hello"), (TOOL, "get"), (TOOL, "{}")]
    assert whole(events) == ("tool_use", 105, 4, 900, 300)
    assert (last(events, "cached_input_tokens"), events[-1].end_mark) == (90, True)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([chunk(**NOVA[0]), chunk(**NOVA[2])], BROKEN_STREAM),
        ([chunk(error={"message": "lost", "code": 500})], STREAM_ERROR),
    ],
)
def test_novas_stream_that_fails(pieces: list[bytes], kind: str) -> None:
    failure = run(NovaDecoder(), *pieces)[-1].failure
    assert failure is not None
    assert failure.kind == kind


# --- the families that InvokeModel's own decoder reads

STREAMS: dict[str, list[dict[str, Any]]] = {
    "titan": [
        {"outputText": "Hel", "index": 0, "totalOutputTextTokenCount": None, "completionReason": None,
         "inputTextTokenCount": 7},
        {"outputText": "lo", "index": 0, "totalOutputTextTokenCount": 3, "completionReason": "FINISH",
         "inputTextTokenCount": None, **LAST},
    ],
    "cohere": [
        {"is_finished": False, "event_type": "stream-start", "generation_id": "g"},
        {"is_finished": False, "event_type": "text-generation", "text": "Hel"},
        {"is_finished": False, "event_type": "text-generation", "text": "lo"},
        {"is_finished": True, "event_type": "stream-end", "finish_reason": "COMPLETE",
         "response": {"response_id": "r", "text": "Hello", "finish_reason": "COMPLETE"}, **LAST},
    ],
    "mistral chat": [
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hel"}, "stop_reason": None}]},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "lo"}, "stop_reason": "stop"}], **LAST},
    ],
    "deepseek r1": [
        {"choices": [{"text": "Hel", "stop_reason": None}]},
        {"choices": [{"text": "lo", "stop_reason": "stop"}]},
        {"choices": [{"text": "", "stop_reason": None}], **LAST},
    ],
    "jamba": [
        {"id": "c", "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]},
        {"id": "c", "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}],
         "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}, **LAST},
    ],
}  # fmt: skip


@pytest.mark.parametrize("family", STREAMS)
def test_every_familys_stream(family: str) -> None:
    body = b"".join(chunk(**one) for one in STREAMS[family])
    events = run(InvokeDecoder(), body)
    assert "".join(event.text for event in events) == "Hello"
    assert len(shown(events)) == 2
    reason = {"titan": "FINISH", "cohere": "COMPLETE"}.get(family, "stop")
    assert whole(events) == (reason, 7, 3, 900, 300)
    assert is_normal_end(reason)


@given(
    family=st.sampled_from([*STREAMS, "anthropic", "nova"]),
    cuts=st.lists(st.integers(0, 5000), max_size=4),
)
def test_every_split_gives_the_same_events(family: str, cuts: list[int]) -> None:
    made = {"anthropic": (AnthropicFramesDecoder, CLAUDE), "nova": (NovaDecoder, NOVA)}
    decoder, chunks = made.get(family) or (InvokeDecoder, STREAMS[family])
    body = b"".join(chunk(**one) for one in chunks)
    ends = sorted(min(cut, len(body)) for cut in cuts)
    pieces = [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)], strict=True)]
    assert run(decoder(), *pieces) == run(decoder(), body)


def test_a_message_beside_deltas_is_no_further_output() -> None:
    pieces = [
        chunk(choices=[{"delta": {"content": "Hello"}}]),
        chunk(choices=[{"message": {"content": "Hello"}, "finish_reason": "stop"}]),
    ]
    assert shown(run(InvokeDecoder(), *pieces)) == [(TEXT, "Hello")]


def test_a_guardrail_that_changed_the_answer_is_its_finish_reason() -> None:
    spoken = {"generation": "Sorry", "stop_reason": "stop"}
    marks = {"amazon-bedrock-guardrailAction": "INTERVENED"}
    [event] = run(InvokeDecoder(), chunk(**spoken, **marks, **LAST))
    assert (event.text, event.finish_reason) == ("Sorry", "guardrail_intervened")
    [event] = run(InvokeDecoder(), chunk(**spoken, **LAST, **{"amazon-bedrock-guardrailAction": "NONE"}))
    assert event.finish_reason == "stop"


def test_cached_tokens_are_a_part_of_the_input() -> None:
    cached = {**METRICS, "cacheReadInputTokenCount": 90, "cacheWriteInputTokenCount": 3}
    [event] = run(InvokeDecoder(), chunk(generation="x", **{"amazon-bedrock-invocationMetrics": cached}))
    assert (event.input_tokens, event.cached_input_tokens) == (100, 90)


# --- Converse


@pytest.mark.parametrize(
    ("reason", "abort"),
    [
        *((reason, False) for reason in ("end_turn", "tool_use", "max_tokens", "stop_sequence", "content_filtered")),
        ("guardrail_intervened", False),
        ("model_context_window_exceeded", False),
        ("malformed_model_output", True),
        ("malformed_tool_use", True),
    ],
)
def test_every_reason_of_converse(reason: str, abort: bool) -> None:
    pieces = [
        event_frame("messageStart", {"role": "assistant"}),
        event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "Hm."}}}),
        event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"signature": "s"}}}),
        event_frame("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"text": "Hello"}}),
        event_frame("messageStop", {"stopReason": reason}),
        event_frame(
            "metadata",
            {
                "usage": {"inputTokens": 5, "outputTokens": 4, "totalTokens": 109, "cacheReadInputTokens": 90,
                          "cacheWriteInputTokens": 10},
                "metrics": {"latencyMs": 900},
                "serviceTier": {"type": "priority"},
            },
        ),
    ]  # fmt: skip
    events = run(ConverseDecoder(), *pieces)
    assert shown(events) == [(REASONING, "Hm."), (TEXT, "Hello")]
    assert whole(events) == (reason, 105, 4, 900, None)
    assert (last(events, "cached_input_tokens"), last(events, "service_tier")) == (90, "priority")
    assert is_abort(reason) == abort


# --- requests


@pytest.mark.parametrize(
    ("body_format", "expected"),
    [
        ("anthropic", {
            "anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "system": "be short", "temperature": 0.5,
            "messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
                         {"role": "user", "content": "c"}],
        }),
        ("nova", {
            "schemaVersion": "messages-v1", "system": [{"text": "be short"}],
            "messages": [{"role": role, "content": [{"text": text}]}
                         for role, text in (("user", "a"), ("assistant", "b"), ("user", "c"))],
            "inferenceConfig": {"maxTokens": 9, "temperature": 0.5},
        }),
        ("titan", {
            "inputText": "be short\n\na\n\nb\n\nc",
            "textGenerationConfig": {"maxTokenCount": 9, "temperature": 0.5},
        }),
        ("cohere", {
            "message": "c", "preamble": "be short", "max_tokens": 9, "temperature": 0.5,
            "chat_history": [{"role": "USER", "message": "a"}, {"role": "CHATBOT", "message": "b"}],
        }),
        ("gpt-oss", {
            "messages": [{"role": "system", "content": "be short"}, {"role": "user", "content": "a"},
                         {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}],
            "max_completion_tokens": 9, "temperature": 0.5,
        }),
    ],
)  # fmt: skip
def test_requests(body_format: str, expected: dict[str, Any]) -> None:
    envelope = Envelope("/base", "us.x.y-v1:0", temperature=0.5, service_tier="flex")
    request = family_dialect(body_format).encode(envelope, TURNS, 9)
    assert json.loads(request.body) == expected
    assert request.path == "/base/model/us.x.y-v1%3A0/invoke-with-response-stream"
    assert request.headers == {
        "Content-Type": "application/json",
        "X-Amzn-Bedrock-Accept": "application/json",
        "X-Amzn-Bedrock-Service-Tier": "flex",
    }


def test_one_message_has_no_history() -> None:
    def body(body_format: str) -> Any:
        return json.loads(family_dialect(body_format).encode(Envelope("", "m"), user_message("p"), 9).body)

    assert body("cohere") == {"message": "p", "max_tokens": 9}
    assert body("nova")["inferenceConfig"] == {"maxTokens": 9}
    assert "system" not in body("anthropic")
    assert "temperature" not in body("titan")["textGenerationConfig"]


@pytest.mark.parametrize("body_format", [*BODY_FORMATS, *FAMILY_FORMATS])
def test_a_field_of_the_users_replaces_ours(body_format: str) -> None:
    made = family_dialect if body_format in FAMILY_FORMATS else invoke_dialect
    dialect: Dialect = made(body_format)
    value = json.loads(dialect.encode(Envelope("", "m", extra_body={"top_k": 5}), user_message("p"), 9).body)
    assert value["top_k"] == 5
    assert dialect.name == f"bedrock invoke, {body_format}"


def test_the_tier_is_asked_for_on_every_route() -> None:
    envelope = Envelope("", "m", service_tier="priority")
    assert json.loads(CONVERSE.encode(envelope, user_message("p"), 9).body)["serviceTier"] == {"type": "priority"}
    chat = RUNTIME_CHAT.encode(envelope, user_message("p"), 9)
    assert (chat.path, json.loads(chat.body)["service_tier"]) == ("/openai/v1/chat/completions", "priority")
    invoked = invoke_dialect("bedrock-completion").encode(envelope, user_message("p"), 9)
    assert invoked.headers["X-Amzn-Bedrock-Service-Tier"] == "priority"
    own = Envelope("", "m", service_tier="priority", headers={"x-amzn-bedrock-service-tier": "flex"})
    headers = invoke_dialect("bedrock-completion").encode(own, user_message("p"), 9).headers
    assert [value for name, value in headers.items() if name.lower() == "x-amzn-bedrock-service-tier"] == ["flex"]
    assert header_facts({b"x-amzn-bedrock-service-tier": b"flex"}) == HeaderFacts(service_tier="flex")


def test_every_format_that_can_be_named_has_a_dialect() -> None:
    assert {*BODY_FORMATS, *FAMILY_FORMATS} == set(KNOWN_FORMATS)


@pytest.mark.parametrize(
    ("base", "body_format"),
    [
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", "anthropic"),
        ("anthropic.claude-v2:1", None),
        ("anthropic.claude-instant-v1", None),
        ("amazon.nova-2-lite-v1:0", "nova"),
        ("amazon.titan-text-express-v1", "titan"),
        ("amazon.titan-tg1-large", "titan"),
        ("amazon.titan-embed-text-v2:0", None),
        ("meta.llama3-1-8b-instruct-v1:0", "bedrock-completion"),
        ("mistral.mistral-7b-instruct-v0:2", "mistral"),
        ("mistral.mistral-large-2402-v1:0", "mistral"),
        ("mistral.mistral-large-2407-v1:0", "openai-chat"),
        ("mistral.pixtral-large-2502-v1:0", "openai-chat"),
        ("cohere.command-r-plus-v1:0", "cohere"),
        ("cohere.command-text-v14", None),
        ("ai21.jamba-1-5-mini-v1:0", "openai-chat"),
        ("deepseek.r1-v1:0", "openai-completion"),
        ("deepseek.v3-v1:0", "openai-chat"),
        ("openai.gpt-oss-20b-1:0", "gpt-oss"),
        ("qwen.qwen3-32b-v1:0", "openai-chat"),
        ("google.gemma-3-4b-it", None),
    ],
)
def test_the_format_of_a_foundation_model(base: str, body_format: str | None) -> None:
    assert family_format(base) == body_format
