"""Recorded traffic: when requests came, and how long they and their answers were. PURE.

In: the text of a trace. Out: entries by ascending time. It reads four formats:

- Mooncake's JSON lines: timestamp in ms, input_length, output_length.
- BurstGPT's CSV: Timestamp in s, Request tokens, Response tokens.
- Azure's LLM inference CSV: TIMESTAMP as a date and time, ContextTokens, GeneratedTokens.
- Our own JSON lines: timestamp in s, input_tokens, output_tokens.

It opens no file. An error names the file and the line.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from llmdyno.errors import InputError
from llmdyno.spec.limits import LONGEST_S, MOST_PLAN_TOKENS, MOST_REQUESTS, MOST_TOKENS

WHERE = "--arrivals replay"
FITS = "JSON lines with timestamp, input_tokens, output_tokens; Mooncake's JSON lines; BurstGPT's or Azure's CSV"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a trace: ns after the first one, tokens of the prompt, tokens of the answer."""

    offset_ns: int
    input_tokens: int
    output_tokens: int


def parse_trace(text: str, path: str, time_scale: float, where: str = WHERE, fits: str = FITS) -> list[Entry]:
    """The requests of a trace. Requests without an answer are left out: nothing says how long it should be.

    Args:
        text: the whole trace, in any of the formats.
        path: its path, for errors.
        time_scale: multiplies the times; 0.1 makes the trace ten times faster.
        where: the flag that errors start with.
        fits: which formats the flag takes, for errors.

    Raises:
        InputError: a line does not fit, a time goes backwards, or no request is left.
    """
    try:
        return _entries(path, text, time_scale)
    except _BadTrace as bad:
        raise InputError(where, bad.problem, f"what fits: {bad.fits or fits}") from None


def _entries(path: str, text: str, time_scale: float) -> list[Entry]:
    lines = text.splitlines()
    first = next((line for line in lines if line.strip()), "")
    rows = _json_lines(path, lines) if first.lstrip().startswith("{") else _csv_lines(path, lines)
    entries: list[Entry] = []
    began_s = last_s = -math.inf
    tokens = 0
    for number, time_s, inputs, outputs in rows:
        if time_s < last_s:
            raise _bad(path, number, f"its time goes back by {last_s - time_s:g} s", "a trace sorted by time")
        began_s = time_s if not entries else began_s
        last_s = time_s
        if outputs < 1 or inputs < 1:
            continue
        offset_s = (time_s - began_s) * time_scale
        if not offset_s <= LONGEST_S:
            fits = f"a shorter trace, of at most {LONGEST_S:,.0f} s"
            raise _bad(path, number, f"it comes {offset_s:g} s after the first request", fits)
        tokens += inputs + outputs
        entries.append(Entry(round(offset_s * 1e9), inputs, outputs))
        if len(entries) > MOST_REQUESTS or tokens > MOST_PLAN_TOKENS:
            asked = f"{len(entries):,} requests with {tokens:,} tokens, and more follow"
            fits = f"a trace of at most {MOST_REQUESTS:,} requests and {MOST_PLAN_TOKENS:,} tokens"
            raise _bad(path, number, asked, fits)
    if not entries:
        raise _BadTrace(f"{path} holds no request")
    return entries


Row = tuple[int, float, int, int]
"""Line number, time in s, input tokens, output tokens."""


def _json_lines(path: str, lines: list[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise _bad(path, number, "it is not a JSON object")
        if "input_length" in value:
            yield _row(path, number, value, "timestamp", ("input_length", "output_length"), _milliseconds)
        else:
            yield _row(path, number, value, "timestamp", ("input_tokens", "output_tokens"), float)


def _csv_lines(path: str, lines: list[str]) -> Iterator[Row]:
    reader = csv.DictReader(lines)
    try:
        fields = set(reader.fieldnames or ())
    except csv.Error as error:
        raise _bad(path, 1, str(error)) from None
    seconds: Callable[[Any], float]
    if {"TIMESTAMP", "ContextTokens", "GeneratedTokens"} <= fields:
        when, names, seconds = "TIMESTAMP", ("ContextTokens", "GeneratedTokens"), _azure_seconds
    elif {"Timestamp", "Request tokens", "Response tokens"} <= fields:
        when, names, seconds = "Timestamp", ("Request tokens", "Response tokens"), float
    else:
        shown = ", ".join(sorted(fields)[:6]) or "nothing"
        raise _bad(path, 1, f"its columns are {shown}")
    try:
        for value in reader:
            yield _row(path, reader.line_num, value, when, names, seconds)
    except csv.Error as error:
        raise _bad(path, reader.line_num, str(error)) from None


def _row(
    path: str, number: int, value: dict[str, Any], when: str, names: tuple[str, str], seconds: Callable[[Any], float]
) -> Row:
    try:
        if any(isinstance(value[name], bool) for name in (when, *names)):
            raise ValueError
        time_s = seconds(value[when])
        inputs, outputs = (int(float(value[name])) for name in names)
        if not math.isfinite(time_s):
            raise ValueError
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
        shown = {name: value.get(name) for name in (when, *names)}
        fits = f"{when} is a time, {names[0]} and {names[1]} are numbers"
        raise _bad(path, number, f"{shown} does not fit", fits) from None
    if max(inputs, outputs) > MOST_TOKENS:
        asked = f"it has {inputs:.8g} input and {outputs:.8g} output tokens"
        raise _bad(path, number, asked, f"requests and answers of at most {MOST_TOKENS:,} tokens")
    return number, time_s, inputs, outputs


def _milliseconds(value: Any) -> float:
    return float(value) / 1e3


def _azure_seconds(text: str) -> float:
    """A timestamp with up to seven digits after the point; Python reads six."""
    head, point, fraction = text.strip().partition(".")
    digits = "".join(character for character in fraction if character.isdigit())
    return datetime.fromisoformat(head).timestamp() + (float(f"0.{digits}") if point and digits else 0.0)


class _BadTrace(Exception):
    """What is wrong with a trace, and what would fit. None: any of the formats fits."""

    def __init__(self, problem: str, fits: str | None = None) -> None:
        super().__init__(problem)
        self.problem, self.fits = problem, fits


def _bad(path: str, number: int, problem: str, fits: str | None = None) -> _BadTrace:
    return _BadTrace(f"{path}, line {number}: {problem}", fits)
