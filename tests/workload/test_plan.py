"""Plans: the same for the same seed, in any slice, and ended by their count or duration."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno import Spec
from llmdyno.workload.plan import MEASURED, WARM, WARMUP, Sessions
from llmdyno.workload.session import Slice, Turn
from llmdyno.workload.sources.drawn import WARM_TOKENS, Drawn
from llmdyno.workload.sources.traces import Entry
from llmdyno.workload.tokens import Approximation


def drawn(**keys: Any) -> Drawn:
    return Drawn(Spec(base_url="http://h/v1", model="m", **{"seed": 7, **keys}), Approximation())


def turns(source: Drawn, part: Slice, total: int | None = None, *, open_loop: bool = False) -> list[tuple[Any, Turn]]:
    """Offset and turn of each session of a slice of the measured phase."""
    sessions = list(Sessions(source, MEASURED, total, open_loop)(part))
    found = [(session.offset_ns, session.next(None)) for session in sessions]
    assert all(session.next(None) is None for session in sessions)
    return [(offset_ns, turn) for offset_ns, turn in found if turn is not None]


def text(turn: Turn) -> str:
    assert [message.role for message in turn.messages] == ["user"]
    return turn.messages[0].content


def test_the_plan_is_known_to_the_letter() -> None:
    """The plan of a seed is a promise: it may change only with a note in the changelog."""
    turn = drawn(seed=1, input_tokens="normal(40,5)").turn(MEASURED, 0)
    assert (turn.input_tokens, turn.max_tokens) == (41, 944)
    assert text(turn).startswith("The hidden house sent the country across the root. The black church heard the si")


def test_the_same_spec_and_seed_give_the_same_plan_in_any_slice() -> None:
    source = drawn(input_tokens="uniform(5,60)", warmup=2, requests=20)
    whole = turns(source, Slice(0, 1), 20)
    assert [turn.number for _, turn in whole] == list(range(2, 22))
    again = drawn(input_tokens="uniform(5,60)", warmup=2, requests=20)
    assert [turns(again, Slice(worker, 3), 20) for worker in range(3)] == [whole[worker::3] for worker in range(3)]
    assert [again.lengths(MEASURED, index)[1] for index in range(20)] == [turn.max_tokens for _, turn in whole]
    without = drawn(input_tokens="uniform(5,60)", requests=20)
    assert [text(turn) for _, turn in turns(without, Slice(0, 1), 20)] == [text(turn) for _, turn in whole]


def test_fresh_prompts_have_the_same_lengths() -> None:
    one, other = (drawn(prompts_seed=seed, input_tokens="uniform(20,60)", requests=20) for seed in (8, 9))
    pairs = [(one.turn(MEASURED, index), other.turn(MEASURED, index)) for index in range(20)]
    assert [turn.input_tokens for turn, _ in pairs] == [turn.input_tokens for _, turn in pairs]
    assert [turn.max_tokens for turn, _ in pairs] == [turn.max_tokens for _, turn in pairs]
    assert not {text(turn)[:40] for turn, _ in pairs} & {text(turn)[:40] for _, turn in pairs}
    again = drawn(prompts_seed=9, input_tokens="uniform(20,60)", requests=20)
    assert [again.turn(MEASURED, index) for index in range(20)] == [turn for _, turn in pairs]


def test_prompts_without_a_seed_of_their_own_are_those_of_the_seed() -> None:
    assert drawn(prompts_seed=7).turn(MEASURED, 3) == drawn().turn(MEASURED, 3)


def test_an_attempt_to_wake_a_model_is_short_and_counts_down() -> None:
    waking = [drawn().turn(WARM, index) for index in range(3)]
    assert [(turn.number, turn.max_tokens) for turn in waking] == [(number, WARM_TOKENS) for number in (-1, -2, -3)]


def test_no_two_requests_share_an_opening() -> None:
    """A prefix cache works in blocks of 16 tokens or more."""
    openings = set()
    for seed in range(5):
        source = drawn(seed=seed, warmup=50)
        for phase in (WARMUP, MEASURED):
            openings |= {" ".join(text(source.turn(phase, index)).split()[:12]) for index in range(200)}
    assert len(openings) == 5 * 2 * 200


@pytest.mark.parametrize(
    ("keys", "count"),
    [({"requests": 7}, 7), ({"duration_s": 2.0}, 20), ({"requests": 50, "duration_s": 2.0}, 20)],
)
def test_an_open_loop_ends_with_its_count_or_its_duration(keys: dict[str, Any], count: int) -> None:
    source = drawn(rate=10.0, input_tokens=10, output_tokens=3, **keys)
    assert list(source.offsets_ns()) == [index * 100_000_000 for index in range(count)]
    planned = turns(source, Slice(0, 1), open_loop=True)
    assert [(offset_ns, turn.number) for offset_ns, turn in planned] == [
        (index * 100_000_000, index) for index in range(count)
    ]
    assert turns(source, Slice(1, 2), open_loop=True) == planned[1::2]  # a slice is the same anywhere


def test_a_trace_gives_instants_and_lengths() -> None:
    trace = [Entry(0, 5, 6), Entry(50_000_000, 7, 8)]
    source = Drawn(Spec(seed=7, arrivals="replay t"), Approximation(), trace)
    assert source.measured == 2
    planned = turns(source, Slice(0, 1), open_loop=True)
    assert [(offset_ns, turn.input_tokens, turn.max_tokens) for offset_ns, turn in planned] == [
        (0, 5, 6),
        (50_000_000, 7, 8),
    ]
