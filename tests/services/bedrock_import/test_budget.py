"""What a load may cost at most: its duration, its windows, its dollars."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llmdyno.services.bedrock_import.budget import bound, load_bound, load_s, request_s, rounds_bound
from llmdyno.services.service import CostBound
from llmdyno.spec.spec import Spec

WINDOW = Decimal("0.5718")
EACH_S = request_s(1500, 600.0)


def spec(**load: object) -> Spec:
    return Spec(api="bedrock", model="m", **load)  # type: ignore[arg-type]


def test_the_most_that_a_load_costs() -> None:
    assert bound(600.0, 16, WINDOW) == CostBound(9, 3, WINDOW * 9, "9 windows of five minutes on up to 3 copies")
    assert bound(299.0, 1, WINDOW) == CostBound(1, 1, WINDOW, "1 window of five minutes on up to 1 copy")
    assert bound(0.0, 1, WINDOW, rounds=10).windows == 10
    assert bound(600.0, 2, None).dollars is None
    assert bound(0.0, 1, WINDOW, guess="it rains").basis == "1 window of five minutes on up to 1 copy, if it rains"


def test_a_request_takes_no_longer_than_its_timeout() -> None:
    assert request_s(1000, 600.0) == 35.0
    assert request_s(1000, 20.0) == 20.0


@pytest.mark.parametrize(
    ("load", "duration_s", "guess"),
    [
        ({"requests": 100, "concurrency": 2}, 50 * EACH_S, f"a request takes no longer than {EACH_S:.0f} s"),
        ({"requests": 100, "warmup": 1, "concurrency": 2}, 51 * EACH_S, "a request takes no longer than 50 s"),
        ({"duration_s": 600}, 600 + EACH_S, ""),
        (
            {"stages": [{"concurrency": 2, "duration": 60}, {"concurrency": 8, "duration": 240}]},
            300 + EACH_S,
            "",
        ),
        ({"ramp": "1:50:60s"}, 60 + EACH_S, ""),
        ({"rate": 2, "requests": 100}, 50 + EACH_S, "a request takes no longer than 50 s"),
    ],
)
def test_how_long_a_load_lasts(load: dict[str, object], duration_s: float, guess: str) -> None:
    assert load_s(spec(**load), None) == (duration_s, guess)


def test_a_trace_is_as_long_as_it_is() -> None:
    assert load_s(spec(arrivals="replay t.jsonl"), 3600.0) == (3600 + EACH_S, "")
    assert load_s(spec(arrivals="replay t.jsonl", duration_s=60), 3600.0) == (60 + EACH_S, "")


def test_the_bound_of_a_load() -> None:
    assert load_bound(spec(duration_s=600, concurrency=2), WINDOW).windows == 2 * 3
    assert load_bound(spec(rate=9, duration_s=200), WINDOW).copies == 3
    assert load_bound(spec(rate=9, duration_s=200, max_concurrency=1), WINDOW).copies == 1
    assert load_bound(spec(arrivals="replay t.jsonl"), WINDOW, trace_s=3600.0).windows == 3 * 13


def test_the_bound_of_a_series_of_cold_starts() -> None:
    found = rounds_bound(3, WINDOW)
    assert (found.windows, found.copies, found.dollars) == (6, 1, WINDOW * 6)
    assert found.basis.endswith("if an answer falls into two windows each time")
