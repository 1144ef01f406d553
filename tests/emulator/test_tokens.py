"""The emulator's own token count and words, counted by hand and compared with the client's."""

from __future__ import annotations

from random import Random

import pytest

from llmdyno.emulator import http, text, tokens
from llmdyno.timeline import emulated
from llmdyno.workload.sources.words import make_prompt
from llmdyno.workload.tokens import Approximation


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", 0),
        ("one two three", 3),
        ("The fox, the dog.", 6),
        ("elephant", 1),  # eight letters
        ("elephants", 2),  # nine: five and four
        ("internationalisation", 4),  # twenty: four fives
        ("in 2024 and 7", 5),  # 202, 4
        ("1234567", 3),
        ("a...b", 3),  # a run of one mark is a token
        ("x=(y)", 5),
        ("a  b", 3),  # two spaces are a token, one is not
        ("a\n\nb", 3),
        ("don't", 3),
        ("naïve", 1),
        ("日本語", 3),
        ("<|user|>hello<|end|>", 3),
        ("<｜User｜>hi", 2),
        ("a <| b |> c", 7),  # not a special token: it has spaces inside
        ("one<|x|>two", 3),
    ],
)
def test_counts_made_by_hand(given: str, expected: int) -> None:
    assert tokens.count(given) == expected


@pytest.mark.parametrize("wanted", [20, 500, 4000])
def test_it_agrees_with_the_client_on_its_prompts(wanted: int) -> None:
    client = Approximation()
    for seed in range(20):
        prompt, _ = make_prompt(Random(seed), wanted, client)
        assert tokens.count(prompt) == pytest.approx(client.count(prompt), rel=0.15)


@pytest.mark.parametrize("given", ["elephants", "a...b", "<|user|>", "naïve", "a  b"])
def test_it_is_not_the_clients_count(given: str) -> None:
    assert tokens.count(given) != Approximation().count(given)


def test_words_come_from_their_seed_and_each_is_one_token() -> None:
    first = text.words(1, 1000)
    assert first == text.words(1, 1000)
    assert first != text.words(2, 1000)
    assert first[:100] == text.words(1, 100)
    assert len(first) == 1000
    assert {tokens.count(piece) for piece in first} == {1}
    assert {Approximation().count(piece) for piece in first} == {1}
    assert "." in first


def test_the_label_is_in_the_header_that_the_client_reads() -> None:
    assert http.LABEL_HEADER.lower() == emulated.HEADER
