"""Answers to a few plain instructions, so that a check of correctness has something to check. PURE.

In: a prompt. Out: the tokens of the answer that it asks for; None if the instruction is not known, and the emulator
then answers with random words. Known: write a number in digits, repeat a text between marks, fill a JSON object whose
keys are given, count upwards. No language model is behind it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re

_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUES = {word: value for value, word in enumerate(_UNITS)} | {word: 10 * n for n, word in enumerate(_TENS, 2)}
_SCALES = {"thousand": 1000, "million": 1_000_000}
_HIGHEST = 10**15
"""Nobody asks for more, and a prompt of hundreds alone would be a number of any length."""
_NUMBER = re.compile(
    r"(?:\b(?:" + "|".join([*_VALUES, *_SCALES, "hundred", "and"]) + r")\b[\s,-]*)+", re.IGNORECASE | re.ASCII
)
_OPENED, _CLOSED = "<<<\n", "\n>>>"
_KEY = re.compile(r'key "(\w+)" holds the (?:text|number) ("[^"]*"|\d+)')
_COUNT, _UPWARDS = re.compile(r"\bcount\b", re.IGNORECASE), re.compile(r"\bupwards\b", re.IGNORECASE)
_TOKEN = re.compile(r"\s?\S{1,5}|\s")


def answer(prompt: str) -> list[str] | None:
    """The answer in tokens; None if the instruction is not known. A count has 4,095 of them."""
    _, opened, rest = prompt.partition(_OPENED)
    marked, closed, _ = rest.partition(_CLOSED)
    if opened and closed:
        return _TOKEN.findall(marked)
    keys = _KEY.findall(prompt)
    if keys and "JSON" in prompt:
        with contextlib.suppress(ValueError):  # a text with a backslash, a number of thousands of digits
            return _TOKEN.findall(json.dumps({name: json.loads(value) for name, value in keys}))
    count = _COUNT.search(prompt)
    if count is not None and _UPWARDS.search(prompt, count.end()):
        return [f"{number} " for number in range(1, 4096)]
    if "this number in digits" in prompt:
        found = [match[0] for match in _NUMBER.finditer(prompt) if _value(match[0]) is not None]
        if found:
            return _TOKEN.findall(str(_value(max(found, key=len))))
    return None


def garbled(tokens: list[str]) -> list[str]:
    """A wrong answer of the same shape: digits one higher, letters in the other case."""
    return ["".join(str((int(c) + 1) % 10) if c.isdecimal() else c.swapcase() for c in token) for token in tokens]


def _value(words: str) -> int | None:
    total = part = 0
    found = False
    for word in itertools.filterfalse(lambda w: w == "and", re.findall(r"[a-z]+", words.lower())):
        found = True
        if word in _VALUES:
            part += _VALUES[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            total, part = total + max(part, 1) * _SCALES[word], 0
        if part > _HIGHEST:
            return None
    return total + part if found else None
