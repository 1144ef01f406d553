"""llmeter's four endpoints for Bedrock against the emulator: texts, counts, errors."""

from __future__ import annotations

from typing import Any

import boto3
from llmeter.endpoints.bedrock import BedrockConverse, BedrockConverseStream
from llmeter.endpoints.bedrock_invoke import BedrockInvoke, BedrockInvokeStream
from trying import COLD, MODEL, REGION, ROOT, THROTTLED, TOKENS, tried


def runtime(root: str) -> Any:
    return boto3.client("bedrock-runtime", endpoint_url=root, region_name=REGION)


def asked(kind: Any, root: str = ROOT, **more: Any) -> Any:
    endpoint = kind(model_id=MODEL, region=REGION, bedrock_boto3_client=runtime(root))
    return endpoint.invoke({**kind.create_payload("one two", max_tokens=TOKENS), **more})


def answered(kind: Any, *, stream: bool) -> None:
    answer = asked(kind)
    assert answer.error is None, answer.error
    assert answer.response_text.strip()
    assert 1 <= answer.num_tokens_output <= TOKENS
    assert answer.num_tokens_input == 2
    if stream:
        assert 0 < answer.time_to_first_token < answer.time_to_last_token


def error() -> None:
    refused = asked(BedrockConverse, inferenceConfig={"maxTokens": 5, "temperature": 1.5})
    assert "ValidationException" in refused.error, refused.error
    assert "ValidationException" in asked(BedrockInvokeStream, top_p=2).error


def throttled() -> None:
    assert "ThrottlingException" in asked(BedrockConverseStream, THROTTLED).error


def not_ready() -> None:
    answer = asked(BedrockConverse, COLD)
    assert answer.error is None, answer.error


tried("InvokeModel", lambda: answered(BedrockInvoke, stream=False))
tried("InvokeModel stream", lambda: answered(BedrockInvokeStream, stream=True))
tried("Converse", lambda: answered(BedrockConverse, stream=False))
tried("Converse stream", lambda: answered(BedrockConverseStream, stream=True))
tried("error", error)
tried("retry: not ready", not_ready)
tried("retry: throttled", throttled)
