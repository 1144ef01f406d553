"""Answers to plain instructions, and prompts that only look like one."""

from __future__ import annotations

import time

import pytest

from llmdyno.emulator.answers import answer
from llmdyno.emulator.tokens import count


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("Repeat:\n<<<\na b\nc\n>>>\n<<<\nd\n>>>", "a b\nc"),
        ("<<<\nno end", None),
        ('Write JSON: key "a" holds the text "x y", key "b" holds the number 5', '{"a": "x y", "b": 5}'),
        ('Write JSON: key "a" holds the text "\\x"', None),
        ('Write JSON: key "a" holds the number ' + "9" * 5000, None),
        ('Write JSON: key "a" holds the number ٣', None),
        ("Write this number in digits: two hundred and seven thousand and one", "207001"),
        ("Write this number in digits: one hundred million", "100000000"),
        ("Write this number in digits: hundred hundred hundred hundred hundred hundred hundred hundred", None),
        ("Write this number in digits: ſeven", None),
        ("upwards, then count", None),
    ],
)
def test_the_answer_to_a_prompt(prompt: str, text: str | None) -> None:
    found = answer(prompt)
    assert (None if found is None else "".join(found)) == text


def test_a_count_upwards() -> None:
    found = answer("Please COUNT from 1\nupwards.")
    assert found is not None
    assert (found[:3], len(found)) == (["1 ", "2 ", "3 "], 4095)


@pytest.mark.parametrize(
    "part", ["<<<\n", "count ", 'key "a" holds the text "', "hundred ", "one ", "and, ", "<|", 'key "', "a" * 50 + " "]
)
def test_a_long_prompt_takes_no_long_time(part: str) -> None:
    prompt = "JSON this number in digits" + part * (300_000 // len(part))
    began_s = time.process_time()
    answer(prompt)
    count(prompt)
    assert time.process_time() - began_s < 2


def test_a_text_that_no_context_holds_is_not_counted_letter_by_letter() -> None:
    assert count(" " * 1_048_576) == 1
    assert count(" " * 1_048_577) == 1_048_577
