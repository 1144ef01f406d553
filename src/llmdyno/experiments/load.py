"""The load of ``llmdyno run``: wake the model if it scales to zero, send the warm-up, then measure."""

from __future__ import annotations

from llmdyno.engine.pacing import Pace, instants, stages, users, wake
from llmdyno.errors import InputError
from llmdyno.experiments.experiment import Experiment, Options
from llmdyno.runs.counter import load_counter
from llmdyno.runs.traces import load_trace
from llmdyno.spec.load import placed
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import scales_to_zero
from llmdyno.workload.plan import MEASURED, WARM, WARMUP, Phase, Plan, Sessions, Source
from llmdyno.workload.sources.drawn import Drawn
from llmdyno.workload.tokens import TokenCounter

_GUESSED_REQUESTS_A_USER_S = 4.0
"""A guess of how many requests a user sends per second of a timed run. This many are prepared before the load."""

_ATTEMPTS_AHEAD = 2


def plan(spec: Spec, options: Options) -> Plan:
    """The plan of a load.

    Raises:
        InputError: a tokenizer or a trace cannot be read, or no request is planned.
    """
    counter = load_counter(spec.tokenizer)
    return load_plan(spec, Drawn(spec, counter, load_trace(spec)), counter)


def load_plan(
    spec: Spec,
    source: Source,
    counter: TokenCounter,
    *,
    warmup_users: int | None = None,
    keep_text: bool = False,
    workload: str | None = None,
) -> Plan:
    """The plan of a load from any source of prompts.

    Args:
        spec: the load.
        source: where its prompts come from.
        counter: the counter of the prompts' tokens.
        warmup_users: how many users send the warm-up (default: the spec's concurrency).
        keep_text: whether the run keeps the texts of the answers.
        workload: a description of the prompts, if lengths do not describe them.

    Raises:
        InputError: no request is planned.
    """
    phases = []
    if spec.warm and scales_to_zero(spec):
        phases.append(wake_phase(spec, counter, None, 0.0))
    if source.warmup:
        pace = users(warmup_users or spec.concurrency)
        phases.append(Phase(WARMUP, Sessions(source, WARMUP, source.warmup), pace, source.warmup))
    phases.append(_measured(spec, source))
    text = keep_text or spec.keep_answers
    return Plan(tuple(phases), source, counter, _describe(spec, source), text, workload, spec.keep_answers)


def _describe(spec: Spec, source: Source) -> str:
    """The load in words. Random arrivals have a rate of their own in each plan, so an open loop says it."""
    found = spec.load.describe()
    if not spec.open_loop or spec.arrivals == "constant":
        return found
    first_ns, last_ns, total = None, 0, 0
    for last_ns in source.offsets_ns():  # a list of them would be large
        first_ns = last_ns if first_ns is None else first_ns
        total += 1
    if first_ns is None or last_ns <= first_ns:
        return found
    return f"{found}; this plan: {(total - 1) / (last_ns - first_ns) * 1e9:.3g} requests/s"


def wake_phase(spec: Spec, counter: TokenCounter, cold_starts: int | None, idle_s: float) -> Phase:
    """The phase that wakes a model.

    Args:
        spec: the resolved spec.
        counter: the counter of the prompts' tokens.
        cold_starts: how many cold starts to measure; None: wake the model once.
        idle_s: how long to wait between two rounds, in seconds at real speed.
    """
    pace = wake(cold_starts, idle_s, spec.warm_timeout_s, spec.warm_interval_s)
    sessions = Sessions(Drawn(spec, counter), WARM, None)
    return Phase(WARM, sessions, pace, None, ahead=_ATTEMPTS_AHEAD)


def _measured(spec: Spec, source: Source) -> Phase:
    total = ahead = source.measured
    sends_for_s = spec.load.sends_for_s
    if spec.open_loop:
        total = ahead = sum(1 for _ in source.offsets_ns())  # one request for each planned instant
        if not total:
            fits = "a higher rate, or longer"
            where = "--stage" if spec.stages else "--ramp" if spec.ramp else "--rate, --duration"
            raise InputError(where, "not one request is planned in that time", fits)
    elif sends_for_s:
        guess = int(spec.users * (2 + sends_for_s * _GUESSED_REQUESTS_A_USER_S))
        ahead = guess if total is None else min(guess, total)
    assert ahead is not None
    sessions = Sessions(source, MEASURED, total, spec.open_loop)
    return Phase(MEASURED, sessions, _pace(spec), total, spec.duration_s, ahead)


def _pace(spec: Spec) -> Pace:
    if spec.open_loop:
        return instants(spec.max_concurrency)
    if spec.stages:
        return stages(
            [
                (start_s, stage.duration_s, stage.concurrency)
                for start_s, _, stage in placed(spec.stages)
                if stage.concurrency is not None
            ]
        )
    return users(spec.concurrency)


LOAD = Experiment("load", plan)
