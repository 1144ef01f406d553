"""Recorded traffic as a plan: when requests came, how long they and their answers were.

In: a file in one of the formats that public traces have. Out: entries by ascending time. Read are Mooncake's JSON
lines (timestamp in ms, input_length, output_length), BurstGPT's CSV (Timestamp in s, Request tokens, Response tokens),
Azure's LLM inference CSV (TIMESTAMP, ContextTokens, GeneratedTokens), and our own JSON lines (timestamp in s,
input_tokens, output_tokens). A line that does not fit is named by file and number.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError

_WHERE = "--arrivals replay"
FITS = "JSON lines with timestamp, input_tokens, output_tokens; Mooncake's JSON lines; BurstGPT's or Azure's CSV"


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a trace: ns after the first one, tokens in and out."""

    offset_ns: int
    input_tokens: int
    output_tokens: int


def read_trace(path: str, time_scale: float, where: str = _WHERE, fits: str = FITS) -> list[Entry]:
    """Read a trace; its times are multiplied by `time_scale` (0.1: ten times faster). `where` names the flag, `fits`
    what it takes, in errors.

    Raises:
        InputError: it cannot be read, or a line does not fit, or a time goes backwards.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(where, f"{path} cannot be read ({error.strerror})", f"what fits: {fits}") from None
    except UnicodeDecodeError:
        raise InputError(where, f"{path} is not UTF-8 text", f"what fits: {fits}") from None
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
    for number, moment_s, inputs, outputs in rows:
        if moment_s < last_s:
            raise _bad(path, number, f"its time goes back by {last_s - moment_s:g} s", "sort the trace by time")
        began_s = moment_s if not entries else began_s
        last_s = moment_s
        if outputs < 1 or inputs < 1:
            continue  # a request that failed where it was recorded has no answer to ask for
        entries.append(Entry(round((moment_s - began_s) * time_scale * 1e9), inputs, outputs))
    if not entries:
        raise _BadTrace(f"{path} holds no request")
    return entries


Row = tuple[int, float, int, int]


def _json_lines(path: str, lines: list[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise _bad(path, number, "it is no JSON object")
        if "input_length" in value:
            yield _row(path, number, value, "timestamp", ("input_length", "output_length"), _milliseconds)
        else:
            yield _row(path, number, value, "timestamp", ("input_tokens", "output_tokens"), float)


def _csv_lines(path: str, lines: list[str]) -> Iterator[Row]:
    reader = csv.DictReader(lines)
    fields = set(reader.fieldnames or ())
    seconds: Callable[[Any], float]
    if {"TIMESTAMP", "ContextTokens", "GeneratedTokens"} <= fields:
        when, names, seconds = "TIMESTAMP", ("ContextTokens", "GeneratedTokens"), _azure_seconds
    elif {"Timestamp", "Request tokens", "Response tokens"} <= fields:
        when, names, seconds = "Timestamp", ("Request tokens", "Response tokens"), float
    else:
        shown = ", ".join(sorted(fields)[:6]) or "nothing"
        raise _bad(path, 1, f"its columns are {shown}")
    for value in reader:
        yield _row(path, reader.line_num, value, when, names, seconds)


def _row(
    path: str, number: int, value: dict[str, Any], when: str, names: tuple[str, str], seconds: Callable[[Any], float]
) -> Row:
    try:
        moment_s = seconds(value[when])
        inputs, outputs = (int(float(value[name])) for name in names)
        if not math.isfinite(moment_s):
            raise ValueError
    except (KeyError, TypeError, ValueError):
        shown = {name: value.get(name) for name in (when, *names)}
        raise _bad(path, number, f"{shown} does not fit", f"{when} a time, {names[0]} and {names[1]} numbers") from None
    return number, moment_s, inputs, outputs


def _milliseconds(value: Any) -> float:
    return float(value) / 1e3


def _azure_seconds(text: str) -> float:
    """A timestamp with up to seven digits after the point, of which Python reads six."""
    head, point, fraction = text.strip().partition(".")
    digits = "".join(character for character in fraction if character.isdigit())
    return datetime.fromisoformat(head).timestamp() + (float(f"0.{digits}") if point and digits else 0.0)


class _BadTrace(Exception):
    """What is wrong with a trace, and what would fit (None: any of the formats)."""

    def __init__(self, problem: str, fits: str | None = None) -> None:
        super().__init__(problem)
        self.problem, self.fits = problem, fits


def _bad(path: str, number: int, problem: str, fits: str | None = None) -> _BadTrace:
    return _BadTrace(f"{path}, line {number}: {problem}", fits)
