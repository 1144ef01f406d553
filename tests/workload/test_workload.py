"""Plans: the same for the same seed, right in length, never the same opening twice."""

from __future__ import annotations

import statistics
from pathlib import Path
from random import Random

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from llmdyno import InputError, Spec
from llmdyno.spec.distribution import Distribution
from llmdyno.workload.lengths import draw
from llmdyno.workload.plan import MEASURED, WARMUP, Plan
from llmdyno.workload.sources.words import words
from llmdyno.workload.tokens import Approximation, TokenCounter, load_counter


@pytest.fixture(scope="module", params=[300, 2000])
def tokenizer_file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A byte-level BPE trained on the spot; the small one splits nearly every word."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=request.param, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    tokenizer.train_from_iterator(["".join(words(Random(9), 20000)), "Go on with this story\n"], trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.mark.parametrize(
    ("text", "mean", "stddev"),
    [("500", 500, 0), ("normal(500,25)", 500, 25), ("uniform(100,200)", 150, 29.2), ("lognormal(500,0.5)", 566.6, 302)],
)
def test_draws_follow_the_distribution(text: str, mean: float, stddev: float) -> None:
    rng = Random(3)
    lengths = [draw(Distribution.parse(text), rng) for _ in range(4000)]
    assert statistics.mean(lengths) == pytest.approx(mean, rel=0.03)
    assert statistics.pstdev(lengths) == pytest.approx(stddev, rel=0.06)


def test_draws_stay_in_bounds() -> None:
    rng = Random(3)
    assert {draw(Distribution.parse("uniform(2,4)"), rng) for _ in range(200)} == {2, 3, 4}
    assert min(draw(Distribution.parse("normal(1,50)"), rng) for _ in range(500)) == 1


def test_the_plan_is_known_to_the_letter() -> None:
    """The plan of a seed is a promise: it may change only with a note in the changelog."""
    request = Plan(Spec(seed=1, input_tokens="normal(40,5)"), Approximation()).request(MEASURED, 0)
    assert (request.input_tokens, request.max_tokens) == (41, 944)
    assert request.prompt.startswith("The hidden house sent the country across the root. The black church heard the si")


def test_the_same_spec_and_seed_give_the_same_plan_in_any_slice() -> None:
    spec = Spec(seed=7, input_tokens="uniform(5,60)", warmup=2, requests=20)
    whole = list(Plan(spec, Approximation()).requests(MEASURED, 0, 20))
    again = Plan(spec, Approximation())
    assert [*again.requests(MEASURED, 0, 11), *again.requests(MEASURED, 11, 20)] == whole
    assert [request.request for request in whole] == list(range(2, 22))
    assert [again.lengths(MEASURED, n)[1] for n in range(20)] == [request.max_tokens for request in whole]
    without = Plan(Spec(seed=7, input_tokens="uniform(5,60)", requests=20), Approximation())
    assert [request.prompt for request in without.requests(MEASURED, 0, 20)] == [request.prompt for request in whole]


def test_no_two_requests_share_an_opening() -> None:
    """A prefix cache works in blocks of 16 tokens or more."""
    openings = set()
    for seed in range(5):
        plan = Plan(Spec(seed=seed, warmup=50), Approximation())
        for phase in (WARMUP, MEASURED):
            openings |= {" ".join(request.prompt.split()[:12]) for request in plan.requests(phase, 0, 200)}
    assert len(openings) == 5 * 2 * 200


@pytest.mark.parametrize("tokens", [1, 2, 11, 12, 36, 37, 500, 3000])
def test_approximate_lengths_are_met(tokens: int) -> None:
    request = Plan(Spec(seed=1, input_tokens=str(tokens)), Approximation()).request(MEASURED, 0)  # type: ignore[arg-type]
    assert request.input_tokens == Approximation().count(request.prompt) == tokens


def test_prompts_are_english_like() -> None:
    prompt = Plan(Spec(seed=4), Approximation()).request(MEASURED, 0).prompt
    sentences = prompt.splitlines()[0].split(". ")
    assert len(sentences) > 30
    assert all(sentence[0].isupper() and 7 <= len(sentence.split()) <= 10 for sentence in sentences[:-1])


@pytest.mark.parametrize("text", ["", "one", "extraordinarily", "1234567", "a,b;c", "line\n\nline", "naïve café"])
def test_approximate_ends_agree_with_the_count(text: str) -> None:
    counter = Approximation()
    ends = counter.ends(text)
    assert len(ends) == counter.count(text)
    assert ends == sorted(ends)


def test_exact_lengths_are_met(tokenizer_file: Path) -> None:
    counter = load_counter(str(tokenizer_file))
    plan = Plan(Spec(seed=3, input_tokens="uniform(1,700)"), counter)
    for request in plan.requests(MEASURED, 0, 60):
        wanted, _ = plan.lengths(MEASURED, request.request)
        assert counter.count(request.prompt) == request.input_tokens == wanted


def test_a_vocabulary_that_cannot_meet_a_length_says_the_true_count() -> None:
    class Pairs(Approximation):
        """Counts two characters as one token and cannot do less."""

        name, exact = "pairs", True

        def count(self, text: str) -> int:
            return 2 * len(text)

        def ends(self, text: str) -> list[int]:
            return [place // 2 + 1 for place in range(2 * len(text))]

    class Wrapped:
        def __init__(self, inner: TokenCounter) -> None:
            self.name, self.exact, self.count, self.ends = inner.name, inner.exact, inner.count, inner.ends

    request = Plan(Spec(seed=3, input_tokens=5), Wrapped(Pairs())).request(MEASURED, 0)  # type: ignore[arg-type]
    assert request.input_tokens == 2 * len(request.prompt) != 5


def test_where_tokenizers_are_found(tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_counter(str(tokenizer_file.parent)).exact
    assert not load_counter(None).exact
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    refs = tmp_path / "hub" / "models--org--name" / "refs"
    refs.mkdir()
    (refs / "main").write_text("abc", encoding="utf-8")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert load_counter("org/name").count("the river") == load_counter(str(tokenizer_file)).count("the river")


@pytest.mark.parametrize("name", ["nowhere/at-all", "not a name at all", "/no/such/file.json"])
def test_a_tokenizer_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--tokenizer.*tokenizer\.json"):
        load_counter(name)
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        load_counter(str(tmp_path))
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="is not a tokenizer file"):
        load_counter(str(tmp_path))
