"""Bedrock's dialects, on bytes that other programs wrote, with botocore as the referee."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.test_eventstream import VECTOR, frame, text_header
from tests.support import GOLDEN

from llmdyno.protocols.anthropic import MESSAGES
from llmdyno.protocols.bedrock import BODY_FORMATS, REFUSALS, InvokeDecoder, error_type, header_facts, invoke_dialect
from llmdyno.protocols.converse import CONVERSE, ConverseDecoder
from llmdyno.protocols.dialect import Dialect, Envelope, HeaderFacts
from llmdyno.protocols.events import BROKEN_STREAM, MALFORMED_EVENT, OTHER, REASONING, STREAM_ERROR, TEXT, TOOL, Event
from llmdyno.protocols.openai import CHAT, COMPLETIONS
from llmdyno.workload.session import Message, user_message

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"


def run(decoder: Any, *pieces: bytes) -> list[Event]:
    return [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()


def event_frame(kind: str, value: Any) -> bytes:
    headers = text_header(":event-type", kind) + text_header(":content-type", "application/json")
    return frame(headers + text_header(":message-type", "event"), json.dumps(value).encode())


def chunk(**inner: Any) -> bytes:
    return event_frame("chunk", {"bytes": base64.b64encode(json.dumps(inner).encode()).decode(), "p": "abcd"})


def exception(name: str, message: str) -> bytes:
    headers = text_header(":exception-type", name) + text_header(":content-type", "application/json")
    return frame(headers + text_header(":message-type", "exception"), json.dumps({"message": message}).encode())


def test_a_stream_of_another_server() -> None:
    body = (GOLDEN / "bedrock_foreign_server.bin").read_bytes()
    events = run(InvokeDecoder(), body)
    assert "".join(event.text for event in events) == " the time night thou"
    assert [event.kind for event in events] == [TEXT] * 4
    assert [event.output_tokens for event in events] == [1, 2, 3, 4]
    assert events[-1].finish_reason == "length"
    assert events[-1].server_latency_ms is not None
    assert events[-1].server_first_byte_ms is not None
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    theirs = [json.loads(base64.b64decode(json.loads(message.payload)["bytes"])) for message in buffer]
    assert [event.text for event in events] == [one["generation"] for one in theirs]
    metrics = theirs[-1]["amazon-bedrock-invocationMetrics"]
    assert (events[-1].input_tokens, events[-1].output_tokens, events[-1].server_latency_ms) == (
        metrics["inputTokenCount"],
        metrics["outputTokenCount"],
        metrics["invocationLatency"],
    )
    for index in range(len(body)):
        assert run(InvokeDecoder(), body[:index], body[index:]) == events


def test_the_openai_format_of_another_server() -> None:
    events = run(InvokeDecoder(), (GOLDEN / "bedrock_openai_foreign_server.bin").read_bytes())
    assert [(event.kind, event.text) for event in events][:3] == [(TEXT, " the"), (TEXT, " time"), (TEXT, " night")]
    assert events[-1].output_tokens == 3
    assert not any(event.failure for event in events)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([{"generation": "a"}, {"generation": "", "stop_reason": "stop"}], (TEXT, "a", "stop")),
        ([{"outputs": [{"text": "a", "stop_reason": None}]}, {"outputs": [{"text": "", "stop_reason": "length"}]}],
         (TEXT, "a", "length")),
        ([{"choices": [{"index": 0, "text": "a"}]}, {"choices": [{"text": "", "finish_reason": "stop"}]}],
         (TEXT, "a", "stop")),
        ([{"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}],
         (TEXT, "a", "stop")),
        ([{"choices": [{"delta": {"reasoning_content": "a"}}]}, {"choices": [{"delta": {}, "finish_reason": "stop"}]}],
         (REASONING, "a", "stop")),
        ([{"text": "a"}, {"text": "", "stop_reason": "stop"}], (TEXT, "a", "stop")),
    ],
)  # fmt: skip
def test_every_body_formats_chunks(chunks: list[dict[str, Any]], expected: tuple[int, str, str]) -> None:
    first, last = run(InvokeDecoder(), b"".join(chunk(**one) for one in chunks))
    assert (first.kind, first.text, last.finish_reason) == expected
    assert (last.kind, first.failure, last.failure) == (OTHER, None, None)


@pytest.mark.parametrize(
    ("body", "kind", "name", "message"),
    [
        (exception("throttlingException", "slow"), STREAM_ERROR, "ThrottlingException", "slow"),
        (exception("modelStreamErrorException", "oops"), STREAM_ERROR, "ModelStreamErrorException", "oops"),
        (frame(text_header(":message-type", "error") + text_header(":error-code", "Odd")
               + text_header(":error-message", "no idea"), b""), STREAM_ERROR, "Odd", "no idea"),
        (b"", BROKEN_STREAM, None, "without a stop reason"),
        (VECTOR[:50], BROKEN_STREAM, None, "inside a frame"),
        (VECTOR[:-1] + b"\0", MALFORMED_EVENT, None, "checksum of a frame is wrong"),
        (event_frame("chunk", {"bytes": "!!"}), MALFORMED_EVENT, None, "event 2"),
        (event_frame("chunk", {"bytes": base64.b64encode(b"{").decode()}), MALFORMED_EVENT, None, "event 2"),
    ],
)  # fmt: skip
def test_failures_in_mid_stream(body: bytes, kind: str, name: str | None, message: str) -> None:
    first, *rest = run(InvokeDecoder(), VECTOR + body)
    assert first.text == "a"
    [failure] = [event.failure for event in rest if event.failure]
    assert (failure.kind, failure.type, failure.code) == (kind, name, None)
    assert message in failure.message


def test_nothing_at_all_and_an_unknown_operations_answer() -> None:
    """A raw slash in the path is answered with JSON where frames should be; botocore calls it a wrong checksum too."""
    [event] = run(InvokeDecoder())
    assert event.failure is not None
    assert event.failure.kind == MALFORMED_EVENT
    [event] = run(InvokeDecoder(), b'{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"}}')
    assert event.failure is not None
    assert "checksum" in event.failure.message


def test_converse_stream() -> None:
    body = b"".join(
        [
            event_frame("messageStart", {"role": "assistant", "p": "x"}),
            event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"reasoningContent": {"text": "hm"}}}),
            event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "yes"}}),
            event_frame("contentBlockStop", {"contentBlockIndex": 0}),
            event_frame("messageStop", {"stopReason": "max_tokens"}),
            event_frame("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
                                     "metrics": {"latencyMs": 12}}),
        ]
    )  # fmt: skip
    events = run(ConverseDecoder(), body)
    assert [event.kind for event in events] == [OTHER, REASONING, TEXT, OTHER, OTHER, OTHER]
    assert events[4].finish_reason == "max_tokens"
    assert (events[5].input_tokens, events[5].output_tokens, events[5].server_latency_ms) == (3, 2, 12)
    assert not any(event.failure for event in events)
    cut = run(ConverseDecoder(), body[:300])
    assert cut[-1].failure is not None


def test_converse_tool_calls_and_cached_tokens() -> None:
    start = {"start": {"toolUse": {"toolUseId": "t", "name": "sum"}}, "contentBlockIndex": 0}
    usage = {"inputTokens": 3, "outputTokens": 2, "cacheReadInputTokens": 40, "cacheWriteInputTokens": 0}
    body = b"".join(
        [
            event_frame("contentBlockStart", start),
            event_frame("contentBlockDelta", {"delta": {"toolUse": {"input": '{"a":'}}}),
            event_frame("contentBlockDelta", {"delta": {"toolUse": {"input": "1}"}}}),
            event_frame("contentBlockDelta", {"delta": {"reasoningContent": {"signature": "x"}}}),
            event_frame("contentBlockDelta", {"delta": []}),
            event_frame("messageStop", {"stopReason": "tool_use"}),
            event_frame("metadata", {"usage": usage, "metrics": {"latencyMs": 2**70}}),
        ]
    )
    events = run(ConverseDecoder(), body, event_frame("contentBlockDelta", {"delta": {"text": "late"}}))
    assert [(event.kind, event.text) for event in events] == [
        (TOOL, "sum"),
        (TOOL, '{"a":'),
        (TOOL, "1}"),
        *[(OTHER, "")] * 4,
    ]
    last = events[-1]
    assert (last.input_tokens, last.cached_input_tokens, last.server_latency_ms, last.end_mark) == (43, 40, None, True)
    assert not any(event.failure for event in events)


def test_nothing_counts_after_the_services_last_chunk() -> None:
    metrics = {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 3.0, "outputTokenCount": 2**63}}
    body = chunk(generation="a", stop_reason="") + chunk(generation="b", stop_reason="stop", **metrics)
    events = run(InvokeDecoder(), body, chunk(generation="c"), b"noise that is no frame")
    assert [(event.text, event.finish_reason, event.end_mark) for event in events] == [
        ("a", None, False),
        ("b", "stop", True),
    ]
    assert (events[-1].input_tokens, events[-1].output_tokens) == (3, None)


@pytest.mark.parametrize("field", ["generation", "text"])
def test_the_fast_path_and_the_general_one_agree(field: str) -> None:
    pieces = [
        {field: "a", "prompt_token_count": 3, "generation_token_count": 1},
        {"outputs": [{"text": "a"}]},
        {"choices": [{"delta": {"content": "a"}}]},
        {"choices": [{"text": "a"}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": "{"}}]}}]},
        {"choices": [{"delta": {"content": None, "refusal": "no"}}]},
        {field: "a", "stop_reason": "stop"},
        {field: "a", "prompt_token_count": -3, "generation_token_count": 2**40},
        {field: "\ud83d"},
    ]
    for piece in pieces:
        [first, *_] = run(InvokeDecoder(), chunk(**piece))
        second = run(InvokeDecoder(), chunk(generation="x"), chunk(**piece))[1]
        shown = [(event.kind, event.text, event.finish_reason, event.output_tokens) for event in (first, second)]
        assert shown[0] == shown[1]
        assert first.kind != OTHER


def test_an_error_inside_a_chunk() -> None:
    events = run(InvokeDecoder(), chunk(generation="a"), chunk(error={"message": "lost", "code": 500}), chunk())
    assert [event.failure and event.failure[:3] for event in events] == [None, (STREAM_ERROR, 500, "lost")]
    deep = base64.b64encode(b'{"generation":' + b"[" * 100_000).decode()
    failure = run(InvokeDecoder(), event_frame("chunk", {"bytes": deep}))[-1].failure
    assert failure is not None
    assert failure.kind == MALFORMED_EVENT


@pytest.mark.parametrize(
    ("body_format", "fields"),
    [
        ("bedrock-completion", {"prompt": "p", "max_gen_len": 9}),
        ("openai-completion", {"prompt": "p", "max_tokens": 9}),
        ("openai-chat", {"messages": [{"role": "user", "content": "p"}], "max_tokens": 9}),
        ("mistral", {"prompt": "p", "max_tokens": 9}),
        ("qwen", {"prompt": "p", "max_gen_len": 9}),
    ],
)
def test_requests(body_format: str, fields: dict[str, Any]) -> None:
    request = invoke_dialect(body_format).encode(Envelope("", ARN, extra_body={"temperature": 0}), user_message("p"), 9)
    assert json.loads(request.body) == {**fields, "temperature": 0}
    assert request.path == (
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aimported-model%2Fa1b2c3d4e5f6"
        "/invoke-with-response-stream"
    )
    assert request.headers == {"Content-Type": "application/json", "X-Amzn-Bedrock-Accept": "application/json"}


def test_the_converse_request() -> None:
    request = CONVERSE.encode(Envelope("", "name"), user_message("p"), 9)
    assert request.path == "/model/name/converse-stream"
    assert json.loads(request.body) == {
        "messages": [{"role": "user", "content": [{"text": "p"}]}],
        "inferenceConfig": {"maxTokens": 9},
    }
    messages = (Message("system", "be short"), Message("user", "a"), Message("assistant", "b"))
    assert json.loads(CONVERSE.encode(Envelope("", "name"), messages, 9).body) == {
        "messages": [{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [{"text": "b"}]}],
        "system": [{"text": "be short"}],
        "inferenceConfig": {"maxTokens": 9},
    }


@pytest.mark.parametrize(
    ("headers", "body", "name"),
    [
        ({b"x-amzn-errortype": b"ModelNotReadyException:http://internal/"}, b"", "ModelNotReadyException"),
        ({b"x-amzn-errortype": b"ThrottlingException"}, b'{"message":"x"}', "ThrottlingException"),
        ({}, b'{"__type":"com.amazon.coral.service#UnknownOperationException"}', "UnknownOperationException"),
        ({}, b'{"code":"ValidationException","message":"x"}', "ValidationException"),
        ({}, b'{"message":"x"}', None),
        ({}, b"[]", None),
        ({}, b"<html>", None),
    ],
)  # fmt: skip
def test_error_types(headers: dict[bytes, bytes], body: bytes, name: str | None) -> None:
    assert error_type(headers, body) == name


@given(noise=st.binary(max_size=200), cut=st.integers(0, 141))
def test_noise_after_a_frame_is_a_failure_and_never_an_exception(noise: bytes, cut: int) -> None:
    for decoder in (InvokeDecoder(), ConverseDecoder()):
        events = run(decoder, VECTOR, VECTOR[:cut] + noise)
        assert events[0].failure is None
        assert events[-1].failure is not None  # neither frame holds a stop reason, whatever the noise is taken for


def test_every_format_is_a_dialect() -> None:
    assert [invoke_dialect(name).name for name in BODY_FORMATS] == [f"bedrock invoke, {name}" for name in BODY_FORMATS]
    assert all(invoke_dialect(name).refusals == REFUSALS for name in BODY_FORMATS)
    assert CONVERSE.refusals == REFUSALS
    assert (REFUSALS.not_ready, REFUSALS.throttled) == ({"ModelNotReadyException"}, {"ThrottlingException"})
    assert REFUSALS.statuses == {429}


def test_the_headers_of_a_response() -> None:
    headers = {
        b"x-amzn-requestid": b"r1",
        b"x-amzn-bedrock-input-token-count": b"7",
        b"x-amzn-bedrock-output-token-count": b"nine",
        b"x-amzn-bedrock-invocation-latency": b"1200",
    }
    assert header_facts(headers) == HeaderFacts("r1", 7, None, 1200)
    assert header_facts({}) == HeaderFacts()


@pytest.mark.parametrize(
    ("dialect", "where"),
    [
        (CHAT, ("temperature",)),
        (COMPLETIONS, ("temperature",)),
        (MESSAGES, ("temperature",)),
        (invoke_dialect("bedrock-completion"), ("temperature",)),
        (invoke_dialect("openai-chat"), ("temperature",)),
        (CONVERSE, ("inferenceConfig", "temperature")),
    ],
    ids=lambda value: value.name if isinstance(value, Dialect) else "",
)
def test_the_temperature_goes_where_the_api_has_it(dialect: Dialect, where: tuple[str, ...]) -> None:
    value = json.loads(dialect.encode(Envelope("", "m", temperature=0.0), user_message("p"), 5).body)
    for name in where:
        value = value[name]
    assert value == 0.0
    assert b"temperature" not in dialect.encode(Envelope("", "m"), user_message("p"), 5).body
