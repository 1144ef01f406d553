"""LangChain's classes for Bedrock against the emulator: on InvokeModel and on Converse, with tools and stops."""

from __future__ import annotations

import warnings
from typing import Any

from trying import COLD, COUNT, MODEL, REGION, ROOT, SCHEMA, THROTTLED, TOKENS, raises, spaced, tried

warnings.filterwarnings("ignore")
from langchain_aws import BedrockLLM, ChatBedrock, ChatBedrockConverse  # noqa: E402

WEATHER = {"name": "weather", "description": "The weather.", "parameters": SCHEMA}


def where(root: str) -> dict[str, Any]:
    return {"endpoint_url": root, "region_name": REGION}


def chat(provider: str, root: str = ROOT, **more: Any) -> Any:
    return ChatBedrock(model_id=MODEL, provider=provider, **where(root), **more)


def converse(root: str = ROOT, **more: Any) -> Any:
    return ChatBedrockConverse(model=MODEL, provider="meta", **where(root), **more)


def llm(**more: Any) -> Any:
    return BedrockLLM(model_id=MODEL, provider="meta", **where(ROOT), **more)


def invoke_model() -> None:
    assert str(chat("meta", model_kwargs={"max_gen_len": 5}).invoke("hi").content).strip()
    assert llm(model_kwargs={"max_gen_len": 5}).invoke("hi").strip()
    answer = chat("openai", max_tokens=5).invoke("hi")  # it sends max_completion_tokens
    assert answer.content.strip()
    assert answer.usage_metadata["output_tokens"] <= 5


def invoke_model_stream() -> None:
    spaced(chat("meta", model_kwargs={"max_gen_len": TOKENS}).stream("hi"), 5)
    spaced(llm(model_kwargs={"max_gen_len": TOKENS}).stream("hi"), 5)
    spaced(chat("openai", max_tokens=TOKENS).stream("hi"), 5)


def converse_whole() -> None:
    answer = converse(max_tokens=3).invoke("hi")
    assert answer.usage_metadata["output_tokens"] <= 3


def converse_stream() -> None:
    spaced(converse(max_tokens=TOKENS).stream("hi"), 5)


def tools() -> None:
    model = converse(supports_tool_choice_values=("auto", "any", "tool"), disable_streaming=False)
    model = model.bind_tools([WEATHER], tool_choice="weather")
    [call] = model.invoke("hi").tool_calls
    assert (call["name"], call["args"]["days"]) == ("weather", 1)
    parts = [part for chunk in model.stream("hi") for part in chunk.tool_call_chunks]
    assert "".join(part["args"] or "" for part in parts).startswith('{"days": 1')


def stop() -> None:
    assert chat("openai", max_tokens=50).invoke(COUNT, stop=["4"]).content == "1 2 3 "
    answer = converse(max_tokens=50, stop_sequences=["4"]).invoke(COUNT)
    assert (answer.content, answer.response_metadata["stopReason"]) == ("1 2 3 ", "stop_sequence")


def error() -> None:
    raises(lambda: converse(temperature=1.5).invoke("hi"), "ValidationException", "inferenceConfig.temperature")


tried("InvokeModel", invoke_model)
tried("InvokeModel stream", invoke_model_stream)
tried("Converse", converse_whole)
tried("Converse stream", converse_stream)
tried("tools", tools)
tried("stop", stop)
tried("error", error)
tried("retry: not ready", lambda: converse(COLD, max_tokens=1).invoke("hi"))
tried("retry: throttled", lambda: raises(lambda: converse(THROTTLED).invoke("hi"), "ThrottlingException"))
