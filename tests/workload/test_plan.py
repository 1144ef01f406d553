"""Plans: the same for the same seed, in any slice, and ended by their count or duration."""

from __future__ import annotations

from pathlib import Path

from llmdyno import Spec
from llmdyno.workload.plan import MEASURED, WARMUP, Plan
from llmdyno.workload.tokens import Approximation


def spec(**keys: object) -> Spec:
    return Spec(base_url="http://h/v1", model="m", seed=7, **keys)  # type: ignore[arg-type]


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


def test_the_plan_ends_with_the_count_or_the_duration() -> None:
    counter = Approximation()
    for keys, count in (({"requests": 7}, 7), ({"duration_s": 2.0}, 20), ({"requests": 50, "duration_s": 2.0}, 20)):
        plan = Plan(spec(rate=10.0, input_tokens=10, output_tokens=3, **keys), counter)
        assert sum(1 for _ in plan.offsets_ns()) == count
        planned = list(plan.requests(MEASURED, 0, 2**53))
        assert [request.request for request in planned] == list(range(count))
        assert [request.offset_ns for request in planned] == list(plan.offsets_ns())
        assert list(plan.requests(MEASURED, 3, 5)) == planned[3:5]  # a slice is the same anywhere


OURS = (
    '{"timestamp": 3.5, "input_tokens": 5, "output_tokens": 6}\n\n'
    '{"timestamp": 4, "input_tokens": 7, "output_tokens": 8}\n'
)


def test_a_scaled_trace_and_its_plan(tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text(OURS, encoding="utf-8")
    plan = Plan(spec(arrivals=f"replay {path}", time_scale=0.1), Approximation())
    assert list(plan.offsets_ns()) == [0, 50_000_000]
    planned = list(plan.requests(MEASURED, 0, 2**53))
    assert [(one.input_tokens, one.max_tokens) for one in planned] == [(5, 6), (7, 8)]
