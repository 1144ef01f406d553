"""Right or wrong: answers held against what was asked. PURE.

In: questions, the answers to them alone and under load. Out: for each the reason why it is wrong, or none, and the
sums. An answer is judged without the reasoning before it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from llmdyno.workload.sources.questions import ECHO, JSON, NUMBER, STOP, Question

SAME = "same"
"""The kind of a question's answers under load and alone being one."""

_LENGTH_REASONS = ("length", "max_tokens")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question: its text, why it ended, how many tokens the server counted (None: it did not), and
    the error's message where it failed."""

    text: str
    finish_reason: str | None
    output_tokens: int | None
    error: str | None = None


def judge(question: Question, answer: Answer) -> str | None:
    """What is wrong with an answer that did not fail; None: nothing."""
    text = answer.text.rpartition("</think>")[2].strip()
    if question.kind == STOP:
        if answer.output_tokens is not None and answer.output_tokens > question.max_tokens:
            return f"{answer.output_tokens} tokens, {question.max_tokens} were the most"
        if answer.finish_reason not in _LENGTH_REASONS:
            return f"ended with {answer.finish_reason!r} before max_tokens"
        return None
    cut = " (cut at max_tokens)" if answer.finish_reason in _LENGTH_REASONS else ""
    if question.kind == NUMBER:
        return None if number_matches(question.expected, text) else f"the number is not {question.expected}{cut}"
    if question.kind == ECHO:
        return None if text.strip("\"'`") == question.expected else f"not the line that was to be repeated{cut}"
    assert question.kind == JSON
    body = re.sub(r"^```(json)?|```$", "", text).strip()
    try:
        value = json.loads(body)
    except ValueError:
        return f"not JSON{cut}"
    return None if value == json.loads(question.expected) else f"not {question.expected}"


def number_matches(expected: str, text: str) -> bool:
    """LLMPerf's match: the number is among the numbers in the answer, commas between digits taken out."""
    return expected in re.findall(r"\d+", re.sub(r"(?<=\d),(?=\d)", "", text))


def correctness(
    questions: Sequence[Question], alone: Sequence[Answer | None], loaded: Sequence[Answer | None]
) -> dict[str, Any]:
    """The results of a check, as they stand in check.json.

    Args:
        questions: what was asked.
        alone: the answer to each, asked one at a time; empty where that was left out. None: never asked.
        loaded: the answer to each, asked under load.

    Returns:
        `asked`, `wrong`: sums; `kinds`: for each kind how many answers were right, wrong and failed, alone and under
        load, and under `same` whether both were one; `mismatches`: every wrong answer with its prompt.
    """
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    mismatches: list[dict[str, Any]] = []

    def count(kind: str, when: str, outcome: str) -> None:
        sums = kinds.setdefault(kind, {}).setdefault(when, {"right": 0, "wrong": 0, "failed": 0})
        sums[outcome] += 1

    for when, answers in (("alone", alone), ("under_load", loaded)):
        for question, answer in zip(questions, answers, strict=False):
            if answer is None:
                continue
            wrong = judge(question, answer) if answer.error is None else answer.error
            count(question.kind, when, "right" if wrong is None else "failed" if answer.error else "wrong")
            if wrong is not None:
                mismatches.append({**asdict(question), "when": when, "wrong": wrong, "answer": answer.text})
    for question, before, under in zip(questions, alone, loaded, strict=False):
        if before is None or under is None or before.error is not None or under.error is not None:
            continue
        same = before.text == under.text
        count(SAME, "under_load", "right" if same else "wrong")
        if not same:
            wrong = "another answer under load than alone"
            entry = {**asdict(question), "kind": SAME, "expected": before.text}
            mismatches.append({**entry, "when": "under_load", "wrong": wrong, "answer": under.text})
    asked = sum(sum(sums.values()) for by in kinds.values() for sums in by.values())
    return {"asked": asked, "wrong": len(mismatches), "kinds": kinds, "mismatches": mismatches}
