"""Strands agents against the emulator: turns, streamed and whole, with a tool in hand, errors, retries."""

from __future__ import annotations

from typing import Any

from strands import Agent, tool
from strands.models import BedrockModel
from trying import COLD, COUNT, MODEL, ROOT, THROTTLED, raises, tried

ASK = "Write this number in digits: forty-two"
"""An answer that ends by itself: Strands takes one that is cut for an error."""


@tool
def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    return f"rain in {city} for {days} days"


def model(root: str = ROOT, **more: Any) -> BedrockModel:
    return BedrockModel(model_id=MODEL, region_name="us-east-1", endpoint_url=root, **{"max_tokens": 100, **more})


def text(model: BedrockModel, prompt: str = ASK, **more: Any) -> str:
    return str(Agent(model=model, callback_handler=None, **more)(prompt))


def converse() -> None:
    assert text(model(streaming=False)).strip() == "42"


def converse_stream() -> None:
    agent = Agent(model=model(), callback_handler=None)
    assert str(agent(ASK)).strip() == "42"
    assert str(agent(ASK)).strip() == "42"  # a conversation of three messages


def tools() -> None:
    agent = Agent(model=model(), tools=[weather], callback_handler=None)
    assert str(agent(ASK)).strip() == "42"  # the tool is offered, and not forced
    assert "rain" in str(agent.tool.weather(city="Bonn"))
    assert str(agent(ASK)).strip() == "42"  # the call and its result are in the conversation


def stop() -> None:
    assert text(model(stop_sequences=["4"]), COUNT).strip() == "1 2 3"


def error() -> None:
    raises(lambda: text(model(temperature=1.5)), "ValidationException", "inferenceConfig.temperature")


tried("Converse", converse)
tried("Converse stream", converse_stream)
tried("tools", tools)
tried("stop", stop)
tried("error", error)
tried("retry: not ready", lambda: text(model(COLD)))
tried("retry: throttled", lambda: raises(lambda: text(model(THROTTLED), retry_strategy=None), "hrottl"))
