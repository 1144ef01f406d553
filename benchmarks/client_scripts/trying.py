"""What the scripts of clients share: where the emulators are, and a line of JSON for each thing that was tried.

A script runs with the packages of its client alone, so this file needs nothing but the standard library. The
environment has the URLs: `ROOT` answers at once, `COLD` has a model that must wake first, `THROTTLED` refuses all.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any

ROOT, COLD, THROTTLED = os.environ["ROOT"], os.environ["COLD"], os.environ["THROTTLED"]
MODEL, REGION = os.environ["MODEL"], "us-east-1"
SAY = [{"role": "user", "content": [{"text": "one two"}]}]
COUNT = "please count upwards"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOKENS = 20
_LEAST_SPREAD_S = 0.01


def tried(operation: str, call: Callable[[], Any]) -> None:
    """Try one thing, and print a line that says whether it went as it should."""
    report(operation, _problem(call))


def report(operation: str, problem: str | None) -> None:
    """Print the line."""
    print(json.dumps({"operation": operation, "ok": problem is None, "problem": problem}), flush=True)


def _problem(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:500]
    return None


def raises(call: Callable[[], Any], *words: str) -> None:
    """The call fails, and the words are in its error."""
    try:
        call()
    except Exception as error:
        text = f"{type(error).__name__} {error}"
        assert all(word in text for word in words), text
        return
    raise AssertionError("no error")


def spaced(events: Iterable[Any], least: int = TOKENS // 2) -> list[Any]:
    """The events of a stream, which come one by one and not all at once."""
    found, times_s = [], []
    for event in events:
        found.append(event)
        times_s.append(time.monotonic())
    return _checked(found, times_s, least)


async def spaced_async(events: AsyncIterable[Any], least: int = TOKENS // 2) -> list[Any]:
    """The same for an asynchronous stream."""
    found, times_s = [], []
    async for event in events:
        found.append(event)
        times_s.append(time.monotonic())
    return _checked(found, times_s, least)


def _checked(found: list[Any], times_s: list[float], least: int) -> list[Any]:
    assert len(found) >= least, f"{len(found)} events"
    spread_s = times_s[-1] - times_s[0]
    assert spread_s >= _LEAST_SPREAD_S, f"all events within {spread_s:.4f} s"
    return found
