"""What goes wrong in a run, under a virtual clock: turns that cannot be made, watchers that fail, no users left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.engine.virtual import MS, SECOND, START_NS, Answer, Outcome, VirtualLoop, whole_run

from llmdyno import InputError, Spec
from llmdyno.engine.pacing import Pace, instants, stages, users
from llmdyno.experiments.load import load_plan
from llmdyno.timeline.observed import Snapshot
from llmdyno.timeline.record import CANCELLED, OK
from llmdyno.transports.exchange import Exchange
from llmdyno.workload.plan import MEASURED, WARMUP, Phase, Plan
from llmdyno.workload.session import Reply, Session, Single, Slice, Turn, user_message
from llmdyno.workload.sources.drawn import Drawn
from llmdyno.workload.tokens import Approximation

COUNTER = Approximation()
SPEC = Spec(api="openai", base_url="http://h/v1", route="chat", model="m", seed=1, duration_s=1.0)
USUAL = Answer(ttft_ns=100 * MS, gap_ns=10 * MS, chunks=3)


def turn_of(number: int, think_ns: int = 0) -> Turn:
    return Turn(number, MEASURED, user_message("why"), 1, 2, think_ns)


class Talk:
    """A conversation of `turns` turns; `broken`: its second turn cannot be made."""

    needs_reply = True

    def __init__(self, number: int, turns: int, *, broken: bool = False, offset_ns: int | None = None) -> None:
        self.offset_ns = offset_ns
        self._numbers = iter(range(number, number + turns))
        self._broken = broken

    def next(self, last: Reply | None) -> Turn | None:
        if last is not None and self._broken:
            raise InputError("--litellm-mode", "makes no request of this turn", "use another")
        number = next(self._numbers, None)
        return None if number is None else turn_of(number)


def run(pace: Pace, *sessions: Session, bound_s: float | None = None, script: object = None, **more: object) -> Outcome:
    """A run of one phase with these sessions; a worker's part of them takes every one whose index is its own."""

    def of_part(part: Slice) -> Iterator[Session]:
        return (session for index, session in enumerate(sessions) if part.has(index))

    phase = Phase(MEASURED, of_part, pace, len(sessions), bound_s)
    plan = Plan((phase,), Drawn(SPEC, COUNTER), COUNTER, "as given")
    return whole_run(SPEC, plan, script or (lambda exchange, now_ns: USUAL), **more)  # type: ignore[arg-type]


def slow_second(exchange: Exchange, now_ns: int) -> Answer:
    """The second request is under way for long."""
    return Answer(ttft_ns=60 * SECOND) if exchange.prepared.request == 1 else USUAL


@pytest.mark.parametrize(
    ("pace", "offset_ns"), [(users(2), None), (stages([(0.0, 90.0, 2)]), None), (instants(None), 0)]
)
def test_a_later_turn_that_cannot_be_made_ends_the_run_and_what_was_sent_is_recorded(
    pace: Pace, offset_ns: int | None
) -> None:
    far = None if offset_ns is None else 30 * SECOND
    sessions = (
        Talk(0, 2, broken=True, offset_ns=offset_ns),
        Single(turn_of(1), offset_ns),
        Single(turn_of(2), far),
    )
    outcome = run(pace, *sessions, script=slow_second)
    assert isinstance(outcome.error, InputError)
    assert [(record.request, record.state) for record in outcome.records] == [(0, OK), (1, CANCELLED)]
    assert outcome.ended_ns == 120 * MS
    assert outcome.records[1].end_ns == START_NS + 120 * MS
    assert outcome.observed.interrupted
    assert not outcome.transport.in_flight


def test_a_conversation_ends_with_its_phase() -> None:
    outcome = run(users(1), Talk(0, 9), bound_s=0.3)
    assert outcome.sent_ms() == [0, 120, 240]
    assert outcome.ended_ns == 360 * MS


def test_a_conversation_ends_with_its_stage() -> None:
    outcome = run(stages([(0.0, 0.1, 2), (0.1, 0.3, 1)]), Talk(0, 9), Talk(10, 9))
    assert [record.request for record in outcome.records] == [0, 10, 1, 2, 3]


def test_a_worker_without_a_share_of_the_in_flight_limit_sends_one_request_at_a_time() -> None:
    sessions = [Single(turn_of(number), 0) for number in range(4)]
    outcome = run(instants(1), *sessions, part=Slice(1, 2))
    assert [record.request for record in outcome.records] == [1, 3]
    assert outcome.transport.most_in_flight == 1


def test_a_worker_without_users_of_its_own_still_sends_its_sessions() -> None:
    sessions = [Single(turn_of(number)) for number in range(4)]
    assert [record.request for record in run(users(1), *sessions, part=Slice(1, 2)).records] == [1, 3]
    assert run(users(1), *sessions[:1], part=Slice(1, 2)).records == []


def test_no_sessions_at_all_end_at_once() -> None:
    for pace in (users(3), instants(2)):
        outcome = run(pace)
        assert (outcome.records, outcome.ended_ns, outcome.error) == ([], 0, None)


def test_a_plan_that_cannot_be_made_in_time_does_not_hold_the_sockets_up() -> None:
    """Each request takes 20 ms to make and they are due every 10 ms: each one leaves as soon as it is made."""

    def sessions(part: Slice) -> Iterator[Session]:
        for number in range(8):
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            loop.now_ns += 20 * MS if number else 0
            yield Single(turn_of(number), number * 10 * MS)

    plan = Plan((Phase(MEASURED, sessions, instants(None), 8, ahead=1),), Drawn(SPEC, COUNTER), COUNTER, "as given")
    outcome = whole_run(SPEC, plan, lambda exchange, now_ns: Answer(ttft_ns=1 * MS, chunks=1))
    assert outcome.observed.made_late == 7
    assert outcome.sent_ms()[:3] == [0, 20, 40]
    assert outcome.sent_ms()[-1] == 140


def test_a_watcher_that_fails_is_left_out() -> None:
    seen: list[Snapshot] = []

    def watch(snapshot: Snapshot) -> None:
        seen.append(snapshot)
        raise BrokenPipeError("nobody reads")

    outcome = run(users(1), *(Single(turn_of(number)) for number in range(9)), watch=watch)
    assert (len(outcome.records), len(seen), outcome.error) == (9, 1, None)
    assert outcome.observed.notes == ("decided", "the watcher failed: BrokenPipeError('nobody reads')")
    assert len(outcome.observed.cpu) > 4  # the process is sampled all the same


def test_what_is_decided_hides_secrets() -> None:
    """A note may quote the server, and the server the key."""
    assert run(users(1), Single(turn_of(0)), secrets=("decided",)).observed.notes == ("***",)


@pytest.mark.parametrize("make", [lambda: OSError(28, "full"), lambda: ValueError("not to be encoded")])
def test_a_sink_that_fails_in_any_way_ends_the_run(make: Callable[[], Exception]) -> None:
    error = make()

    def sink(record: object) -> None:
        raise error

    outcome = run(users(1), *(Single(turn_of(number)) for number in range(9)), sink=sink)
    assert outcome.error is error
    assert len(outcome.transport.sent) == 2  # the next request had left when the first one was recorded
    assert outcome.observed.interrupted


def test_warm_up_of_one_user_is_split_too() -> None:
    phase = Phase(WARMUP, lambda part: iter([Single(turn_of(7))] if part.worker else []), users(1), 2)
    plan = Plan((phase,), Drawn(SPEC, COUNTER), COUNTER, "as given")
    outcome = whole_run(SPEC, plan, lambda exchange, now_ns: USUAL, part=Slice(1, 2))
    assert [record.request for record in outcome.records] == [7]


@pytest.mark.parametrize(
    ("keys", "flag"),
    [
        ({"rate": 0.1, "duration_s": 1}, "--rate, --duration"),
        ({"stages": ["rate=0.1,duration=1"]}, "--stage"),
    ],
)
def test_a_load_without_a_request_names_the_flag_that_made_it(keys: dict[str, Any], flag: str) -> None:
    spec = Spec(api="openai", base_url="http://h/v1", model="m", seed=1, arrivals="poisson", **keys)
    with pytest.raises(InputError, match="not one request is planned") as refused:
        load_plan(spec, Drawn(spec, COUNTER), COUNTER)
    assert refused.value.where == flag
