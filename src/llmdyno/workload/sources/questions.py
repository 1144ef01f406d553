"""Questions with known answers: does a deployment that answers fast also answer correctly? PURE.

In: a seed, a count, kinds of questions. Out: :class:`Question` values, and a source that asks each one alone first and
again under load. Numbers in words are LLMPerf's correctness test. The other kinds test what a broken deployment gets
wrong: copying a line, writing JSON, stopping at max_tokens. It does not judge the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from llmdyno.workload.plan import MEASURED
from llmdyno.workload.session import Turn, user_message
from llmdyno.workload.sources.words import words
from llmdyno.workload.tokens import TokenCounter

NUMBER, ECHO, JSON, STOP = "number", "echo", "json", "stop"
KINDS = (NUMBER, ECHO, JSON, STOP)
STOP_TOKENS = 24
LARGEST_NUMBER = 10_000

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = ". . twenty thirty forty fifty sixty seventy eighty ninety".split()


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, the max_tokens of its answer, and the expected answer: text, a number in digits, or JSON."""

    kind: str
    prompt: str
    max_tokens: int
    expected: str


def make_questions(seed: int, count: int, kinds: tuple[str, ...], answer_tokens: int) -> list[Question]:
    """`count` questions that go through `kinds` in turn. The same seed gives the same questions."""
    makers = {NUMBER: _number, ECHO: _echo, JSON: _json, STOP: _stop}
    return [
        makers[kinds[index % len(kinds)]](Random(f"{seed}/question/{index}"), answer_tokens) for index in range(count)
    ]


def in_words(number: int) -> str:
    """A whole number from 0 to 999,999 in English words."""
    if number < 20:
        return _UNITS[number]
    if number < 100:
        return _TENS[number // 10] + (f"-{_UNITS[number % 10]}" if number % 10 else "")
    scale, name = (100, "hundred") if number < 1000 else (1000, "thousand")
    rest = number % scale
    joint = " and " if rest and (scale == 100 or rest < 100) else " "
    return f"{in_words(number // scale)} {name}{joint + in_words(rest) if rest else ''}"


def _number(rng: Random, answer_tokens: int) -> Question:
    number = rng.randint(0, LARGEST_NUMBER)
    prompt = f"Write this number in digits. Print the number first.\n{in_words(number)}"
    return Question(NUMBER, prompt, answer_tokens, str(number))


def _echo(rng: Random, answer_tokens: int) -> Question:
    text = "".join(words(rng, 12)[:12]).strip() + f" {rng.randint(100, 99_999)}"
    prompt = f"Repeat the line between the marks exactly, without the marks, and write nothing else.\n<<<\n{text}\n>>>"
    return Question(ECHO, prompt, answer_tokens, text)


def _json(rng: Random, answer_tokens: int) -> Question:
    name, count = words(rng, 3)[1].strip(), rng.randint(2, 999)
    prompt = (
        "Answer with one JSON object and nothing else, without code marks: "
        f'the key "name" holds the text "{name}", the key "count" holds the number {count}.'
    )
    return Question(JSON, prompt, answer_tokens, json.dumps({"name": name, "count": count}))


def _stop(rng: Random, answer_tokens: int) -> Question:
    prompt = f"Count upwards from {rng.randint(1, 9)} in digits, separated by spaces, and do not stop before 5000."
    return Question(STOP, prompt, STOP_TOKENS, "")


@dataclass(frozen=True)
class Questions:
    """A source that asks the questions alone in the warm-up, and under load in the measured phase."""

    counter: TokenCounter
    questions: tuple[Question, ...]
    alone: bool = True

    @property
    def warmup(self) -> int:
        """The number of questions that are asked alone."""
        return len(self.questions) if self.alone else 0

    @property
    def measured(self) -> int | None:
        """The number of questions that are asked under load."""
        return len(self.questions)

    def lengths(self, phase: str, index: int) -> tuple[int, int]:
        """Input tokens and max_tokens of question `index`."""
        question = self.questions[index]
        return self.counter.count(question.prompt), question.max_tokens

    def turn(self, phase: str, index: int) -> Turn:
        """The turn that asks question `index`, counted from 0."""
        question = self.questions[index]
        number = index + (self.warmup if phase == MEASURED else 0)
        counted = self.counter.count(question.prompt)
        return Turn(number, phase, user_message(question.prompt), counted, question.max_tokens)

    def offsets_ns(self) -> Iterator[int]:
        """None: questions are asked in a closed loop only."""
        return iter(())
