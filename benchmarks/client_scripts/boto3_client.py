"""boto3 against the emulator: each operation and body format, tools, stops, errors, retries."""

from __future__ import annotations

import json
from typing import Any

import boto3
from trying import COLD, COUNT, MODEL, REGION, ROOT, SAY, SCHEMA, THROTTLED, TOKENS, raises, spaced, tried


def client(root: str) -> Any:
    return boto3.client("bedrock-runtime", endpoint_url=root, region_name=REGION)


runtime = client(ROOT)


def invoke(at: Any = runtime, **body: Any) -> dict[str, Any]:
    return dict(json.loads(at.invoke_model(modelId=MODEL, body=json.dumps(body))["body"].read()))


def whole() -> None:
    assert invoke(prompt="x", max_gen_len=3)["generation"].strip()
    assert invoke(prompt="x", max_tokens=3)["object"] == "text_completion"
    chat = invoke(messages=[{"role": "user", "content": "x"}], max_completion_tokens=3)
    assert chat["choices"][0]["message"]["content"].strip()


def stream() -> None:
    body = json.dumps({"prompt": "x", "max_gen_len": TOKENS, "ignore_eos": True})
    answer = runtime.invoke_model_with_response_stream(modelId=MODEL, body=body)
    chunks = [json.loads(event["chunk"]["bytes"]) for event in spaced(answer["body"])]
    assert chunks[-1]["amazon-bedrock-invocationMetrics"]["outputTokenCount"] == TOKENS


def converse() -> None:
    answer = runtime.converse(modelId=MODEL, messages=SAY, inferenceConfig={"maxTokens": 3})
    assert answer["output"]["message"]["content"][0]["text"].strip()


def converse_stream() -> None:
    answer = runtime.converse_stream(modelId=MODEL, messages=SAY, inferenceConfig={"maxTokens": TOKENS})
    assert "metadata" in spaced(answer["stream"], 5)[-1]


def tools() -> None:
    config = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": SCHEMA}}}], "toolChoice": {"any": {}}}
    answer = runtime.converse(modelId=MODEL, messages=SAY, toolConfig=config)
    [block] = answer["output"]["message"]["content"]
    assert (answer["stopReason"], block["toolUse"]["input"]["days"]) == ("tool_use", 1)


def stop() -> None:
    assert invoke(prompt=COUNT, max_gen_len=50, stop=["4"])["generation"] == "1 2 3 "
    messages = [{"role": "user", "content": [{"text": COUNT}]}]
    answer = runtime.converse(modelId=MODEL, messages=messages, inferenceConfig={"stopSequences": ["4"]})
    assert answer["output"]["message"]["content"][0]["text"] == "1 2 3 "
    assert answer["stopReason"] == "stop_sequence"


def error() -> None:
    raises(lambda: runtime.converse(modelId=MODEL, messages=[]), "ValidationException")
    raises(lambda: invoke(prompt="x", temperature=3), "ValidationException", "#/temperature")


def not_ready() -> None:
    assert invoke(client(COLD), prompt="x", max_gen_len=1)["generation"]


def throttled() -> None:
    raises(lambda: invoke(client(THROTTLED), prompt="x"), "ThrottlingException", "reached max retries")


tried("InvokeModel", whole)
tried("InvokeModel stream", stream)
tried("Converse", converse)
tried("Converse stream", converse_stream)
tried("tools", tools)
tried("stop", stop)
tried("error", error)
tried("retry: not ready", not_ready)
tried("retry: throttled", throttled)
