"""Anthropic's Messages API as the emulator speaks it: requests read, events written, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from llmdyno.emulator.anthropic import MessageAnswer
from llmdyno.emulator.anthropic_request import TOOL_TOKENS, Failure, check_key, read_request, refusal
from llmdyno.emulator.dialect import Ending
from llmdyno.emulator.faults import BEFORE, STREAM

HEADERS = {"anthropic-version": "2023-06-01"}
HI = [{"role": "user", "content": "one two"}]
TOOLS = [
    {"name": "other", "input_schema": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    {
        "name": "weather",
        "input_schema": {
            "type": "object",
            "properties": {
                "days": {"type": "integer"},
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["C", "F"]},
            },
        },
    },
]


def read(headers: dict[str, str] = HEADERS, **fields: Any) -> Any:
    body = {"model": "m", "max_tokens": 8, "messages": HI, **fields}
    return read_request(headers, json.dumps({k: v for k, v in body.items() if v is not None}).encode(), "m", 7)


def events(data: bytes) -> list[dict[str, Any]]:
    """The events of a stream; each is named as its type says."""
    found = []
    for block in data.decode().split("\n\n")[:-1]:
        name, value = block.split("\n")
        found.append(json.loads(value.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def streamed(words: list[str], finish_reason: str = "stop", **fields: Any) -> list[dict[str, Any]]:
    answer = MessageAnswer(read(stream=True, **fields), 7, "m")
    data = b"".join(answer.token(index, word) for index, word in enumerate(words))
    return events(data + answer.end(Ending(len(words), finish_reason, 1, 1)))


def test_a_text_stream_byte_for_byte() -> None:
    answer = MessageAnswer(read(stream=True), 7, "m")
    assert answer.headers == ["request-id: req_000000000000000000000007"]
    assert answer.token(0, ' a"').decode() == (
        'event: message_start\ndata: {"type":"message_start","message":{"id":"msg_000000000000000000000007",'
        '"type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,'
        '"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}}\n\n'
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,'
        '"content_block":{"type":"text","text":""}}\n\n'
        'event: ping\ndata: {"type":"ping"}\n\n'
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
        '"delta":{"type":"text_delta","text":" a\\""}}\n\n'
    )
    assert answer.end(Ending(1, "length", 5, 2)).decode() == (
        'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},'
        '"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1}}\n\n'
        'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    )


def test_thinking_comes_first_and_is_signed() -> None:
    found = streamed([" a", " b", " c", " d"], thinking={"type": "adaptive"})
    deltas = [(event["index"], event["delta"]) for event in found if event["type"] == "content_block_delta"]
    assert deltas == [
        (0, {"type": "thinking_delta", "thinking": " a"}),
        (0, {"type": "thinking_delta", "thinking": " b"}),
        (0, {"type": "signature_delta", "signature": "llmdyno-emulator-00000007"}),
        (1, {"type": "text_delta", "text": " c"}),
        (1, {"type": "text_delta", "text": " d"}),
    ]
    assert [event["content_block"]["type"] for event in found if event["type"] == "content_block_start"] == [
        "thinking",
        "text",
    ]
    assert [event["index"] for event in found if event["type"] == "content_block_stop"] == [0, 1]
    assert found[-2]["usage"]["output_tokens_details"] == {"thinking_tokens": 2}
    assert "output_tokens_details" not in found[0]["message"]["usage"]


def test_hidden_thinking_is_counted_and_not_streamed() -> None:
    found = streamed([" a", " b", " c"], thinking={"type": "adaptive", "display": "omitted"})
    kinds = [event["delta"]["type"] for event in found if event["type"] == "content_block_delta"]
    assert kinds == ["signature_delta", "text_delta"]
    assert found[-2]["usage"]["output_tokens"] == 3


def test_an_answer_that_ends_while_it_thinks() -> None:
    found = streamed([" a"], finish_reason="length", thinking={"type": "adaptive"})
    kinds = [event["delta"]["type"] for event in found if event["type"] == "content_block_delta"]
    assert kinds == ["thinking_delta", "signature_delta"]
    assert found[-2]["delta"]["stop_reason"] == "max_tokens"


def test_a_forced_tool_gets_an_input_that_fits_its_schema() -> None:
    choice = {"type": "tool", "name": "weather"}
    found = streamed([' a"', " b"], tools=TOOLS, tool_choice=choice)
    start = next(event["content_block"] for event in found if event["type"] == "content_block_start")
    assert start == {"type": "tool_use", "id": "toolu_000000000000000000000007", "name": "weather", "input": {}}
    pieces = [event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"]
    assert pieces == ['{"days": 1, "unit": "C", "city": "', ' a\\"', " b", '"}']
    assert json.loads("".join(pieces)) == {"days": 1, "unit": "C", "city": ' a" b'}
    assert found[-2]["delta"]["stop_reason"] == "tool_use"
    assert read(tools=TOOLS, tool_choice=choice).own_tokens == TOOL_TOKENS


def test_a_tool_without_free_text_gets_blanks_and_any_takes_the_first() -> None:
    found = streamed([" a", " b"], tools=TOOLS, tool_choice={"type": "any"})
    pieces = [event["delta"]["partial_json"] for event in found if event["type"] == "content_block_delta"]
    assert pieces == ['{"n": 1', " ", " ", "}"]


def test_a_tool_call_that_max_tokens_cuts() -> None:
    choice = {"type": "tool", "name": "weather"}
    found = streamed([" a"], finish_reason="length", tools=TOOLS, tool_choice=choice)
    assert found[-3] == {"type": "content_block_stop", "index": 0}
    assert found[-2]["delta"]["stop_reason"] == "max_tokens"


def whole(words: list[str], finish_reason: str = "stop", **fields: Any) -> dict[str, Any]:
    answer = MessageAnswer(read(**fields), 7, "m")
    assert [answer.token(index, word) for index, word in enumerate(words)] == [b""] * len(words)
    return dict(json.loads(answer.end(Ending(len(words), finish_reason, 1, 1))))


def test_whole_answers() -> None:
    found = whole([" a", " b", " c"], thinking={"type": "adaptive"})
    assert found["content"] == [
        {"type": "thinking", "thinking": " a b", "signature": "llmdyno-emulator-00000007"},
        {"type": "text", "text": " c"},
    ]
    assert (found["stop_reason"], found["usage"]["output_tokens"], found["usage"]["input_tokens"]) == ("end_turn", 3, 2)
    called = whole([" a"], tools=TOOLS, tool_choice={"type": "tool", "name": "weather"})
    assert called["content"][0]["input"] == {"days": 1, "unit": "C", "city": " a"}
    assert called["stop_reason"] == "tool_use"
    cut = whole([" a"], "length", tools=TOOLS, tool_choice={"type": "tool", "name": "weather"})
    assert (cut["content"][0]["input"], cut["stop_reason"]) == ({}, "max_tokens")


def test_the_prompt_is_the_system_prompt_and_every_turn() -> None:
    turns = [
        {"role": "user", "content": "one two"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "three", "signature": "s"},
                                          {"type": "tool_use", "id": "t", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "four"},
                                     {"type": "image", "source": {}}, {"type": "text", "text": " five"}]},
    ]  # fmt: skip
    asked = read(system=[{"type": "text", "text": "be brief"}], messages=turns)
    assert asked.text == "be brief\none two\nthree{}\nfour five"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": True}, "max_tokens: Input"),
        ({"max_tokens": 131_071}, "exceed context limit: 2 + 131071 > 131072"),
        ({"messages": None}, "messages: Field required"),
        ({"messages": []}, "at least one message"),
        ({"messages": ["x"]}, "messages.0.role"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages.0.content.0.type: Field required"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text: Field required"),
        ({"system": 3}, "system: Input should be"),
        ({"thinking": {"type": "enabled", "budget_tokens": 1023}, "max_tokens": 4000}, "equal to 1024"),
        ({"thinking": {"type": "enabled", "budget_tokens": 4000}, "max_tokens": 4000}, "must be greater than"),
        ({"thinking": {"type": "hard"}}, "thinking.type"),
        ({"tool_choice": {"type": "any"}}, "only be specified while providing tools"),
        ({"tool_choice": {"type": "tool", "name": "x"}, "tools": TOOLS}, "Tool 'x' not found"),
        ({"tool_choice": {"type": "any"}, "tools": TOOLS, "thinking": {"type": "adaptive"}}, "Thinking may not"),
    ],
)
def test_requests_that_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Failure, match=message.replace("+", r"\+")) as caught:
        read(**fields)
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request_error")


@pytest.mark.parametrize("body", [b"", b"[]", b"{"])
def test_bodies_that_are_not_requests(body: bytes) -> None:
    with pytest.raises(Failure, match="not valid JSON"):
        read_request(HEADERS, body, "m", 0)


def test_the_shape_of_an_error() -> None:
    with pytest.raises(Failure) as caught:
        read(model="other")
    assert caught.value.status == 404
    assert caught.value.headers == ["request-id: req_000000000000000000000007"]
    assert json.loads(caught.value.body) == {
        "type": "error",
        "error": {"type": "not_found_error", "message": "model: other"},
        "request_id": "req_000000000000000000000007",
    }


def test_headers_that_are_missing_or_wrong() -> None:
    with pytest.raises(Failure, match="anthropic-version: header is required"):
        read(headers={})
    check_key({}, None, 0)
    check_key({"x-api-key": "k"}, "k", 0)
    check_key({"authorization": "Bearer k"}, "k", 0)
    for headers, message in (
        ({}, "header is required"),
        ({"authorization": "Basic k"}, "header is required"),
        ({"x-api-key": "x"}, "invalid x-api-key"),
        ({"authorization": "Bearer x"}, "invalid x-api-key"),
    ):
        with pytest.raises(Failure, match=message) as caught:
            check_key(headers, "k", 0)
        assert (caught.value.status, caught.value.kind) == (401, "authentication_error")


@pytest.mark.parametrize("name", ["temperature", "top_p", "top_k"])
def test_sampling_is_refused_since_the_second_version(name: str) -> None:
    assert read(**{name: 1}).max_tokens == 8
    with pytest.raises(Failure, match=f"{name}: Extra inputs are not permitted"):
        read(headers={"anthropic-version": "2026-10-21"}, **{name: 1})


STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Error types and their status codes, as the API reference lists them."""


@pytest.mark.parametrize("kind", [*BEFORE, *STREAM])
def test_every_fault_has_a_documented_error(kind: str) -> None:
    failure = refusal(kind, 7)
    assert STATUSES[failure.kind] == failure.status
    [event] = events(MessageAnswer(read(stream=True), 7, "m").fault(kind))
    assert event == json.loads(failure.body)
