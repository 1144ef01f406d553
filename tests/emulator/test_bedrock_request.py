"""Requests of the emulated runtime: what is asked, and what the service would refuse, in its words."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import botocore.session
import pytest

from llmdyno.emulator.bedrock import BedrockAnswer, Call, ImportedModel, ServiceError, model_arn
from llmdyno.emulator.bedrock_request import LONGEST_BODY, check_identifier, read_call
from llmdyno.emulator.dialect import Ending

MODEL = ImportedModel(model_arn("emulated0001"), "m")
SAY = {"role": "user", "content": [{"text": "hi"}]}
REPLY = {"role": "assistant", "content": [{"text": "yes"}]}
CHAT = {"role": "user", "content": "hi"}
USE = {"role": "assistant", "content": [{"toolUse": {"toolUseId": "t1", "name": "add", "input": {"a": 1}}}]}
RESULT = {"role": "user", "content": [{"toolResult": {"toolUseId": "t1", "content": [{"text": "2"}]}}]}
SPEC = {"name": "add", "inputSchema": {"json": {"properties": {"a": {"type": "integer"}, "why": {"type": "string"}}}}}
TOOLS = {"tools": [{"toolSpec": SPEC}]}


def read(operation: str, body: Any, **headers: str) -> Call:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_call(operation, json.dumps(body).encode(), MODEL, named)


def refused(operation: str, body: Any, **headers: str) -> str:
    with pytest.raises(ServiceError) as caught:
        read(operation, body, **headers)
    assert (caught.value.status, caught.value.name) == (400, "ValidationException")
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "body_format", "max_tokens", "stops"),
    [
        ({"prompt": "x", "max_gen_len": 5, "stop": "a"}, "bedrock-completion", 5, ("a",)),
        ({"prompt": "x", "temperature": 1, "top_p": 0}, "bedrock-completion", 512, ()),
        ({"prompt": "x", "max_tokens": 6, "temperature": 1.5, "stop": ["a", "b"]}, "openai-completion", 6, ("a", "b")),
        ({"messages": [CHAT], "max_tokens": 7, "stop_sequences": ["c"]}, "openai-chat", 7, ("c",)),
        ({"messages": [CHAT], "max_completion_tokens": 8, "max_tokens": 9}, "openai-chat", 8, ()),
        ({"messages": [CHAT], "model": "m", "stream": True, "unheard": [1]}, "openai-chat", 512, ()),
        (
            {"messages": [{**CHAT, "role": "system"}, CHAT, {"role": "assistant", "tool_calls": []}]},
            "openai-chat",
            512,
            (),
        ),
    ],
)
def test_what_invoke_model_asks(body: Any, body_format: str, max_tokens: int, stops: tuple[str, ...]) -> None:
    call = read("invoke", body)
    assert (call.format, call.max_tokens, call.stops) == (body_format, max_tokens, stops)


MALFORMED = "Malformed input request: {}, please reformat your input and try again."


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ({}, "#: required key [prompt] not found"),
        ({"prompt": ""}, "#: required key [prompt] not found"),
        ({"prompt": "x", "max_gen_len": 0}, "#/max_gen_len: 0 is not greater or equal to 1"),
        ({"prompt": "x", "max_gen_len": "5"}, "#/max_gen_len: 5 is not greater or equal to 1"),
        ({"prompt": "x", "max_tokens": -1}, "#/max_tokens: -1 is not greater or equal to 1"),
        ({"prompt": "x", "max_gen_len": 5, "temperature": 1.5}, "#/temperature: 1.5 is not less or equal to 1"),
        ({"prompt": "x", "max_gen_len": 5, "temperature": -0.1}, "#/temperature: -0.1 is not greater or equal to 0"),
        ({"prompt": "x", "max_gen_len": 5, "top_p": 1.1}, "#/top_p: 1.1 is not less or equal to 1"),
        ({"prompt": "x", "max_tokens": 5, "temperature": 2.1}, "#/temperature: 2.1 is not less or equal to 2"),
        ({"messages": [CHAT], "top_p": 2}, "#/top_p: 2 is not less or equal to 1"),
        ({"messages": []}, "messages must not be empty"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "#/messages/0/role: robot is not a valid enum value"),
        ({"messages": [CHAT, {"role": "user"}]}, "each message needs content"),
        ({"messages": ["hi"]}, "#/messages/0/role: None is not a valid enum value"),
        ({"prompt": "x", "stop": [1]}, "stop: a list is not a string or a list of strings"),
        ({"prompt": "x", "stop_sequences": 1}, "stop_sequences: 1 is not a string or a list of strings"),
    ],
)
def test_what_invoke_model_refuses(body: Any, what: str) -> None:
    assert refused("invoke", body) == MALFORMED.format(what)


VIOLATED = "1 validation error detected: Value {} failed to satisfy constraint: {}"
NOT_NULL = VIOLATED.format("at 'messages.0.content'", "Member must not be null")
CONFIG = "'{}' at 'inferenceConfig.{}'"
LEAST, MOST = "Member must have value greater than or equal to {}", "Member must have value less than or equal to {}"
LENGTH = "Member must satisfy constraint: [Member must have length greater than or equal to 1]"
ONE_OF = "Member must satisfy enum value set: [{}]"
VERSION = "Member must satisfy regular expression pattern: (|([1-9][0-9]{0,7})|(DRAFT))"
STARTS = "A conversation must start with a user message. Try again with a conversation that starts with a user message."
ENDS = "A conversation must end with a user message. Try again with a conversation that ends with a user message."
ALTERNATES = (
    "A conversation must alternate between user and assistant roles. Make sure the conversation alternates between "
    "user and assistant roles and try again."
)
BLANK = "The text field in the ContentBlock object at {} is blank. Add text to the text field, and try again."
NO_TOOLS = "The toolConfig field must be defined when using toolUse and toolResult content blocks."


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([REPLY, SAY], STARTS),
        ([SAY, SAY], ALTERNATES),
        ([SAY, REPLY, REPLY, SAY], ALTERNATES),
        ([SAY, REPLY], ENDS),
        ([], MALFORMED.format("messages must not be empty")),
        (
            [{"role": "user", "content": []}],
            "The content field in the Message object at messages.0 is empty. Add a ContentBlock object to the content "
            "field and try again.",
        ),
        (
            [SAY, REPLY, {"role": "user", "content": [{"text": "a"}, {"text": " "}]}],
            BLANK.format("messages.2.content.1"),
        ),
        ([{"role": "user", "content": [{"text": ""}]}], BLANK.format("messages.0.content.0")),
        (
            [{"role": "system", "content": [{"text": "x"}]}],
            VIOLATED.format("'system' at 'messages.1.member.role'", ONE_OF.format("user, assistant")),
        ),
        ([{"role": "user"}], NOT_NULL),
        ([{"role": "user", "content": "hi"}], NOT_NULL),
        ([SAY, USE, RESULT], NO_TOOLS),
    ],
)
def test_a_conversation_that_is_none(messages: Any, message: str) -> None:
    for operation in ("converse", "converse-stream"):
        assert refused(operation, {"messages": messages}) == message


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"temperature": 1.5}, VIOLATED.format(CONFIG.format(1.5, "temperature"), MOST.format(1))),
        ({"temperature": -1}, VIOLATED.format(CONFIG.format(-1, "temperature"), LEAST.format(0))),
        ({"topP": 1.01}, VIOLATED.format(CONFIG.format(1.01, "topP"), MOST.format(1))),
        ({"maxTokens": 0}, VIOLATED.format(CONFIG.format(0, "maxTokens"), LEAST.format(1))),
        ({"maxTokens": 200_000}, "This model's maximum context length is 131072 tokens."),
        ({"stopSequences": ["a", ""]}, VIOLATED.format(CONFIG.format("a list", "stopSequences"), LENGTH)),
    ],
)
def test_an_inference_configuration_out_of_range(config: Any, message: str) -> None:
    assert refused("converse", {"messages": [SAY], "inferenceConfig": config}) == message


def test_what_converse_asks() -> None:
    config = {"maxTokens": 9, "temperature": 0, "topP": 1, "stopSequences": ["END"]}
    body = {"messages": [SAY, REPLY, SAY], "system": [{"text": "be brief"}], "inferenceConfig": config, "unheard": 1}
    call = read("converse", body)
    assert (call.text, call.max_tokens, call.temperature, call.stops) == ("be brief\nhi\nyes\nhi", 9, 0, ("END",))
    assert refused("converse", {"messages": [SAY], "system": [{"text": ""}]}) == VIOLATED.format(
        "at 'system.1.member.text'", "Member must have length greater than or equal to 1"
    )


def test_tools_of_a_conversation() -> None:
    assert read("converse", {"messages": [SAY, USE, RESULT], "toolConfig": TOOLS}).text == 'hi\n{"a": 1}\n2'
    assert refused("converse", {"messages": [SAY, USE, SAY], "toolConfig": TOOLS}) == (
        "Expected toolResult blocks at messages.2.content for the following Ids: t1"
    )
    assert refused("converse", {"messages": [RESULT], "toolConfig": TOOLS}) == (
        "The number of toolResult blocks at messages.0.content exceeds the number of toolUse blocks of previous turn."
    )
    assert refused("converse", {"messages": [SAY], "toolConfig": {"tools": []}}) == VIOLATED.format(
        "at 'toolConfig.tools'", "Member must have length greater than or equal to 1"
    )
    missing = {**TOOLS, "toolChoice": {"tool": {"name": "sub"}}}
    assert refused("converse", {"messages": [SAY], "toolConfig": missing}).startswith("The tool sub in toolChoice")
    assert read("converse", {"messages": [SAY], "toolConfig": {**TOOLS, "toolChoice": {"auto": {}}}}).tool is None


def test_a_tool_that_is_forced_is_called() -> None:
    body = {"messages": [SAY], "toolConfig": {**TOOLS, "toolChoice": {"any": {}}}}
    call = read("converse", body)
    assert (call.own_tokens, call.tool is not None and call.tool.name) == (24, "add")
    answer = BedrockAnswer(call, 7, 0)
    answer.token(0, " one"), answer.token(1, ' "two"')
    whole = json.loads(answer.end(Ending(2, "stop", 1, 1)))
    assert whole["stopReason"] == "tool_use"
    use = {"toolUseId": "tooluse_0000000000000000000007", "name": "add", "input": {"a": 1, "why": ' one "two"'}}
    assert whole["output"]["message"]["content"] == [{"toolUse": use}]
    cut = BedrockAnswer(call, 7, 0)
    cut.token(0, " one")
    assert json.loads(cut.end(Ending(1, "length", 1, 1)))["stopReason"] == "max_tokens"


def guarded(identifier: str | None, version: str | None) -> dict[str, str]:
    given = {"x_amzn_bedrock_guardrailidentifier": identifier, "x_amzn_bedrock_guardrailversion": version}
    return {name: value for name, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"content_type": "text/plain"}, "The content type text/plain is not supported. Use application/json."),
        ({"accept": "text/html, a/b"}, "The accept type text/html, a/b is not supported. Use application/json."),
        (
            {"x_amzn_bedrock_trace": "on"},
            VIOLATED.format("'on' at 'trace'", ONE_OF.format("ENABLED, DISABLED, ENABLED_FULL")),
        ),
        (
            {"x_amzn_bedrock_service_tier": "gold"},
            VIOLATED.format("'gold' at 'serviceTier'", ONE_OF.format("priority, default, flex, reserved")),
        ),
        (guarded("abc", None), "A guardrail needs both its identifier and its version."),
        (guarded(None, "1"), "A guardrail needs both its identifier and its version."),
        (guarded("A b", "1"), "The provided guardrail identifier is invalid."),
        (guarded("abc", "0"), VIOLATED.format("'0' at 'guardrailVersion'", VERSION)),
        (guarded("abc", "DRAFT"), "The guardrail identifier or version provided in the request does not exist."),
    ],
)
def test_headers_that_do_not_fit(headers: dict[str, str], message: str) -> None:
    assert refused("invoke", {"prompt": "x"}, **headers) == message


def test_headers_that_fit() -> None:
    for headers in (
        {"content_type": "application/octet-stream", "accept": "*/*"},  # what SDKs send that were told nothing
        {"content_type": "application/json; charset=utf-8", "accept": "application/json, text/plain, */*"},
        {"x_amzn_bedrock_guardrailidentifier": "", "x_amzn_bedrock_guardrailversion": ""},
        {"x_amzn_bedrock_service_tier": "flex", "x_amzn_bedrock_performanceconfig_latency": "optimized"},
    ):
        assert read("invoke", {"prompt": "x"}, **headers).format == "bedrock-completion"
    stream = read("invoke-with-response-stream", {"prompt": "x"}, accept="application/vnd.amazon.eventstream")
    assert stream.stream
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1", "trace": "enabled"}
    assert refused("converse", {"messages": [SAY], "guardrailConfig": guardrail}).endswith("does not exist.")


def test_a_body_over_the_limit() -> None:
    with pytest.raises(ServiceError, match="less than or equal to 25000000"):
        read_call("invoke", b" " * (LONGEST_BODY + 1), MODEL)
    with pytest.raises(ServiceError, match="not valid JSON"):
        read_call("converse", b"{", MODEL)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("", "Member must satisfy regular expression pattern"),
        ("a" * 2049, "Member must satisfy regular expression pattern"),
        ("with space", "Member must satisfy regular expression pattern"),
        ("arn:aws:s3:::bucket/key", "Member must satisfy regular expression pattern"),
        ("arn:aws:bedrock:us-east-1:123456789012:imported-model/abc", "Member must satisfy regular expression pattern"),
        ("arn:aws:bedrock:us-east-1:123456789012:foo/abcdefghijkl", "Member must satisfy regular expression pattern"),
        ("arn:aws:bedrock:us-east-1:123:imported-model/abc", "Member must satisfy regular expression pattern"),
        (
            "arn:aws:bedrock:eu-central-1:123456789012:imported-model/emulated0001",
            "The provided model identifier is in",
        ),
    ],
)
def test_an_identifier_that_does_not_fit(identifier: str, message: str) -> None:
    with pytest.raises(ServiceError, match=message) as caught:
        check_identifier(identifier, "us-east-1")
    assert caught.value.name == "ValidationException"


_ACCOUNT = "arn:aws:bedrock:us-east-1:123456789012:"
IDENTIFIERS = (
    model_arn("emulated0001"),
    "my_model-1",
    "my-model-1.2:3",
    "amazon.nova-lite-v1:0:24k",
    "arn:aws-us-gov:bedrock:us-east-1::foundation-model/meta.llama3-1-8b-instruct-v1:0",
    "arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine",
    *(
        _ACCOUNT + name
        for name in (
            "inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
            "application-inference-profile/abcdefghijkl",
            "custom-model/amazon.titan-text-v1/abcdefghijkl",
            "custom-model-deployment/abcdefghijkl",
            "provisioned-model/abcdefghijkl",
            "default-prompt-router/anthropic.claude:1",
            "prompt/ABCDEFGHIJ:12",
        )
    ),
)


@pytest.mark.parametrize("identifier", IDENTIFIERS)
def test_identifiers_that_fit(identifier: str) -> None:
    check_identifier(identifier, "us-east-1")


def test_identifiers_fit_as_botocore_s_model_has_it() -> None:
    """Every kind, and each with a few characters changed."""
    model = botocore.session.get_session().get_service_model("bedrock-runtime")
    theirs = re.compile(model.operation_model("Converse").input_shape.members["modelId"].metadata["pattern"])
    draw, fitting = random.Random(1), 0
    for number in range(1500):
        text = list(IDENTIFIERS[number % len(IDENTIFIERS)])
        for _ in range(draw.randint(1, 3)):
            at = draw.randrange(len(text))
            text[at : at + draw.randint(0, 2)] = draw.choice(["", "a", "A", "0", ":", "/", ".", "_", "-", "é", " "])
        identifier = "".join(text)
        try:
            check_identifier(identifier, identifier.split(":")[3] if identifier.count(":") > 2 else "")
        except ServiceError:
            assert theirs.fullmatch(identifier) is None, identifier
        else:
            fitting += 1
            assert theirs.fullmatch(identifier) is not None, identifier
    assert 200 < fitting < 1300


SAYS = "1 validation error detected: Value {} failed to satisfy constraint: Member must "
NULL = SAYS.format("null at '{}'") + "not be null"
TOO_MANY = SAYS + "have length less than or equal to {}"


def tool(**changed: Any) -> dict[str, Any]:
    return {"toolConfig": {"tools": [{"toolSpec": {**SPEC, **changed}}]}}


def block(**given: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "hi"}, given]}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"performanceConfig": {"latency": "fast"}},
            SAYS.format("'fast' at 'performanceConfig.latency'") + "satisfy enum value set: [standard, optimized]",
        ),
        ({"performanceConfig": []}, MALFORMED.format("performanceConfig is not an object")),
        (
            {"guardrailConfig": {"trace": "ON"}},
            SAYS.format("'ON' at 'guardrailConfig.trace'")
            + "satisfy enum value set: [enabled, disabled, enabled_full]",
        ),
        ({"serviceTier": "flex"}, MALFORMED.format("serviceTier is not an object")),
        ({"serviceTier": {}}, NULL.format("serviceTier.type")),
        ({"requestMetadata": {str(n): "x" for n in range(17)}}, TOO_MANY.format("at 'requestMetadata'", 16)),
        (
            {"inferenceConfig": {"stopSequences": ["a"] * 2501}},
            TOO_MANY.format("at 'inferenceConfig.stopSequences'", 2500),
        ),
        (tool(name=None), NULL.format("toolConfig.tools.1.member.toolSpec.name")),
        (tool(inputSchema=None), NULL.format("toolConfig.tools.1.member.toolSpec.inputSchema")),
        (
            tool(name="a b"),
            SAYS.format("'a b' at 'toolConfig.tools.1.member.toolSpec.name'")
            + "satisfy regular expression pattern: [a-zA-Z0-9_-]+",
        ),
        (tool(name="a" * 65), TOO_MANY.format(f"'{'a' * 65}' at 'toolConfig.tools.1.member.toolSpec.name'", 64)),
        (block(image={"format": "png"}), NULL.format("messages.1.member.content.2.member.image.source")),
        (
            block(image={"format": "bmp", "source": {"bytes": "aGk="}}),
            SAYS.format("'bmp' at 'messages.1.member.content.2.member.image.format'")
            + "satisfy enum value set: [png, jpeg, gif, webp]",
        ),
        (block(cachePoint={}), NULL.format("messages.1.member.content.2.member.cachePoint.type")),
        (
            {"messages": [SAY, {"role": "assistant", "content": [{"toolUse": {"name": "add", "input": {}}}]}, RESULT]},
            NULL.format("messages.2.member.content.1.member.toolUse.toolUseId"),
        ),
        ({"messages": [{"content": [{"text": "hi"}]}]}, NULL.format("messages.1.member.role")),
    ],
)
def test_what_the_service_s_model_does_not_allow(change: dict[str, Any], message: str) -> None:
    assert refused("converse", {"messages": [SAY], **change}) == message


def test_what_the_service_s_model_allows() -> None:
    image = {"image": {"format": "webp", "source": {"bytes": "aGk="}}}
    more = {
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
        "requestMetadata": {"a": "b"},
        **tool(name="a" * 64),
    }
    messages = [{"role": "user", "content": [{"text": "hi"}, image, {"cachePoint": {"type": "default"}}]}]
    assert read("converse", {"messages": messages, **more}).text == "hi"
