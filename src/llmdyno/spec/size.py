"""Checks the size of a load before anything is made for it. PURE.

In: a spec's load and lengths. Out: nothing, or an :class:`~llmdyno.errors.InputError` that says how large the load is
and which bound of :mod:`llmdyno.spec.limits` it passes. The readers of the keys have bounded each value; this module
bounds what they make together. A trace is bounded where it is read.
"""

from __future__ import annotations

import math

from llmdyno.errors import InputError
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.limits import LONGEST_S, MOST_PLAN_TOKENS, MOST_REQUESTS, MOST_TOKENS, MOST_TOKENS_IN_FLIGHT
from llmdyno.spec.load import Load, placed


def check_size(load: Load, warmup: int, inputs: Distribution, outputs: Distribution) -> None:
    """Check that a load ends, and that its plan can be made.

    Args:
        load: the load. Its keys go together.
        warmup: how many requests come before it.
        inputs: the lengths of prompts, in tokens.
        outputs: the lengths of answers, in tokens.

    Raises:
        InputError: it has more than :data:`MOST_REQUESTS` requests, :data:`MOST_PLAN_TOKENS` tokens or
            :data:`MOST_TOKENS_IN_FLIGHT` tokens at once, or lasts longer than :data:`LONGEST_S`.
    """
    planned = _planned(load)
    total = warmup + (planned or 0)
    if total > MOST_REQUESTS:
        fits = f"plan at most {MOST_REQUESTS:,}: a lower rate, a shorter time, or fewer requests"
        raise InputError(_where(load), f"{_count(total)} requests are planned", fits)
    if load.rate is not None and load.requests is not None and load.duration_s is None:
        _check_time("--rate, --requests", load.requests / load.rate)
    if load.stages:
        _check_time("--stage", load.sends_for_s or 0.0)
    most = load.max_concurrency if load.open_loop else load.users
    in_flight = min(most or 1, planned or math.inf) * _mean(inputs)
    if in_flight > MOST_TOKENS_IN_FLIGHT:
        where = "--max-concurrency, --input-tokens" if load.open_loop else "--concurrency, --input-tokens"
        fits = f"at most {MOST_TOKENS_IN_FLIGHT:,} fit into memory: fewer users, or shorter prompts"
        raise InputError(where, f"the prompts in flight have {_count(in_flight)} tokens", fits)
    tokens = total * (_mean(inputs) + _mean(outputs))
    if tokens > MOST_PLAN_TOKENS:
        where = "--requests, --input-tokens, --output-tokens"
        problem = f"{_count(total)} requests have {_count(tokens)} tokens"
        raise InputError(where, problem, f"plan at most {MOST_PLAN_TOKENS:,}: fewer requests, or shorter ones")


def _check_time(where: str, seconds: float) -> None:
    if seconds > LONGEST_S:
        fits = f"plan at most {LONGEST_S:,.0f} s, which is {LONGEST_S / 86_400:.0f} days"
        raise InputError(where, f"the load lasts {_count(seconds)} s", fits)


def _planned(load: Load) -> float | None:
    """How many requests the load plans, random arrivals aside; None: a trace or the endpoint's speed decides that."""
    expected: float | None = None
    if load.ramp is not None:
        expected = load.ramp.duration_s * (load.ramp.rate_from + load.ramp.rate_to) / 2
    elif load.stages and load.open_loop:
        expected = sum(stage.duration_s * (stage.rate or 0.0) for _, _, stage in placed(load.stages))
    elif load.rate is not None and load.duration_s is not None:
        expected = load.duration_s * load.rate
    found = [float(number) for number in (expected, load.requests) if number is not None]
    return min(found, default=None)


def _where(load: Load) -> str:
    """The flags that say how many requests there are."""
    if load.ramp is not None:
        return "--ramp"
    if load.stages:
        return "--stage"
    return "--rate, --duration" if load.rate is not None else "--requests, --warmup"


def _mean(lengths: Distribution) -> float:
    return min(lengths.mean, float(MOST_TOKENS))


def _count(number: float) -> str:
    return f"{number:,.0f}" if number < 1e15 else f"{number:.3g}"
