"""Whole runs under a virtual clock: every pace, retries, interruption, stages, waking, with exact times."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.engine.virtual import MS, SECOND, START_NS, Answer, Outcome, Script, whole_run

from llmdyno import InputError, Spec
from llmdyno.engine.pacing import instants, users
from llmdyno.experiments.coldstart import plan as series
from llmdyno.experiments.load import load_plan, wake_phase
from llmdyno.metrics.request import request_metrics
from llmdyno.timeline.observed import Snapshot
from llmdyno.timeline.record import CANCELLED, FAILED, OK, RequestRecord
from llmdyno.transports.exchange import ATTEMPT_STRIDE, Exchange
from llmdyno.workload.plan import MEASURED, Phase, Plan
from llmdyno.workload.session import Reply, Session, Slice, Turn, user_message
from llmdyno.workload.sources.drawn import Drawn
from llmdyno.workload.tokens import Approximation

COUNTER = Approximation()
THROTTLED = Answer(ttft_ns=20 * MS, status=429, name="Throttled")
NOT_READY = Answer(ttft_ns=5 * MS, status=429, name="NotReady")


def spec_of(**keys: Any) -> Spec:
    """A resolved spec without a managed service."""
    given = {"api": "openai", "base_url": "http://h/v1", "route": "chat", "model": "m", "seed": 1, "input_tokens": 20}
    return Spec(**{**given, "output_tokens": 9, **keys})


def run(script: Script = lambda exchange, now_ns: Answer(), more: dict[str, Any] | None = None, **keys: Any) -> Outcome:
    """A run of a load."""
    spec = spec_of(**keys)
    return whole_run(spec, load_plan(spec, Drawn(spec, COUNTER), COUNTER), script, **(more or {}))


def by_number(outcome: Outcome) -> list[RequestRecord]:
    return sorted(outcome.records, key=lambda record: record.request)


def test_a_closed_loop_to_the_nanosecond() -> None:
    answer = Answer(ttft_ns=123_456_789, gap_ns=1_000_001, chunks=4)
    outcome = run(lambda exchange, now_ns: answer, concurrency=1, requests=3)
    figures = request_metrics(outcome.timeline)
    assert figures.ttft_s.tolist() == pytest.approx([0.123456789] * 3, abs=1e-12)
    assert figures.end_to_end_latency_s.tolist() == pytest.approx([0.126456792] * 3, abs=1e-12)
    assert [record.sent_ns for record in outcome.records] == [START_NS + number * 126_456_792 for number in range(3)]
    gaps = np.diff(outcome.timeline.chunks["arrival_ns"][:4])
    assert gaps.tolist() == [1_000_001] * 3
    assert outcome.ended_ns == 3 * 126_456_792
    assert outcome.observed.notes == ("decided",)
    assert outcome.observed.phases == [(MEASURED, START_NS, START_NS + 3 * 126_456_792)]
    assert not outcome.observed.interrupted


def test_users_send_when_their_own_last_request_ended() -> None:
    def script(exchange: Exchange, now_ns: int) -> Answer:
        return Answer(ttft_ns=(100 if exchange.user == 0 else 250) * MS, chunks=1)

    outcome = run(script, concurrency=2, requests=5)
    assert outcome.sent_ms() == [0, 0, 100, 200, 250]
    assert [record.user for record in by_number(outcome)] == [0, 1, 0, 0, 1]
    assert outcome.transport.most_in_flight == 2


def test_a_duration_bounds_sends_and_not_answers() -> None:
    outcome = run(lambda exchange, now_ns: Answer(ttft_ns=300 * MS, chunks=1), concurrency=1, duration_s=1.0)
    assert outcome.sent_ms() == [0, 300, 600, 900]
    assert outcome.ended_ns == 1200 * MS


def test_warm_up_comes_first_and_is_kept_apart() -> None:
    outcome = run(lambda exchange, now_ns: Answer(chunks=1), concurrency=2, requests=2, warmup=3)
    assert [(record.request, record.phase) for record in by_number(outcome)] == [
        (0, "warmup"), (1, "warmup"), (2, "warmup"), (3, "measured"), (4, "measured"),
    ]  # fmt: skip
    assert outcome.sent_ms() == [0, 0, 100, 200, 200]
    assert [name for name, _, _ in outcome.observed.phases] == ["warmup", "measured"]
    assert outcome.transport.decided == 1


def test_an_open_loop_sends_at_its_instants_whatever_the_answers_do() -> None:
    outcome = run(lambda exchange, now_ns: Answer(ttft_ns=5 * SECOND, chunks=1), rate=10.0, requests=4)
    assert outcome.sent_ms() == [0, 100, 200, 300]
    assert [record.planned_ns for record in by_number(outcome)] == [record.sent_ns for record in by_number(outcome)]
    assert outcome.transport.most_in_flight == 4


def test_an_in_flight_limit_holds_requests_back_in_the_order_of_the_plan() -> None:
    seen: list[Snapshot] = []
    outcome = run(
        lambda exchange, now_ns: Answer(ttft_ns=250 * MS, chunks=1),
        {"watch": seen.append},
        rate=10.0,
        requests=4,
        max_concurrency=1,
    )
    assert outcome.sent_ms() == [0, 250, 500, 750]
    assert [(record.planned_ns - START_NS) / MS for record in by_number(outcome)] == [0, 100, 200, 300]
    figures = request_metrics(outcome.timeline)
    assert figures.ttft_scheduled_s.tolist() == pytest.approx([0.25, 0.4, 0.55, 0.7])
    assert max(snapshot.waiting for snapshot in seen) == 2
    assert outcome.transport.most_in_flight == 1


def test_stages_change_the_number_of_users() -> None:
    stages = [{"concurrency": 1, "duration": 1}, {"concurrency": 3, "duration": 1, "start": 2}]
    outcome = run(lambda exchange, now_ns: Answer(ttft_ns=400 * MS, chunks=1), stages=stages)
    assert outcome.sent_ms() == [0, 400, 800, 2000, 2000, 2000, 2400, 2400, 2400, 2800, 2800, 2800]
    assert [record.user for record in by_number(outcome)][3:6] == [0, 1, 2]
    assert outcome.ended_ns == 3200 * MS


def test_users_beyond_the_next_stage_leave_after_their_request() -> None:
    stages = [{"concurrency": 2, "duration": 1}, {"concurrency": 1, "duration": 1}]
    outcome = run(lambda exchange, now_ns: Answer(ttft_ns=600 * MS, chunks=1), stages=stages)
    assert outcome.sent_ms() == [0, 0, 600, 600, 1200, 1800]
    assert [record.user for record in by_number(outcome)] == [0, 1, 0, 1, 0, 0]


def test_a_throttled_request_is_sent_again_later_each_time() -> None:
    def script(exchange: Exchange, now_ns: int) -> Answer:
        return THROTTLED if exchange.prepared.attempt < 2 else Answer(chunks=1)

    outcome = run(script, concurrency=1, requests=1, retry_throttled=3)
    assert [record.request for record in outcome.records] == [0, ATTEMPT_STRIDE, 2 * ATTEMPT_STRIDE]
    assert outcome.sent_ms() == [0, 1020, 3040]  # 20 ms to the refusal, then 1 s and 2 s
    assert [record.state for record in outcome.records] == [FAILED, FAILED, OK]


@pytest.mark.parametrize("keys", [{"concurrency": 1}, {"rate": 1.0}])
def test_a_back_off_runs_at_an_emulators_speed(keys: dict[str, Any]) -> None:
    """20 ms to the refusal, then a twentieth of 1 s and of 2 s."""

    def script(exchange: Exchange, now_ns: int) -> Answer:
        return THROTTLED if exchange.prepared.attempt < 2 else Answer(chunks=1)

    outcome = run(script, {"speed": 20.0}, **keys, requests=1, retry_throttled=3)
    assert outcome.sent_ms() == [0, 70, 190]


def test_a_model_that_is_not_ready_is_not_retried_and_its_users_pause() -> None:
    outcome = run(
        lambda exchange, now_ns: NOT_READY, concurrency=1, requests=2, retry_throttled=3, throttle_pause_s=0.5
    )
    assert outcome.sent_ms() == [0, 505]
    assert [record.error_type for record in outcome.records] == ["NotReady", "NotReady"]


def test_while_a_throttled_request_waits_its_place_is_anothers() -> None:
    def script(exchange: Exchange, now_ns: int) -> Answer:
        first = exchange.prepared.request == 0
        return THROTTLED if first else Answer(ttft_ns=300 * MS, chunks=1)

    outcome = run(script, rate=20.0, requests=2, max_concurrency=1, retry_throttled=1)
    assert [(record.request, (record.sent_ns - START_NS) / MS) for record in by_number(outcome)] == [
        (0, 0), (1, 50), (ATTEMPT_STRIDE, 1020),
    ]  # fmt: skip
    assert [record.planned_ns is None for record in by_number(outcome)] == [False, False, True]


def test_an_interruption_ends_everything_at_once_and_keeps_what_was_measured() -> None:
    outcome = run(
        lambda exchange, now_ns: Answer(ttft_ns=300 * MS, gap_ns=100 * MS),
        {"stop_at_ns": 950 * MS},
        concurrency=2,
        requests=100,
    )
    assert [record.state for record in by_number(outcome)] == [OK, OK, CANCELLED, CANCELLED]
    assert outcome.observed.interrupted
    assert outcome.ended_ns == 950 * MS
    cut = by_number(outcome)[2]
    assert (cut.end_ns, len(cut.kinds)) == (START_NS + 950 * MS, 2)  # two chunks had come by then


@pytest.mark.parametrize("keys", [{"rate": 0.5, "requests": 9}, {"rate": 5.0, "requests": 9, "max_concurrency": 1}])
def test_an_interruption_ends_waiting_for_an_instant_or_a_place(keys: dict[str, Any]) -> None:
    outcome = run(lambda exchange, now_ns: Answer(ttft_ns=10 * SECOND, chunks=1), {"stop_at_ns": 900 * MS}, **keys)
    assert outcome.transport.sent == [0]
    assert [record.state for record in outcome.records] == [CANCELLED]
    assert outcome.ended_ns == 900 * MS


def test_an_interruption_ends_a_back_off() -> None:
    outcome = run(
        lambda exchange, now_ns: THROTTLED, {"stop_at_ns": 1500 * MS}, concurrency=1, requests=1, retry_throttled=5
    )
    assert outcome.sent_ms() == [0, 1020]
    assert outcome.ended_ns == 1500 * MS


def test_a_full_disk_ends_the_run() -> None:
    taken: list[RequestRecord] = []

    def sink(record: RequestRecord) -> None:
        if len(taken) == 2:
            raise OSError(28, "No space left on device")
        taken.append(record)

    outcome = run(lambda exchange, now_ns: Answer(chunks=1), {"sink": sink}, concurrency=1, requests=50)
    assert isinstance(outcome.error, OSError)
    assert len(taken) == 2
    assert len(outcome.transport.sent) < 6
    assert outcome.observed.interrupted


# --- waking


def woken(ready_after_ns: int, more: dict[str, Any] | None = None, **keys: Any) -> Outcome:
    """A run of two requests against a model that is cold for a while after its first call."""
    spec = spec_of(requests=2, concurrency=1, **keys)
    usual = load_plan(spec, Drawn(spec, COUNTER), COUNTER)
    plan = usual._replace(phases=(wake_phase(spec, COUNTER, None, 0.0), *usual.phases))

    def script(exchange: Exchange, now_ns: int) -> Answer:
        return NOT_READY if now_ns < START_NS + ready_after_ns else Answer(chunks=1)

    return whole_run(spec, plan, script, **(more or {}))


def test_waking_asks_once_at_a_time_until_the_model_has_answered_twice() -> None:
    outcome = woken(2500 * MS, warm_interval_s=1.0)
    warm = [record for record in outcome.records if record.phase == "warm"]
    assert [record.request for record in warm] == [-1, -2, -3, -4, -5]
    assert [(record.sent_ns - START_NS) / MS for record in warm] == [0, 1005, 2010, 3015, 3115]
    assert [record.state for record in warm] == [FAILED, FAILED, FAILED, OK, OK]
    measured = [record for record in outcome.records if record.phase == "measured"]
    assert measured[0].sent_ns == START_NS + 3215 * MS
    assert [name for name, _, _ in outcome.observed.phases] == ["measured"]
    assert outcome.observed.made_late == 0


def test_waking_gives_up_when_its_patience_is_over() -> None:
    outcome = woken(10**15, warm_interval_s=1.0, warm_timeout_s=3.0)
    assert isinstance(outcome.error, InputError)
    assert str(outcome.error).startswith("--warm-timeout: the model did not answer within 3 s (4 attempts)")
    assert len(outcome.records) == 4


@pytest.mark.parametrize(("label", "speed"), [("profile=p; speed=20", 1.0), ("", 20.0), ("profile=p; speed=20", 50.0)])
def test_what_is_compared_with_the_services_time_runs_at_an_emulators_speed(label: str, speed: float) -> None:
    """Its answers tell the speed, whoever started it; before them, the preflight may have told it."""
    keys = {"warm_interval_s": 2.0, "throttle_pause_s": 10.0, "warm_timeout_s": 60.0}
    spec = spec_of(requests=2, concurrency=1, **keys)
    refused = Answer(ttft_ns=5 * MS, status=429, name="NotReady", label=label)

    def script(exchange: Exchange, now_ns: int) -> Answer:
        return refused if now_ns < START_NS + 250 * MS or exchange.prepared.request == 0 else Answer(chunks=1)

    usual = load_plan(spec, Drawn(spec, COUNTER), COUNTER)
    plan = usual._replace(phases=(wake_phase(spec, COUNTER, 2, 330.0), *usual.phases))
    outcome = whole_run(spec, plan, script, speed=speed)
    # Refusals are 2 s apart, rounds 330 s, the pause after a throttled request is 10 s; all of it 20 times shorter.
    warm = [(record.sent_ns - START_NS) / MS for record in outcome.records if record.phase == "warm"]
    assert warm[:5] == [0, 105, 210, 315, 415]
    assert [sent - warm[4] for sent in warm[5:7]] == [16_600, 16_700]
    first, second = [record.sent_ns for record in outcome.records if record.phase == "measured"]
    assert second - first == 505 * MS

    plan = usual._replace(phases=(wake_phase(spec, COUNTER, None, 0.0),))
    outcome = whole_run(spec, plan, lambda exchange, now_ns: refused, speed=speed)
    assert "within 60 s (30 attempts)" in str(outcome.error)
    assert 3000 * MS < outcome.ended_ns < 3200 * MS


def test_waking_ends_at_a_refusal_that_waiting_does_not_cure() -> None:
    spec = spec_of(requests=1)
    plan = series(spec, {"repeat": 1, "idle": 0.0})
    outcome = whole_run(spec, plan, lambda exchange, now_ns: Answer(ttft_ns=MS, status=403, name="AccessDenied"))
    assert isinstance(outcome.error, InputError)
    assert str(outcome.error).startswith("endpoint: AccessDenied: refused")
    assert len(outcome.records) == 1


def test_a_series_waits_between_its_cold_starts_and_a_warm_round_does_not_count() -> None:
    spec = spec_of(requests=1, warm_interval_s=1.0)
    seen: list[Snapshot] = []
    cold_until_ns = {0: 1500 * MS, 1: 0, 2: 23_000 * MS}  # round 1 finds the model warm

    def script(exchange: Exchange, now_ns: int) -> Answer:
        return NOT_READY if now_ns < START_NS + cold_until_ns[exchange.user] else Answer(chunks=1)

    outcome = whole_run(spec, series(spec, {"repeat": 2, "idle": 10.0}), script, watch=seen.append)
    rounds = [[record.state for record in outcome.records if record.user == number] for number in range(4)]
    assert rounds == [[FAILED, FAILED, OK, OK], [OK, OK], [FAILED, OK, OK], []]
    first = next(record.sent_ns for record in outcome.records if record.user == 1)
    assert first == START_NS + 12_210 * MS  # 2 × 1.005 s refused, 2 × 0.1 s answered, 10 s idle
    assert {snapshot.phase for snapshot in seen} == {"warm", "idle"}
    assert [snapshot.done for snapshot in seen if snapshot.phase == "idle"][-1] == 1


@pytest.mark.parametrize(("stop_at_ns", "states"), [(500 * MS, [FAILED]), (1007 * MS, [FAILED, CANCELLED])])
def test_an_interruption_ends_waking(stop_at_ns: int, states: list[str]) -> None:
    outcome = woken(10**15, {"stop_at_ns": stop_at_ns}, warm_interval_s=1.0)
    assert [record.state for record in outcome.records] == states
    assert (outcome.error, outcome.ended_ns, outcome.observed.interrupted) == (None, stop_at_ns, True)
    assert (outcome.observed.phases, outcome.transport.decided) == ([], 0)  # nothing is tried any more


def test_an_interruption_ends_the_pause_between_cold_starts() -> None:
    spec = spec_of(requests=1)
    plan = series(spec, {"repeat": 2, "idle": 330.0})
    outcome = whole_run(spec, plan, lambda exchange, now_ns: Answer(chunks=1), stop_at_ns=90 * SECOND)
    assert (outcome.sent_ms(), outcome.ended_ns, outcome.error) == ([100, 0], 90 * SECOND, None)


# --- watching, and a worker's part


def test_watchers_see_the_counters_four_times_a_second() -> None:
    seen: list[Snapshot] = []
    script: Script = lambda exchange, now_ns: Answer(ttft_ns=200 * MS, gap_ns=40 * MS, chunks=2)  # noqa: E731
    run(script, {"watch": seen.append}, concurrency=1, requests=3)
    assert [(one.elapsed_s, one.done, one.in_flight, one.chunks) for one in seen] == [
        (0.0, 0, 0, 0),
        (0.25, 1, 1, 2),
        (0.5, 2, 1, 4),
        (0.72, 3, 0, 6),
    ]
    assert [one.ttft_p50_s for one in seen] == [None, 0.2, 0.2, 0.2]
    assert {(one.phase, one.total, one.failed, one.waiting, one.duration_s) for one in seen} == {
        ("measured", 3, 0, 0, None)
    }


def test_a_worker_drives_its_own_users_and_requests() -> None:
    seen: list[Snapshot] = []
    more = {"part": Slice(1, 2), "watch": seen.append}
    outcome = run(lambda exchange, now_ns: Answer(chunks=1), more, concurrency=4, requests=7)
    assert [(record.request, record.user) for record in by_number(outcome)] == [(1, 1), (3, 3), (5, 1)]
    assert outcome.sent_ms() == [0, 0, 100]
    assert {snapshot.total for snapshot in seen} == {3}


def test_a_worker_s_share_of_the_in_flight_limit() -> None:
    script: Script = lambda exchange, now_ns: Answer(ttft_ns=250 * MS, chunks=1)  # noqa: E731
    outcome = run(script, {"part": Slice(1, 2)}, rate=10.0, requests=6, max_concurrency=2)
    assert [record.request for record in by_number(outcome)] == [1, 3, 5]
    assert [(record.planned_ns - START_NS) / MS for record in by_number(outcome)] == [100, 300, 500]
    assert outcome.sent_ms() == [100, 350, 600]
    assert outcome.transport.most_in_flight == 1


def test_workers_begin_at_a_time() -> None:
    outcome = run(lambda exchange, now_ns: Answer(chunks=1), {"begin_after_ns": 1_234_567_890}, requests=1)
    assert outcome.sent_ms() == [1234.56789]


# --- sessions of several turns, and slices


class Talk:
    """A conversation: each turn quotes the last reply, until it is over."""

    needs_reply = True

    def __init__(self, number: int, turns: int, offset_ns: int | None = None) -> None:
        self.offset_ns = offset_ns
        self.heard: list[Reply | None] = []
        self._number, self._turns = number, turns

    def next(self, last: Reply | None) -> Turn | None:
        if len(self.heard) == self._turns:
            return None
        self.heard.append(last)
        number = self._number * 100 + len(self.heard)
        text = last.text if last is not None else "hello"
        return Turn(number, MEASURED, user_message(text), 1, 9, think_ns=0 if last is None else 50 * MS)


@pytest.mark.parametrize("open_loop", [False, True])
def test_a_conversation_hears_each_reply_before_its_next_turn(open_loop: bool) -> None:
    talks: list[Talk] = []

    def sessions(part: Slice) -> list[Session]:
        talks.extend(Talk(number, 3, number * SECOND if open_loop else None) for number in range(2))
        return iter(talks)  # type: ignore[return-value]

    spec = spec_of(requests=2, concurrency=1)
    pace = instants(None) if open_loop else users(1)
    plan = Plan((Phase(MEASURED, sessions, pace, 2),), Drawn(spec, COUNTER), COUNTER, "talk")  # type: ignore[arg-type]
    outcome = whole_run(spec, plan, lambda exchange, now_ns: Answer(chunks=2, text="ab"))
    assert outcome.transport.sent == [1, 2, 3, 101, 102, 103]
    first_ms = [0, 160, 320]  # 110 ms to the last byte, 50 ms to think
    second_ms = [1000 if open_loop else 430]
    assert outcome.sent_ms() == [*first_ms, *(second_ms[0] + at for at in first_ms)]
    assert talks[0].heard == [None, Reply(True, "abab", START_NS + 110 * MS), Reply(True, "abab", START_NS + 270 * MS)]
    assert [record.text for record in outcome.records] == [None] * 6  # nobody asked to keep answers


def test_slices_of_a_plan_make_the_whole_of_it() -> None:
    for keys in ({"concurrency": 4, "requests": 10}, {"rate": 7.0, "requests": 10}):
        spec = spec_of(**keys)
        [phase] = load_plan(spec, Drawn(spec, COUNTER), COUNTER).phases

        def turns(part: Slice, phase: Phase = phase) -> list[tuple[int | None, Turn | None]]:
            return [(session.offset_ns, session.next(None)) for session in phase.sessions(part)]

        whole = turns(Slice())
        parts = [turns(Slice(worker, 3)) for worker in range(3)]
        assert [len(part) for part in parts] == [Slice(worker, 3).share(10) for worker in range(3)] == [4, 3, 3]
        assert sorted((one for part in parts for one in part), key=lambda one: one[1].number) == whole  # type: ignore[union-attr]


def test_a_spec_and_seed_give_the_same_run_twice() -> None:
    def script(exchange: Exchange, now_ns: int) -> Answer:
        return replace(Answer(), ttft_ns=exchange.prepared.input_tokens * MS)

    keys: dict[str, Any] = {"rate": 20.0, "arrivals": "poisson", "requests": 30, "input_tokens": "normal(50,20)"}
    one, other = run(script, **keys), run(script, **keys)
    assert [(r.request, r.sent_ns, r.end_ns) for r in one.records] == [
        (r.request, r.sent_ns, r.end_ns) for r in other.records
    ]
