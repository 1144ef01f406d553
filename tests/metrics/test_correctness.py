"""Right and wrong answers, and two samples held against each other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from num2words import num2words

from llmdyno.emulator import answers
from llmdyno.metrics.compare import difference
from llmdyno.metrics.correctness import Answer, correctness, judge, number_matches
from llmdyno.workload.sources.questions import ECHO, JSON, KINDS, NUMBER, STOP, Question, in_words, make_questions


@pytest.mark.parametrize("number", [*range(130), 200, 999, 1000, 1001, 1100, 4217, 9999, 10_000, 12_345, 999_999])
def test_numbers_in_words_are_those_of_a_library_made_for_it(number: int) -> None:
    theirs = num2words(number).replace(",", "")
    assert in_words(number) == theirs
    assert "".join(answers.answer(f"Write this number in digits.\n{theirs}") or ()) == str(number)


def test_questions_come_from_their_seed_and_the_kinds_take_turns() -> None:
    first, second, other = (make_questions(seed, 8, KINDS, 50) for seed in (1, 1, 2))
    assert first == second
    assert first != other
    assert [question.kind for question in first] == [*KINDS, *KINDS]
    assert len({question.prompt for question in first}) == 8


ASKED = {
    NUMBER: Question(NUMBER, "p", 50, "4217"),
    ECHO: Question(ECHO, "p", 50, "The red fox 12"),
    JSON: Question(JSON, "p", 50, '{"name": "fox", "count": 12}'),
    STOP: Question(STOP, "p", 24, ""),
}


@pytest.mark.parametrize(
    ("kind", "text", "finish_reason", "tokens", "wrong"),
    [
        (NUMBER, "4217", "stop", 2, None),
        (NUMBER, "The number is 4,217.", "stop", 9, None),
        (NUMBER, "<think>9 or 8</think>\n4217", "stop", 9, None),
        (NUMBER, "<think>4217</think>4218", "stop", 9, "is not 4217"),
        (NUMBER, "42171", "stop", 9, "is not 4217"),
        (NUMBER, "Let me think", "length", 50, "cut at max_tokens"),
        (NUMBER, "Let me think", "MAX_TOKENS", 50, "cut at max_tokens"),
        (ECHO, " The red fox 12\n", "stop", 9, None),
        (ECHO, '"The red fox 12"', "stop", 9, None),
        (ECHO, "The red fox", "stop", 9, "does not repeat the line"),
        (JSON, '{"count": 12, "name": "fox"}', "stop", 9, None),
        (JSON, '```json\n{"count": 12, "name": "fox"}\n```', "stop", 9, None),
        (JSON, '{"count": "12", "name": "fox"}', "stop", 9, "not {"),
        (JSON, "Sure!", "stop", 9, "not JSON"),
        (STOP, "1 2 3", "length", 24, None),
        (STOP, "1 2 3", "max_tokens", None, None),
        (STOP, "1 2 3", "length", 25, "25 tokens, more than max_tokens (24)"),
        (STOP, "1 2 3", "stop", 20, "ended with 'stop'"),
    ],
)
def test_judging(kind: str, text: str, finish_reason: str, tokens: int | None, wrong: str | None) -> None:
    found = judge(ASKED[kind], Answer(text, finish_reason, tokens))
    if wrong is None:
        assert found is None
    else:
        assert found is not None
        assert wrong in found


def test_llmperfs_match() -> None:
    assert number_matches("1234", "it is 1,234, surely")
    assert number_matches("0", "0")
    assert not number_matches("1234", "12 34")


def test_alone_against_under_load() -> None:
    questions = [ASKED[NUMBER], ASKED[ECHO], ASKED[STOP], ASKED[JSON]]
    right = [
        Answer("4217", "stop", 2),
        Answer("The red fox 12", "stop", 5),
        Answer("1 2", "length", 24),
        Answer(ASKED[JSON].expected, "stop", 9),
    ]
    loaded = [Answer("7124", "stop", 2), None, Answer("1 2", "length", 24), Answer("", None, None, "throttled")]
    found = correctness(questions, right, loaded)
    assert found["kinds"]["number"] == {
        "alone": {"right": 1, "wrong": 0, "failed": 0},
        "under_load": {"right": 0, "wrong": 1, "failed": 0},
    }
    assert found["kinds"]["json"]["under_load"] == {"right": 0, "wrong": 0, "failed": 1}
    assert found["kinds"]["same"]["under_load"] == {"right": 1, "wrong": 1, "failed": 0}  # the pairs that both came
    assert "under_load" not in found["kinds"]["echo"]  # it was never asked
    assert (found["asked"], found["wrong"]) == (9, 3)
    assert [entry["kind"] for entry in found["mismatches"]] == ["number", "json", "same"]
    assert found["mismatches"][2]["expected"] == "4217"
    json.dumps(found)


# --- the emulator's answers


def test_the_emulator_answers_what_is_asked_and_nothing_else() -> None:
    for question in make_questions(3, 40, KINDS, 400):
        tokens = answers.answer(question.prompt)
        assert tokens is not None
        stop = question.kind == STOP
        cut = tokens[: question.max_tokens]
        answer = Answer("".join(cut), "length" if stop else "stop", len(cut))
        assert judge(question, answer) is None, question
        if not stop:
            wrong = Answer("".join(answers.garbled(tokens)), "stop", len(tokens))
            assert judge(question, wrong) is not None, question
    assert answers.answer("The one brave number met the two lines in digits.") is None


# --- two samples


def test_a_difference_and_its_interval() -> None:
    rng = np.random.default_rng(5)
    base, later = (rng.normal(mean, 1.0, 400) for mean in (10.0, 11.0))
    found = difference(base, later, 50)
    assert found is not None
    assert found[0] == pytest.approx(float(np.median(later) - np.median(base)))
    # The interval of a normal sample's median is as wide as theory has it: 2 × 1.96 × sqrt(pi/2 × 2/n).
    assert found[2] - found[1] == pytest.approx(2 * 1.96 * (np.pi / 2 * 2 / 400) ** 0.5, rel=0.25)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    held = 0
    for _ in range(80):
        found = difference(rng.exponential(1.0, 60), rng.exponential(1.0, 60) + 0.5, 50)
        assert found is not None
        held += found[1] <= 0.5 <= found[2]
    assert 70 <= held <= 80  # 95% of 80 are 76


def test_no_sample_no_difference() -> None:
    assert difference(np.array([np.nan]), np.array([1.0]), 50) is None
