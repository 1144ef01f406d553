"""The verdict's reasons about answers and tokens, on timelines whose figures are known exactly."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from tests.support import make_record, make_timeline

from llmdyno.metrics.conclude import asked_of
from llmdyno.metrics.remedies import REASONS, REMEDIES, Asked
from llmdyno.metrics.request import request_metrics
from llmdyno.metrics.verdict import verdict
from llmdyno.protocols.events import TEXT
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline
from llmdyno.timeline.record import RequestRecord


def answers(count: int = 30, chunks: int = 5, gap_s: float = 0.02, **facts: Any) -> list[RequestRecord]:
    """Requests one after the other, each with chunks of four characters at an even pace."""
    made = []
    for number in range(count):
        arrivals = [(10.0 * number + 1 + gap_s * index, TEXT, 4) for index in range(chunks)]
        made.append(make_record(number, 10.0 * number, arrivals, **facts))
    return made


def found(timeline: Timeline, **options: Any) -> dict[str, dict[str, Any]]:
    given: dict[str, Any] = {"concurrency": 1, "exact_tokens": False, "cpu": [], **options}
    reasons = verdict(timeline, request_metrics(timeline), **given)["reasons"]
    return {one["reason"]: one for one in reasons}


def test_every_reason_says_what_it_touches_and_what_to_do() -> None:
    assert set(REASONS) == set(REMEDIES)
    for name, remedy in REMEDIES.items():
        assert remedy.touches, name
        assert remedy.do, name
        assert not remedy.do.endswith("."), name
    assert "this host may be the cause" in REMEDIES["loop_lag"].do
    (reason,) = found(make_timeline(*answers(3))).values()
    assert reason == {
        "reason": "too_few_samples",
        "value": 3,
        "bound": 30,
        "text": "too few samples: 3 requests succeeded, a p90 needs 30",
        "touches": ["p90", "p95", "p99"],
        "do": "send more requests with --requests or --duration",
    }
    (alone,) = found(make_timeline(*answers(1))).values()
    assert alone["text"] == "too few samples: 1 request succeeded, a p90 needs 30"


@pytest.mark.parametrize(("kind", "name"), [("aborted", "answers_aborted"), ("empty_answer", "answers_empty")])
def test_answers_that_are_none(kind: str, name: str) -> None:
    lost = [make_record(90 + n, 900.0 + n, [], state="failed", error_kind=kind) for n in range(2)]
    reasons = found(make_timeline(*answers(), *lost))
    assert list(reasons) == ["errors_present", name]
    assert (reasons[name]["value"], reasons[name]["bound"]) == (2, 0)
    assert reasons[name]["text"].endswith("2 of 32 answers")


def test_answers_that_ended_before_any_output() -> None:
    ended = [make_record(90 + n, 900.0 + n, [], server_output_tokens=1) for n in range(2)]
    lost = make_record(95, 950.0, [], state="failed", error_kind="empty_answer")
    timeline = make_timeline(*answers(), *ended, lost)
    reasons = found(timeline)
    assert list(reasons) == ["errors_present", "answers_empty"]
    assert reasons["answers_empty"]["value"] == 3
    assert (
        "3 of 33 answers; in 2 of them the model ended its answer before any output" in reasons["answers_empty"]["text"]
    )
    assert "--ignore-eos" in reasons["answers_empty"]["do"]
    figures = request_metrics(timeline)
    assert figures.succeeded[-3:].tolist() == [True, True, False]
    assert np.isnan(figures.ttft_s[-3:]).all()
    assert list(found(make_timeline(*answers(), ended[0]))) == ["answers_empty"]


def test_requests_that_were_written_twice() -> None:
    records = answers()
    records[3].resends = 1
    reasons = found(make_timeline(*records))
    assert list(reasons) == ["requests_resent"]
    assert reasons["requests_resent"]["value"] == 1


def test_hidden_tokens_are_said() -> None:
    reasons = found(make_timeline(*answers(server_output_tokens=55, reasoning_tokens=50)))
    assert list(reasons) == ["tokens_hidden"]
    assert reasons["tokens_hidden"]["value"] == pytest.approx(50 / 55)
    assert "(median 50 a request)" in reasons["tokens_hidden"]["text"]


@pytest.mark.parametrize(
    ("server_input", "cached", "hit"),
    [(1000, 0, False), (1000, 64, False), (1000, 65, True), (1100, 100, False), (1100, 101, True), (None, 900, True)],
)
def test_a_cache_that_knows_more_than_a_template(server_input: int | None, cached: int, hit: bool) -> None:
    facts = {"input_tokens": 1000, "server_input_tokens": server_input, "cached_input_tokens": cached}
    reasons = found(make_timeline(*answers(**facts)))
    assert list(reasons) == (["cache_hits"] if hit else [])
    if hit:
        assert (
            f"median {cached} of {1000 if server_input is None else f'{server_input:,}'}".replace("of 1000", "of 1,000")
            in (reasons["cache_hits"]["text"])
        )


def test_fewer_tokens_than_asked_count_where_the_end_was_to_be_ignored() -> None:
    timeline = make_timeline(*answers(server_output_tokens=5, max_tokens=20))
    assert found(timeline) == {}
    reasons = found(timeline, asked=Asked(ignore_eos=True))
    assert list(reasons) == ["output_shorter_than_asked"]
    assert "(median: 5 of 20 tokens)" in reasons["output_shorter_than_asked"]["text"]
    assert found(make_timeline(*answers(server_output_tokens=5, max_tokens=5)), asked=Asked(True)) == {}
    uncounted = make_timeline(*answers(max_tokens=20))  # a chunk may hold several tokens
    assert found(uncounted, asked=Asked(True)) == {}


@pytest.mark.parametrize(
    ("keys", "asked"),
    [
        ({}, Asked()),
        ({"ignore_eos": True}, Asked(True)),
        ({"extra_body": {"ignore_eos": True}}, Asked(True)),
        ({"extra_body": {"max_completion_tokens": 7, "max_tokens": None}}, Asked(False, 7, True)),
        ({"extra_body": {"max_tokens": None}}, Asked(False, None, True)),
    ],
)
def test_what_the_users_own_fields_ask(keys: dict[str, Any], asked: Asked) -> None:
    assert asked_of(Spec(**keys)) == asked


def test_the_users_own_bound_is_the_bound() -> None:
    timeline = make_timeline(*answers(server_output_tokens=5, max_tokens=3))
    reason = found(timeline)["token_counts_disagree"]
    assert "output: the server counts more tokens than max_tokens (median: 5 and 3)" in reason["text"]
    assert found(timeline, asked=Asked(False, 5, True)) == {}
    assert list(found(timeline, asked=Asked(False, 4, True))) == ["token_counts_disagree"]
    assert found(timeline, asked=Asked(False, None, True)) == {}


@pytest.mark.parametrize(
    ("server", "tokenizer", "running", "disagree"),
    [
        (5, 9, None, False),  # as many chunks as tokens
        (6, 9, None, False),  # the last token ends the text
        (40, 60, None, True),
        (40, 60, [8, 16, 24, 32, 40], False),
        (40, 60, [40, 40, 40, 40, 40], True),  # a count that does not run
        (40, 42, None, False),
    ],
)
def test_a_text_is_not_counted_again_where_the_stream_agrees(
    server: int, tokenizer: int, running: list[int] | None, disagree: bool
) -> None:
    facts: dict[str, Any] = {"server_output_tokens": server, "max_tokens": 100}
    if running is not None:
        facts["cumulative_tokens"] = array("i", running).tobytes()
    timeline = make_timeline(*answers(**facts))
    timeline.requests["tokenizer_output_tokens"][:] = tokenizer
    reasons = found(timeline, exact_tokens=True)
    assert list(reasons) == (["token_counts_disagree"] if disagree else [])
    if disagree:
        assert (
            "output: the server and the tokenizer count different lengths (median: 40 and 60)"
            in (reasons["token_counts_disagree"]["text"])
        )


@pytest.mark.parametrize(
    ("first", "rest", "disagree"),
    [
        (46, 40, False),  # one text of thirty scatters by 15%
        (34, 40, False),
        (51, 40, True),  # more than any text scatters
        (46, 46, True),  # all of them are apart, by no more than one may scatter
        (46, 43, False),  # the total is 8% apart
    ],
)
def test_a_text_that_scatters_is_no_disagreement(first: int, rest: int, disagree: bool) -> None:
    timeline = make_timeline(*answers(server_output_tokens=40, max_tokens=100))
    timeline.requests["tokenizer_output_tokens"][:] = rest
    timeline.requests["tokenizer_output_tokens"][0] = first
    assert list(found(timeline, exact_tokens=True)) == (["token_counts_disagree"] if disagree else [])


def paced(number: int, first_s: float, gaps_s: list[float]) -> RequestRecord:
    at, chunks = 10.0 * number + first_s, []
    for gap_s in [0.0, *gaps_s]:
        at += gap_s
        chunks.append((at, TEXT, 4))
    return make_record(number, 10.0 * number, chunks)


@pytest.mark.parametrize(
    ("first_s", "gaps_s", "bursts"),
    [
        (1.0, [0.02] * 8, False),
        (1.0, [0.0002] * 8, True),  # the whole text at once, after a silence
        (0.01, [0.0002] * 8, False),  # a fast model
        (0.1, [0.0005, 0.0005, 0.0005, 0.5] * 3, True),  # a flush every half second
        (0.1, [0.0, 0.0, 0.0, 0.5] * 3, False),  # arrived together: coalesced
        (1.0, [0.0002] * 2, False),  # too few chunks to tell
    ],
)
def test_bursts_after_a_silence(first_s: float, gaps_s: list[float], bursts: bool) -> None:
    reasons = found(make_timeline(*(paced(number, first_s, gaps_s) for number in range(30))))
    assert ("bursts_after_silence" in reasons) is bursts


@pytest.mark.parametrize(("tokens", "burst"), [(7, False), (8, True)])
def test_a_text_in_one_chunk_has_no_first_token(tokens: int, burst: bool) -> None:
    records = [make_record(n, 10.0 * n, [(10.0 * n + 1, TEXT, 40)], server_output_tokens=tokens) for n in range(30)]
    assert list(found(make_timeline(*records))) == ["bursts_after_silence"] * burst


def test_attempts_and_requests_are_counted_apart() -> None:
    refused = {"state": "failed", "error_kind": "http_status", "error_code": 429}
    retried = [
        make_record(50, 500.0, [], **refused),
        make_record(50 + 10**12, 501.0, [(502.0, TEXT, 4)], attempt=1),
        make_record(51, 510.0, [], **refused),
        make_record(51 + 10**12, 511.0, [], attempt=1, **refused),
    ]
    text = found(make_timeline(*answers(), *retried))["errors_present"]["text"]
    assert "3 of 34 attempts failed, 1 of 32 requests finally got no answer" in text
