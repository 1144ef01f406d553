"""LiteLLM as a maker of requests and a reader of answers.

Its own code makes the requests. These tests hold that we catch them whole, repair what is broken in them, and read
answers as it does.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import litellm
import pytest
from tests.support import ANTHROPIC_START, GOLDEN

from llmdyno import InputError
from llmdyno.protocols.events import OTHER, REASONING, STREAM_ERROR, TEXT
from llmdyno.targets.litellm.library import LiteLLM
from llmdyno.workload.session import user_message

pytestmark = pytest.mark.filterwarnings("ignore")

ARN = "arn:aws:bedrock:eu-west-1:123456789012:imported-model/a1b2c3d4e5f6"
PATH = "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aimported-model%2Fa1b2c3d4e5f6/"
STREAM = PATH + "invoke-with-response-stream"
RUNTIME = "https://bedrock-runtime.eu-west-1.amazonaws.com"


@pytest.fixture(autouse=True, scope="module")
def _loop() -> Iterator[None]:
    """LiteLLM makes an event loop where there is none, and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GROQ_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-key")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError(f"a socket was opened: {arguments}")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def library(model: str, **parameters: Any) -> LiteLLM:
    return LiteLLM(model, parameters)


@pytest.mark.usefixtures("_no_network")
@pytest.mark.parametrize(
    ("model", "parameters", "base_url", "path", "fields"),
    [
        (f"bedrock/llama/{ARN}", {}, RUNTIME, STREAM, {"prompt": "hello there", "max_gen_len": 12}),
        (f"bedrock/deepseek_r1/{ARN}", {}, RUNTIME, STREAM, {"max_gen_len": 12}),
        (f"bedrock/qwen3/{ARN}", {}, RUNTIME, STREAM, {"max_gen_len": 12}),
        (f"bedrock/moonshot/{ARN}", {}, RUNTIME, STREAM, {"max_tokens": 12, "stream": True}),
        # LiteLLM leaves the first part of this route's ARN bare, and all of the next one's: both are mended.
        (f"bedrock/openai/{ARN}", {}, RUNTIME, STREAM, {"max_tokens": 12}),
        (f"bedrock/mistral/{ARN}", {}, RUNTIME, STREAM, {"max_tokens": 12}),
        (f"bedrock/converse/{ARN}", {}, RUNTIME, PATH + "converse-stream", {"inferenceConfig": {"maxTokens": 12}}),
        (
            "openai/m",
            {"api_base": "http://127.0.0.1:9/v1", "api_key": "sk-x", "temperature": 0.5},
            "http://127.0.0.1:9",
            "/v1/chat/completions",
            {"model": "m", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5},
        ),
        ("hosted_vllm/m", {"api_base": "http://[::1]:9/v1"}, "http://[::1]:9", "/v1/chat/completions", {"model": "m"}),
        ("groq/m", {"api_key": "k"}, "https://api.groq.com", "/openai/v1/chat/completions", {"max_tokens": 12}),
        ("anthropic/claude-x", {"api_key": "k"}, "https://api.anthropic.com", "/v1/messages", {"stream": True}),
        ("ollama_chat/llama3", {}, "http://localhost:11434", "/api/chat", {"stream": True}),
    ],
)
def test_the_request_is_litellms_own(
    model: str, parameters: dict[str, Any], base_url: str, path: str, fields: dict[str, Any]
) -> None:
    caught = library(model, **parameters).catch(user_message("hello there"), 12)
    assert (caught.base_url, caught.request.path, caught.request.method) == (base_url, path, "POST")
    assert fields.items() <= json.loads(caught.request.body).items()
    assert not {"host", "content-length", "accept-encoding"} & set(caught.request.headers)
    if model.startswith("bedrock"):
        assert caught.signed_for == ("eu-west-1", "bedrock")
        assert not {"authorization", "x-amz-date"} & set(caught.request.headers)  # signed again just before the send
    else:
        assert caught.signed_for is None


def test_azure_and_its_query() -> None:
    more = {"api_key": "azure-key", "api_base": "https://x.openai.azure.com", "api_version": "2024-02-01"}
    caught = library("azure/gpt", **more).catch(user_message("hello"), 3)
    assert caught.request.path == "/openai/deployments/gpt/chat/completions?api-version=2024-02-01"
    assert "azure-key" in caught.secrets


def test_each_prompt_and_length_is_its_own_request() -> None:
    one = library(f"bedrock/llama/{ARN}")
    bodies = [
        json.loads(one.catch(user_message(prompt), tokens).request.body) for prompt, tokens in (("a", 1), ("b c", 2))
    ]
    assert bodies == [{"prompt": "a", "max_gen_len": 1}, {"prompt": "b c", "max_gen_len": 2}]


def test_credentials_are_those_that_litellm_would_sign_with() -> None:
    found = library(f"bedrock/llama/{ARN}").credentials()
    assert (found.access_key, found.secret_key) == ("AKIDEXAMPLE", "secret-of-the-key")
    given = {"aws_access_key_id": "AKOTHER", "aws_secret_access_key": "other", "aws_session_token": "token"}
    found = library(f"bedrock/llama/{ARN}", **given).credentials().get_frozen_credentials()
    assert (found.access_key, found.secret_key, found.token) == ("AKOTHER", "other", "token")


@pytest.mark.parametrize(
    ("model", "parameters", "words"),
    [
        ("nosuch/m", {}, ("--model", "LLM Provider NOT provided")),
        ("openai/m", {}, ("OPENAI_API_KEY", "not set", "--api-key")),
        ("groq/m", {}, ("GROQ_API_KEY", "not set")),
        (f"bedrock/{ARN}", {}, ("put a route before the ARN", "llama")),
        (f"bedrock/llama/{ARN}", {"stop": ["x"]}, ("--litellm-param", "stop", "drop_params")),
    ],
)
@pytest.mark.usefixtures("_no_network")
def test_what_does_not_fit_is_said_in_one_line(model: str, parameters: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as refused:
        library(model, **parameters).catch(user_message("hello"), 1)
    assert "\n" not in str(refused.value)
    for word in words:
        assert word in str(refused.value)


# --- reading recorded answers


def sse(*events: dict[str, Any]) -> list[bytes]:
    return [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events]


# The events of Anthropic's documented streaming example.
ANTHROPIC = sse(
    ANTHROPIC_START,
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 15},
    },
    {"type": "message_stop"},
)


def test_an_answer_that_only_litellm_can_read() -> None:
    reader = library("anthropic/claude-x", api_key="k")
    reader.catch(user_message("hello"), 3)
    events = reader.read(ANTHROPIC, "text/event-stream")
    texts = [(event.text, event.end) for event in events if event.kind == TEXT]
    assert texts == [("Hello", 4), ("!", 5)]  # each with the piece that completed it
    assert [event.finish_reason for event in events if event.finish_reason] == ["stop"]
    counts = [(event.input_tokens, event.output_tokens) for event in events if event.output_tokens is not None]
    assert counts[-1] == (25, 15)
    assert not any(event.failure for event in events)


def test_pieces_cut_anywhere_give_the_same_text() -> None:
    reader = library("anthropic/claude-x", api_key="k")
    reader.catch(user_message("hello"), 3)
    whole = b"".join(ANTHROPIC)
    pieces = [whole[start : start + 97] for start in range(0, len(whole), 97)]
    events = reader.read(pieces, "text/event-stream")
    assert "".join(event.text for event in events) == "Hello!"
    assert [event.end for event in events] == sorted(event.end for event in events)


def test_an_error_in_the_recorded_stream_is_a_failure() -> None:
    reader = library("anthropic/claude-x", api_key="k")
    reader.catch(user_message("hello"), 3)
    broken = [*ANTHROPIC[:4], *sse({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})]
    failures = [event.failure for event in reader.read(broken, "text/event-stream") if event.failure]
    assert len(failures) == 1
    assert failures[0].kind == STREAM_ERROR
    assert "Overloaded" in failures[0].message


def test_a_second_reader_of_the_same_model_reads_its_own_answers() -> None:
    """LiteLLM keeps the client of a model's first call for all later ones."""
    choice = {"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}
    answer = [b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n", b"data: [DONE]\n\n"]
    for _ in range(2):
        reader = library("openai/twice", api_key="k", api_base="http://127.0.0.1:9/v1")
        reader.catch(user_message("hello"), 3)
        assert "".join(event.text for event in reader.read(answer, "text/event-stream")) == "hi"


def test_reading_leaves_catching_as_it_was() -> None:
    both = library(f"bedrock/llama/{ARN}")
    both.catch(user_message("a"), 1)
    stream = Path(GOLDEN / "bedrock_foreign_server.bin").read_bytes()
    text = "".join(event.text for event in both.read([stream], "application/vnd.amazon.eventstream"))
    assert text
    assert json.loads(both.catch(user_message("b"), 2).request.body)["prompt"] == "b"


# --- chunks and errors


def chunk(**delta: Any) -> Any:
    choices = [{"index": 0, "delta": {"content": None, **delta}, "finish_reason": None}]
    return litellm.ModelResponseStream(id="x", choices=choices)


def test_chunks_as_events() -> None:
    reader = library("openai/m", api_key="k")
    assert (reader.event(chunk(content="a"), 1).kind, reader.event(chunk(content="a"), 1).response_id) == (TEXT, "x")
    thought = reader.event(chunk(reasoning_content="b"), 2)
    assert (thought.kind, thought.text, thought.end, thought.response_id) == (REASONING, "b", 2, None)
    assert reader.event(chunk(role="assistant"), 3).kind == OTHER


def test_local_estimates_are_not_taken_for_the_services_counts() -> None:
    usage = litellm.Usage(prompt_tokens=8, completion_tokens=8, total_tokens=16)
    ended = chunk()
    ended.usage = usage
    estimated = library(f"bedrock/llama/{ARN}").event(ended, 1)
    assert (estimated.input_tokens, estimated.output_tokens) == (None, None)
    counted = library(f"bedrock/deepseek_r1/{ARN}").event(ended, 1)
    assert (counted.input_tokens, counted.output_tokens) == (8, 8)


@pytest.mark.usefixtures("_no_network")
def test_a_host_header_of_ones_own_is_carried() -> None:
    for named, carried in (("api.example", {"Host": "api.example"}), (None, {}), ("127.0.0.1:9", {})):
        headers = {"extra_headers": {"Host": named}} if named else {}
        made = library("openai/m", api_base="http://127.0.0.1:9/v1", api_key="sk-x", **headers)
        found = made.catch(user_message("hello"), 5).request.headers
        assert {name: value for name, value in found.items() if name.lower() == "host"} == carried


def test_a_message_of_litellm_s_is_masked_before_it_is_cut() -> None:
    key = "sk-proj-Ab3dEf5hIj7lMn9p"
    library = LiteLLM("openai/m", {"api_key": key}, secrets=[key])
    for before in range(275, 300):
        _, _, failure = library.refusal(ValueError(f"{'x' * before} {key} is no key"), True)
        assert not any(key[at : at + 4] in failure.message for at in range(len(key) - 4)), failure.message
    assert library.refusal(ValueError(f"bad key {key}"), True)[2].message == "bad key ***"
