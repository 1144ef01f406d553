"""Foundation models, profiles, deployments and provisioned throughput on the emulator, with boto3 as the reader."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import openai
import pytest
from botocore.eventstream import ChecksumMismatch, EventStreamBuffer
from botocore.exceptions import ClientError, EventStreamError
from tests.emulator.test_bedrock_runtime import Running, code_of, started

from llmdyno.emulator.foundation import FoundationModel, find

OWN = "arn:aws:bedrock:us-east-1:123456789012:"
SONNET, NOVA = "anthropic.claude-3-5-sonnet-20241022-v2:0", "amazon.nova-lite-v1:0"
LLAMA, OSS = "meta.llama3-1-8b-instruct-v1:0", "openai.gpt-oss-20b-1:0"
PROFILE, PROVISIONED = OWN + "application-inference-profile/a1b2c3d4e5f6", OWN + "provisioned-model/a1b2c3d4e5f6"
DEPLOYMENT = OWN + "custom-model-deployment/a1b2c3d4e5f6"
KEY = "bedrock-api-key-of-nobody"
CHAT = [{"role": "user", "content": "one two"}]


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """It has a cold start, which none of these models has."""
    with started("--cold-start", "1000", "--verify-signatures", "--api-key", KEY) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def control(running: Running) -> Iterator[Any]:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
    with contextlib.closing(boto3.client("bedrock", endpoint_url=running.root, **keys)) as client:
        yield client


def claude(**more: Any) -> dict[str, Any]:
    return {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 3, "messages": CHAT, "ignore_eos": True, **more}


def metrics_of(chunk: dict[str, Any]) -> tuple[int, int]:
    metrics = chunk["amazon-bedrock-invocationMetrics"]
    assert 0 < metrics["firstByteLatency"] <= metrics["invocationLatency"]
    return metrics["inputTokenCount"], metrics["outputTokenCount"]


def test_claudes_events(running: Running) -> None:
    chunks = running.stream(claude(), f"us.{SONNET}")
    assert [chunk["type"] for chunk in chunks] == [
        "message_start", "content_block_start", *["content_block_delta"] * 3, "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    assert (chunks[0]["message"]["model"], chunks[0]["message"]["usage"]["input_tokens"]) == (SONNET, 2)
    assert chunks[-2]["delta"]["stop_reason"] == "max_tokens"
    assert metrics_of(chunks[-1]) == (2, 3)


def test_claudes_thinking_and_tools(running: Running) -> None:
    tool = {"name": "get", "input_schema": {"type": "object", "properties": {}}}
    forced = running.stream(claude(tools=[tool], tool_choice={"type": "tool", "name": "get"}, max_tokens=30), SONNET)
    assert [chunk["content_block"]["type"] for chunk in forced if chunk["type"] == "content_block_start"] == [
        "tool_use"
    ]
    thinking = {"type": "enabled", "budget_tokens": 1024}
    thought = running.stream(claude(thinking=thinking, max_tokens=1100), SONNET)
    started_blocks = [chunk["content_block"]["type"] for chunk in thought if chunk["type"] == "content_block_start"]
    assert started_blocks == ["thinking", "text"]


@pytest.mark.parametrize("model", [NOVA, f"eu.{NOVA}", DEPLOYMENT])
def test_novas_chunks(running: Running, model: str) -> None:
    body = {
        "messages": [{"role": "user", "content": [{"text": "one two"}]}],
        "inferenceConfig": {"maxTokens": 2},
        "ignore_eos": True,
    }
    chunks = running.stream(body, model)
    assert [next(iter(chunk)) for chunk in chunks] == [
        "messageStart", "contentBlockDelta", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert chunks[1]["contentBlockDelta"]["delta"]["text"]
    assert chunks[-2]["messageStop"] == {"stopReason": "max_tokens"}
    assert chunks[-1]["metadata"]["usage"]["totalTokens"] == 4
    assert metrics_of(chunks[-1]) == (2, 2)


@pytest.mark.parametrize(
    ("model", "body", "text", "end"),
    [
        (
            "amazon.titan-text-express-v1",
            {"inputText": "one two", "textGenerationConfig": {"maxTokenCount": 2}},
            lambda chunk: chunk["outputText"],
            {"completionReason": "LENGTH", "inputTextTokenCount": 2, "totalOutputTextTokenCount": 2},
        ),
        (
            "cohere.command-r-v1:0",
            {"message": "one two", "max_tokens": 2},
            lambda chunk: chunk.get("text", ""),
            {"event_type": "stream-end", "is_finished": True, "finish_reason": "MAX_TOKENS"},
        ),
        (
            LLAMA,
            {"prompt": "one two", "max_gen_len": 2},
            lambda chunk: chunk["generation"],
            {"stop_reason": "length", "generation_token_count": 2},
        ),
        (
            PROVISIONED,
            {"prompt": "one two", "max_gen_len": 2},
            lambda chunk: chunk["generation"],
            {"stop_reason": "length"},
        ),
        (
            "mistral.mistral-7b-instruct-v0:2",
            {"prompt": "one two", "max_tokens": 2},
            lambda chunk: chunk["outputs"][0]["text"],
            {"outputs": [{"text": "", "stop_reason": "length"}]},
        ),
        (
            "us.deepseek.r1-v1:0",
            {"prompt": "one two", "max_tokens": 2},
            lambda chunk: chunk["choices"][0]["text"],
            {"object": "text_completion"},
        ),
        (
            OSS,
            {"messages": CHAT, "max_completion_tokens": 2},
            lambda chunk: chunk["choices"][0]["delta"].get("content", ""),
            {"usage": {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}},
        ),
        (
            "qwen.qwen3-32b-v1:0",
            {"messages": CHAT, "max_tokens": 2},
            lambda chunk: chunk["choices"][0]["delta"].get("content", ""),
            {"object": "chat.completion.chunk"},
        ),
    ],
)
def test_every_other_familys_chunks(
    running: Running, model: str, body: dict[str, Any], text: Any, end: dict[str, Any]
) -> None:
    chunks = running.stream({**body, "ignore_eos": True}, model)
    assert len([chunk for chunk in chunks if text(chunk)]) == 2
    assert {name: chunks[-1][name] for name in end} == end
    assert metrics_of(chunks[-1]) == (2, 2)


@pytest.mark.parametrize(
    ("model", "body", "read"),
    [
        (SONNET, claude(), lambda value: (value["content"][0]["type"], value["stop_reason"])),
        (NOVA, {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"max_new_tokens": 3},
                "ignore_eos": True}, lambda value: ("text", value["stopReason"])),
        ("amazon.titan-text-express-v1", {"inputText": "x", "textGenerationConfig": {"maxTokenCount": 3},
                                          "ignore_eos": True},
         lambda value: ("text", value["results"][0]["completionReason"])),
        ("cohere.command-r-v1:0", {"message": "x", "max_tokens": 3, "ignore_eos": True},
         lambda value: ("text", value["finish_reason"])),
    ],
)  # fmt: skip
def test_answers_without_a_stream(running: Running, model: str, body: dict[str, Any], read: Any) -> None:
    answer = running.client.invoke_model(modelId=model, body=json.dumps(body), serviceTier="priority")
    assert read(json.loads(answer["body"].read())) in {
        ("text", "max_tokens"),
        ("text", "LENGTH"),
        ("text", "MAX_TOKENS"),
    }
    assert answer["serviceTier"] == "priority"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amzn-bedrock-output-token-count"] == "3"


@pytest.mark.parametrize(
    "model", [SONNET, f"global.{SONNET}", "google.gemma-3-4b-it", PROFILE, PROVISIONED, DEPLOYMENT,
              OWN + "default-prompt-router/anthropic.claude:1", f"{OWN}inference-profile/us.{SONNET}",
              f"arn:aws:bedrock:us-east-1::foundation-model/{LLAMA}"],
)  # fmt: skip
def test_converse_on_every_kind(running: Running, model: str) -> None:
    question: dict[str, Any] = {
        "modelId": model,
        "messages": [{"role": "user", "content": [{"text": "one two"}]}],
        "inferenceConfig": {"maxTokens": 1},
        "serviceTier": {"type": "flex"},
    }
    assert running.client.converse(**question)["serviceTier"] == {"type": "flex"}
    answer = running.client.converse_stream(**question)
    events = [next(iter(event.items())) for event in answer["stream"]]
    assert [name for name, _ in events] == [
        "messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert events[-1][1]["usage"]["totalTokens"] == 3
    assert events[-1][1]["serviceTier"] == {"type": "flex"}
    assert "profile=" in answer["ResponseMetadata"]["HTTPHeaders"]["x-llmdyno-emulated"]


def test_they_have_no_copies(running: Running) -> None:
    running.stream(claude(), SONNET)
    assert json.loads(running.truth("truth/copies")) == {}


@pytest.mark.parametrize(
    ("model", "body", "message"),
    [
        (SONNET, {"max_tokens": 3, "messages": CHAT}, "required key [anthropic_version] not found"),
        (SONNET, claude(model="x"), "extraneous key [model] is not permitted"),
        (SONNET, claude(max_tokens=0), "max_tokens"),
        (SONNET, {**claude(), "messages": []}, "messages"),
        (NOVA, {"inferenceConfig": {"maxTokens": 3}}, "messages"),
        (NOVA, {"messages": CHAT, "inferenceConfig": []}, "inferenceConfig"),
        ("amazon.titan-text-express-v1", {"prompt": "x"}, "required key [inputText] not found"),
        ("amazon.titan-text-express-v1", {"inputText": "x", "textGenerationConfig": 3}, "textGenerationConfig"),
        ("cohere.command-r-v1:0", {"prompt": "x"}, "required key [message] not found"),
        ("cohere.command-r-v1:0", {"message": "x", "chat_history": [1]}, "chat_history"),
        (LLAMA, {"messages": CHAT, "max_tokens": 3}, "required keys are missing"),
        (OSS, {"prompt": "x", "max_tokens": 3}, "required keys are missing"),
        ("nobody.model-v1", {}, "The provided model identifier is invalid."),
        ("us.nobody.model-v1", {}, "The provided model identifier is invalid."),
    ],
)
def test_refusals(running: Running, model: str, body: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError) as caught:
        running.client.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
    assert code_of(caught) == ("ValidationException", 400)
    assert message in caught.value.response["Error"]["Message"]


def test_a_tier_that_is_none(running: Running) -> None:
    with pytest.raises(ClientError) as caught:
        running.client.invoke_model(modelId=SONNET, body=json.dumps(claude()), serviceTier="gold")
    assert code_of(caught) == ("ValidationException", 400)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"guardrailIdentifier": "abc", "guardrailVersion": "1"},
            "guardrail identifier or version provided .* not exist",
        ),
        ({"performanceConfigLatency": "fast"}, "'fast' at 'performanceConfigLatency'"),
        ({"trace": "MAYBE"}, "'MAYBE' at 'trace'"),
        ({"accept": "text/html"}, "accept type text/html"),
        ({"contentType": "text/plain"}, "content type text/plain"),
    ],
)
def test_the_headers_count_for_every_model(running: Running, given: dict[str, str], message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        running.client.invoke_model(modelId=SONNET, body=json.dumps(claude()), **given)
    assert code_of(caught) == ("ValidationException", 400)


@pytest.mark.parametrize(
    ("arn", "message"),
    [
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abc", "regular expression pattern"),
        (f"arn:aws:bedrock:us-east-1:123456789012:foundation-model/{NOVA}", "regular expression pattern"),
        (f"arn:aws:bedrock:eu-west-1::foundation-model/{NOVA}", "The provided model identifier is invalid"),
    ],
)
def test_an_arn_that_does_not_fit(running: Running, arn: str, message: str) -> None:
    with pytest.raises(ClientError, match=message) as caught:
        running.client.converse(modelId=arn, messages=[{"role": "user", "content": [{"text": "x"}]}])
    assert code_of(caught) == ("ValidationException", 400)


def test_a_fault_in_the_middle_of_claudes_stream() -> None:
    with started("--fault", "stream_throttle=1") as endpoint:
        answer = endpoint.client.invoke_model_with_response_stream(modelId=SONNET, body=json.dumps(claude()))
        with contextlib.closing(answer["body"]), pytest.raises(EventStreamError, match="throttlingException"):
            list(answer["body"])
        with pytest.raises(ClientError) as caught:
            endpoint.client.invoke_model(modelId=SONNET, body=json.dumps(claude()))
        assert code_of(caught) == ("ThrottlingException", 429)


def test_damage_in_a_familys_stream() -> None:
    body = {"messages": [{"role": "user", "content": [{"text": "x"}]}], "inferenceConfig": {"maxTokens": 3}}
    with started("--fault", "crc=1") as endpoint:
        url = f"{endpoint.root}/model/{NOVA}/invoke-with-response-stream"
        headers = {"Content-Type": "application/json"}
        with urllib.request.urlopen(
            urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers)
        ) as answer:
            buffer = EventStreamBuffer()
            buffer.add_data(answer.read())
    with pytest.raises(ChecksumMismatch):
        list(buffer)


def test_a_refusal_before_the_answer() -> None:
    with started("--fault", "denied=1") as endpoint:
        with pytest.raises(ClientError) as caught:
            endpoint.client.converse(modelId=NOVA, messages=[{"role": "user", "content": [{"text": "x"}]}])
        assert code_of(caught) == ("AccessDeniedException", 403)
        with contextlib.closing(chat_client(endpoint.root, "x")) as client, pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model=OSS, messages=CHAT)  # type: ignore[call-overload]


# --- API keys and the OpenAI-compatible route


def chat_client(root: str, key: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{root}/openai/v1", api_key=key, max_retries=0)


def bearer(root: str, key: str, path: str) -> tuple[int, str]:
    """The status of a POST with an API key, and the error's name."""
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    body = b'{"prompt":"x","max_gen_len":1}'
    try:
        with urllib.request.urlopen(urllib.request.Request(root + path, data=body, headers=headers)) as answer:
            return int(answer.status), ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["x-amzn-errortype"].partition(":")[0]


@pytest.mark.parametrize("path", [f"/model/{LLAMA}/invoke", f"/model/{LLAMA}/invoke-with-response-stream"])
def test_an_api_key_in_place_of_a_signature(running: Running, path: str) -> None:
    assert bearer(running.root, KEY, path) == (200, "")
    assert bearer(running.root, "another", path) == (403, "AccessDeniedException")


def test_openais_client_on_the_runtimes_route(running: Running) -> None:
    with contextlib.closing(chat_client(running.root, KEY)) as client:
        asked: dict[str, Any] = {"model": OSS, "messages": CHAT, "max_completion_tokens": 3, "service_tier": "flex"}
        stream = client.chat.completions.create(
            **asked, stream=True, stream_options={"include_usage": True}, extra_body={"ignore_eos": True}
        )
        chunks = list(stream)
        whole = client.chat.completions.create(**asked)
    assert len([chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]) == 3
    assert chunks[-1].usage.completion_tokens == 3
    assert {chunk.service_tier for chunk in chunks} == {whole.service_tier} == {"flex"}


def test_what_openais_client_is_refused(running: Running) -> None:
    asked: dict[str, Any] = {"messages": CHAT, "max_completion_tokens": 3}
    with contextlib.closing(chat_client(running.root, KEY)) as client:
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(model="nobody", **asked)
        with pytest.raises(openai.BadRequestError, match="service tier"):
            client.chat.completions.create(model=OSS, **asked, service_tier="auto")
    with (
        contextlib.closing(chat_client(running.root, "another")) as client,
        pytest.raises(openai.PermissionDeniedError),
    ):
        client.chat.completions.create(model=OSS, **asked)


# --- the control plane


def test_the_control_plane_knows_the_foundation_model(control: Any) -> None:
    details = control.get_foundation_model(modelIdentifier=SONNET)["modelDetails"]
    assert (details["modelId"], details["responseStreamingSupported"]) == (SONNET, True)
    base = f"arn:aws:bedrock:us-east-1::foundation-model/{SONNET}"
    assert details["modelArn"] == base
    profile = control.get_inference_profile(inferenceProfileIdentifier=PROFILE)
    assert (profile["type"], profile["models"]) == ("APPLICATION", [{"modelArn": base}])
    assert profile["inferenceProfileArn"] == PROFILE
    system = control.get_inference_profile(inferenceProfileIdentifier=f"us.{NOVA}")
    assert (system["type"], system["inferenceProfileId"]) == ("SYSTEM_DEFINED", f"us.{NOVA}")
    bought = control.get_provisioned_model_throughput(provisionedModelId=PROVISIONED)
    assert bought["foundationModelArn"] == f"arn:aws:bedrock:us-east-1::foundation-model/{LLAMA}"
    assert (bought["status"], bought["modelUnits"]) == ("InService", 1)
    deployed = control.get_custom_model_deployment(customModelDeploymentIdentifier=DEPLOYMENT)
    custom = control.get_custom_model(modelIdentifier=deployed["modelArn"])
    assert custom["baseModelArn"] == f"arn:aws:bedrock:us-east-1::foundation-model/{NOVA}"


def test_what_the_control_plane_does_not_know(running: Running) -> None:
    for path in ("foundation-models/nobody", "inference-profiles/nobody", "custom-models/nobody"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{running.root}/{path}")
        with caught.value as refused:
            assert refused.code >= 400


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        (SONNET, (SONNET, "anthropic")),
        (f"jp.{SONNET}", (SONNET, "anthropic")),
        ("deepseek.v3.2", ("deepseek.v3.2", "openai-chat")),
        (PROVISIONED, (LLAMA, "bedrock-completion")),
        (f"{OWN}inference-profile/{SONNET}", None),
        ("nobody.model-v1", None),
        ("my-model", None),
        (OWN + "imported-model/a1b2c3d4e5f6", None),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/e", None),
    ],
)
def test_what_an_identifier_is_here(identifier: str, expected: tuple[str, str] | None) -> None:
    assert find(identifier) == (None if expected is None else FoundationModel(identifier, *expected))
