"""What a load may cost by the token at most, before it is sent. PURE.

In: a load, prices, the lengths in a trace. Out: a :class:`~llmdyno.services.service.CostBound`: dollars, and what they
rest on. It asks nobody.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from llmdyno.metrics.conclude import asked_of
from llmdyno.metrics.tokens import TEMPLATE_TOKENS
from llmdyno.services.amounts import MILLION
from llmdyno.services.per_token import LONGEST_CACHE
from llmdyno.services.service import CostBound, TokenPrices
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.load import placed
from llmdyno.spec.spec import Spec
from llmdyno.workload.sources.traces import Entry

_SPREAD = 1.3
"""By which factor the service may count more input tokens than we plan."""
_FASTEST_S, _FASTEST_TOKEN_S = 0.2, 0.002
"""An answer takes no less: 0.2 s, and 2 ms for each token of its bound."""
_SURE = 4.0
"""How many standard deviations a bound is away from a mean."""


class Planned(NamedTuple):
    """How many requests a load has at most, how many tokens they have together, and a guess that this rests on (empty:
    none)."""

    requests: int
    input_tokens: float
    output_tokens: float
    guess: str = ""


def planned(spec: Spec, trace: Sequence[Entry] | None, rounds: int | None = None) -> Planned:
    """The most that a load sends.

    Args:
        spec: the load.
        trace: the requests that it replays; None: it replays none.
        rounds: how many cold starts to measure instead: two answers each.
    """
    own = asked_of(spec).most_output_tokens
    if rounds is not None:
        return _drawn(spec, 2 * rounds, own, "")
    if trace is not None:
        limit = math.inf if spec.duration_s is None else spec.duration_s * 1e9
        kept = [entry for entry in trace if entry.offset_ns <= limit][: spec.requests]
        warm = _drawn(spec, spec.warmup, own, "")
        outputs = sum(entry.output_tokens if own is None else own for entry in kept)
        inputs = sum(entry.input_tokens for entry in kept)
        return Planned(len(kept) + spec.warmup, inputs + warm.input_tokens, outputs + warm.output_tokens)
    count, guess = _most_requests(spec, own)
    return _drawn(spec, count + spec.warmup, own, guess)


def _most_requests(spec: Spec, own: int | None) -> tuple[int, str]:
    """How many measured requests a load sends at most, and the guess that this rests on."""
    load = spec.load
    limit = math.inf if load.requests is None else float(load.requests)
    if load.open_loop:
        expected = math.inf
        if load.ramp is not None:
            expected = load.ramp.duration_s * (load.ramp.rate_from + load.ramp.rate_to) / 2
        elif load.stages:
            expected = sum(stage.duration_s * (stage.rate or 0.0) for _, _, stage in placed(load.stages))
        elif load.rate is not None and load.duration_s is not None:
            expected = load.rate * load.duration_s
        more = 0.0 if load.arrivals == "constant" else _SURE * math.sqrt(expected) if expected < math.inf else 0.0
        return int(min(limit, expected + more + 1)), ""
    each_s = _FASTEST_S + _FASTEST_TOKEN_S * (own if own is not None else spec.output_tokens.mean)
    if load.stages:
        parts = sum(
            math.ceil(stage.duration_s / each_s) * (stage.concurrency or 0) for _, _, stage in placed(load.stages)
        )
    elif load.duration_s is not None:
        parts = math.ceil(load.duration_s / each_s) * load.users
    else:
        return int(limit), ""
    if limit <= parts:
        return int(limit), ""
    return parts, f"a request takes no less than {each_s:.2g} s"


def _drawn(spec: Spec, count: int, own: int | None, guess: str) -> Planned:
    outputs = float(own) * count if own is not None else _most(spec.output_tokens, count)
    return Planned(count, _most(spec.input_tokens, count), outputs, guess)


def _most(lengths: Distribution, count: int) -> float:
    """The most tokens that `count` draws have together: four standard deviations above the mean."""
    sure = lengths.mean * count + _SURE * lengths.stddev * math.sqrt(count)
    return min(sure, lengths.b * count) if lengths.kind == "uniform" else sure


def token_bound(load: Planned, prices: TokenPrices | None, *, writes: bool, unknown: str | None) -> CostBound:
    """The most that a load costs; `unknown` says why there are no prices."""
    inputs = math.ceil(load.input_tokens * _SPREAD) + TEMPLATE_TOKENS * load.requests
    outputs = math.ceil(load.output_tokens)
    basis = f"{load.requests:,} requests with at most {inputs:,} input and {outputs:,} output tokens together"
    if load.guess:
        basis += f", if {load.guess}"
    dollars = None
    if prices is not None:
        written = prices.written if prices.written is not None else prices.input * LONGEST_CACHE
        price = max(prices.input, written) if writes else prices.input
        dollars = (Decimal(inputs) * price + Decimal(outputs) * prices.output) / MILLION
    return CostBound(0, 0, dollars, basis, unknown)
