"""Right or wrong: answers compared with what was asked.

It takes questions, and the answers to them alone and under load. It gives the reason why an answer is wrong, if it is,
and the counts. It judges an answer without its reasoning. It does not know how the questions were sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from llmdyno.workload.sources.questions import ECHO, JSON, NUMBER, STOP, Question

SAME = "same"
"""The kind that compares the answer to a question under load with the answer to it alone."""

ALONE, UNDER_LOAD = "alone", "under_load"
_RIGHT, _WRONG, _FAILED = "right", "wrong", "failed"
_LENGTH_REASONS = ("length", "max_tokens")


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question: its text, its finish reason, the server's count of output tokens (None: the server gave
    no count), and the message of the error if the request failed."""

    text: str
    finish_reason: str | None
    output_tokens: int | None
    error: str | None = None


def judge(question: Question, answer: Answer) -> str | None:
    """What is wrong with an answer to a request that succeeded; None if it is right."""
    text = answer.text.rpartition("</think>")[2].strip()
    cut = " (cut at max_tokens)" if (answer.finish_reason or "").lower() in _LENGTH_REASONS else ""
    return _JUDGES[question.kind](question, answer, text, cut)


def _judge_stop(question: Question, answer: Answer, text: str, cut: str) -> str | None:
    if answer.output_tokens is not None and answer.output_tokens > question.max_tokens:
        return f"{answer.output_tokens} tokens, more than max_tokens ({question.max_tokens})"
    return None if cut else f"ended with {answer.finish_reason!r} before max_tokens"


def _judge_number(question: Question, answer: Answer, text: str, cut: str) -> str | None:
    return None if number_matches(question.expected, text) else f"the number is not {question.expected}{cut}"


def _judge_echo(question: Question, answer: Answer, text: str, cut: str) -> str | None:
    return None if text.strip("\"'`") == question.expected else f"does not repeat the line{cut}"


def _judge_json(question: Question, answer: Answer, text: str, cut: str) -> str | None:
    try:
        value = json.loads(re.sub(r"^```(json)?|```$", "", text).strip())
    except (ValueError, RecursionError):
        return f"not JSON{cut}"
    return None if value == json.loads(question.expected) else f"not {question.expected}"


_JUDGES: Mapping[str, Callable[[Question, Answer, str, str], str | None]] = {
    STOP: _judge_stop,
    NUMBER: _judge_number,
    ECHO: _judge_echo,
    JSON: _judge_json,
}
"""By the kind of question. Each takes the question, the answer, its text without reasoning, a note if it was cut."""


def number_matches(expected: str, text: str) -> bool:
    """LLMPerf's rule: the number is one of the numbers in the text, without the commas between digits."""
    return expected in re.findall(r"\d+", re.sub(r"(?<=\d),(?=\d)", "", text))


class _Judgement(NamedTuple):
    """What came of one answer: the kind and the time that it counts under, and the mismatch if it is not right."""

    kind: str
    when: str
    outcome: str
    mismatch: dict[str, Any] | None = None


def correctness(
    questions: Sequence[Question], alone: Sequence[Answer | None], loaded: Sequence[Answer | None]
) -> dict[str, Any]:
    """The results of a check, as they are in check.json.

    Args:
        questions: what was asked.
        alone: the answer to each question when asked one at a time; empty if that was left out. None: not asked.
        loaded: the answer to each question under load. None: not asked.

    Returns:
        `asked` and `wrong`: how many answers there are and how many are wrong. `kinds`: for each kind, how many answers
        were right, wrong and failed, alone and under load; the kind `same` counts whether both were equal.
        `mismatches`: every wrong answer with its prompt.
    """
    judgements = [
        *_judged(questions, alone, ALONE),
        *_judged(questions, loaded, UNDER_LOAD),
        *_compared(questions, alone, loaded),
    ]
    kinds: dict[str, dict[str, dict[str, int]]] = {}
    for one in judgements:
        counts = kinds.setdefault(one.kind, {}).setdefault(one.when, {_RIGHT: 0, _WRONG: 0, _FAILED: 0})
        counts[one.outcome] += 1
    mismatches = [one.mismatch for one in judgements if one.mismatch is not None]
    return {"asked": len(judgements), "wrong": len(mismatches), "kinds": kinds, "mismatches": mismatches}


def _judged(questions: Sequence[Question], answers: Sequence[Answer | None], when: str) -> Iterator[_Judgement]:
    """Each answer against its question."""
    for question, answer in zip(questions, answers, strict=False):
        if answer is None:
            continue
        wrong = judge(question, answer) if answer.error is None else answer.error
        if wrong is None:
            yield _Judgement(question.kind, when, _RIGHT)
        else:
            mismatch = {**asdict(question), "when": when, "wrong": wrong, "answer": answer.text}
            yield _Judgement(question.kind, when, _FAILED if answer.error else _WRONG, mismatch)


def _compared(
    questions: Sequence[Question], alone: Sequence[Answer | None], loaded: Sequence[Answer | None]
) -> Iterator[_Judgement]:
    """Each answer under load against the answer to the same question alone, if both requests succeeded."""
    for question, before, under in zip(questions, alone, loaded, strict=False):
        if before is None or under is None or before.error is not None or under.error is not None:
            continue
        if before.text == under.text:
            yield _Judgement(SAME, UNDER_LOAD, _RIGHT)
        else:
            wrong = "the answer under load is not the answer alone"
            asked = {**asdict(question), "kind": SAME, "expected": before.text}
            mismatch = {**asked, "when": UNDER_LOAD, "wrong": wrong, "answer": under.text}
            yield _Judgement(SAME, UNDER_LOAD, _WRONG, mismatch)
