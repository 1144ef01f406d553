"""Prompts: their length by an approximation and by real vocabularies, their language, their openings."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llmdyno.host.tokenizer import FileTokenizer, load_tokenizer
from llmdyno.workload.sources.words import CLOSING, make_prompt, words
from llmdyno.workload.tokens import Approximation


@pytest.fixture(scope="module", params=[300, 2000])
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FileTokenizer:
    """A byte-level BPE trained on the spot. The small one splits nearly every word."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=request.param, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    trained.train_from_iterator(["".join(words(Random(9), 20000)), "Go on with this story\n"], trainer)
    path: Path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    trained.save(str(path))
    return load_tokenizer(str(path))


@pytest.mark.parametrize("tokens", [1, 2, 11, 12, 36, 37, 500, 3000])
def test_approximate_lengths_are_met(tokens: int) -> None:
    prompt, counted = make_prompt(Random(1), tokens, Approximation())
    assert counted == Approximation().count(prompt) == tokens


def test_exact_lengths_are_met(tokenizer: FileTokenizer) -> None:
    rng = Random(3)
    for wanted in [1, 2, 3, 12, 36, 37, *(rng.randint(1, 700) for _ in range(60))]:
        prompt, counted = make_prompt(rng, wanted, tokenizer)
        assert tokenizer.count(prompt) == counted == wanted


def test_a_vocabulary_that_cannot_meet_a_length_says_the_true_count() -> None:
    class Pairs:
        """Counts two tokens for each character, so no count is odd."""

        name, exact = "pairs", True

        def count(self, text: str) -> int:
            return 2 * len(text)

        def ends(self, text: str) -> list[int]:
            return [index // 2 + 1 for index in range(2 * len(text))]

    prompt, counted = make_prompt(Random(3), 5, Pairs())
    assert counted == 2 * len(prompt) != 5


def test_a_prompt_is_known_to_the_letter() -> None:
    """The prompt of a seed is a promise: it may change only with a note in the changelog."""
    assert make_prompt(Random("a seed"), 40, Approximation()) == (
        "This bright forest moved the window near the sister. The weak room covered the bank across the "
        "forest. That deep hat kept the leaf beside\nGo on with this story at length, in plain words.",
        40,
    )


def test_prompts_are_english_like() -> None:
    prompt, _ = make_prompt(Random(4), 500, Approximation())
    assert prompt.endswith(CLOSING)
    sentences = prompt.splitlines()[0].split(". ")
    assert len(sentences) > 30
    assert all(sentence[0].isupper() and 7 <= len(sentence.split()) <= 10 for sentence in sentences[:-1])


def test_no_two_prompts_share_an_opening() -> None:
    """A prefix cache works in blocks of 16 tokens or more."""
    prompts = (make_prompt(Random(f"1/{index}"), 20, Approximation())[0] for index in range(2000))
    assert len({" ".join(prompt.split()[:12]) for prompt in prompts}) == 2000
