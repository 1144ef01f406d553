"""How many users one copy serves within bounds, from a load that rises in stages. PURE.

In: a run of several stages, and what it shows about the deployment. Out: the content of capacity.json. At the capacity,
and at every lower number of users, a percentile of each bounded figure is within its bound and at most 1% of the calls
are throttled. The report also estimates the number of users at which the bound is crossed. Resampling the requests of
each level gives the confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmdyno.errors import InputError
from llmdyno.experiments.experiment import Experiment, Flag, Options, Report, Say
from llmdyno.experiments.load import plan
from llmdyno.experiments.stages import LOAD_KEYS, Deployment, deployment_of, figures_of, stage_keys, stage_spans
from llmdyno.runs.run import Run
from llmdyno.spec import readers
from llmdyno.spec.spec import Spec

REFUSED_SHARE = 0.01
"""A level is beyond the capacity if a larger share of its calls is throttled."""
_SETTLED = 0.2
"""The share of each stage that is left out at its start, because requests of the stage before still end in it."""
_RESAMPLES = 1000
_MIDDLE_95 = (2.5, 97.5)
_FEW = 30


@dataclass(frozen=True)
class Level:
    """One level of users.

    `copies`: the mean number of copies during the level, and `copies_span` bounds it (None: it is exact). `requests`:
    how many were sent. `throttled`: how many calls were throttled. `values`: each bounded figure by name, shape
    (requests,); NaN: the request does not have it.
    """

    users: int
    copies: float
    requests: int
    throttled: int
    values: Mapping[str, NDArray[np.float64]]
    copies_span: tuple[float, float] | None = None

    @property
    def copies_bounds(self) -> tuple[float, float]:
        """The mean number of copies, at least and at most."""
        return self.copies_span if self.copies_span is not None else (self.copies, self.copies)

    @property
    def throttled_share(self) -> float:
        """Throttled calls per request; 1 if nothing was sent."""
        return self.throttled / self.requests if self.requests else 1.0


def capacity_report(run: Run, deployment: Deployment, percentile: float) -> dict[str, Any]:
    """What a run of rising users shows about one copy's capacity: the content of capacity.json."""
    bounds = dict(run.spec.slo)  # at real speed, as the figures here are
    return {
        "emulated": run.emulated_json,
        "bounds": bounds,
        "percentile": percentile,
        "copies_source": deployment.copies.source,
        "copies_at_least": deployment.copies.at_least,
        "calls_per_copy_when_refused": deployment.copies.calls_per_copy,
        "carries": None if deployment.copies.carries is None else list(deployment.copies.carries),
        **capacity(levels_of(run, deployment, bounds), bounds, percentile, seed=run.spec.seed or 0),
        "notes": list(deployment.notes),
    }


def levels_of(run: Run, deployment: Deployment, bounds: Mapping[str, float]) -> list[Level]:
    """What each stage of a run showed. The first part of each stage is left out."""
    figures, calls = figures_of(run, deployment.speed), deployment.calls
    levels = []
    for start_s, end_s, users in stage_spans(run, deployment.speed):
        from_s = start_s + _SETTLED * (end_s - start_s)
        here = (figures.sent_s >= from_s) & (figures.sent_s < end_s)
        throttled = int((calls.throttled & (calls.sent_s >= from_s) & (calls.sent_s < end_s)).sum())
        values = {name: figures.values[name][here] for name in bounds}
        copies, span = deployment.copies.mean(from_s, end_s), deployment.copies.mean_span(from_s, end_s)
        levels.append(Level(users, copies, int(here.sum()), throttled, values, span))
    return levels


def capacity(levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, *, seed: int) -> dict[str, Any]:
    """The capacity that rising levels show.

    Args:
        levels: in the order of rising users.
        bounds: the bound of each figure, in seconds.
        percentile: the percentile that must be within the bounds, 0 to 100.
        seed: the seed of the resampling.

    Returns:
        `levels` with their figures; `users`, the capacity (None: even the lowest level is beyond the bounds); `beyond`,
        the next level (None: no level is beyond); `limited_by`, a figure's name or "throttling"; `crossing`, the users
        at which the bound is crossed, interpolated linearly; `confidence`, the share of resamples that give the same
        level; `users_low` and `users_high`, the range of 95% of the resamples; `per_copy`, users per copy;
        `copies_then`, the copies at that level; `per_copy_span` and `copies_span`, the bounds of both.
    """
    rows = [_row(level, bounds, percentile) for level in levels]
    last = _last_within([row["within"] for row in rows])
    beyond = last + 1 if last + 1 < len(levels) else None
    broken = rows[beyond]["broken"] if beyond is not None else []
    generator = np.random.Generator(np.random.PCG64(seed))
    draws = np.array([_redrawn(levels, bounds, percentile, generator) for _ in range(_RESAMPLES)])
    low, high = (int(value) for value in np.percentile(draws, _MIDDLE_95, method="nearest"))
    carried = levels[last].users if last >= 0 else None
    copies = max(1.0, levels[last].copies) if last >= 0 else 1.0
    least, most = (max(1.0, bound) for bound in levels[last].copies_bounds) if last >= 0 else (1.0, 1.0)
    return {
        "levels": rows,
        "users": carried,
        "beyond": levels[beyond].users if beyond is not None else None,
        "limited_by": broken[0] if broken else None,
        "crossing": _crossing(levels, bounds, percentile, last, broken),
        "confidence": float((draws == last).mean()),
        "users_low": levels[low].users if low >= 0 else 0,
        "users_high": levels[high].users if high >= 0 else 0,
        "per_copy": carried / copies if carried is not None else None,
        "copies_then": copies,
        "per_copy_span": [carried / most, carried / least] if carried is not None else None,
        "copies_span": [least, most],
    }


def _row(level: Level, bounds: Mapping[str, float], percentile: float) -> dict[str, Any]:
    """One level in the form that the report has."""
    at = {name: _percentile(values, percentile) for name, values in level.values.items()}
    broken = [name for name, bound in bounds.items() if not _within(at[name], bound)]
    if level.throttled_share > REFUSED_SHARE:
        broken.append("throttling")
    return {
        "users": level.users,
        "copies": round(level.copies, 3),
        "copies_span": [round(bound, 3) for bound in level.copies_bounds],
        "requests": level.requests,
        "throttled_share": level.throttled_share,
        "at_percentile": at,
        "within": not broken and level.requests > 0,
        "broken": broken,
        "few": level.requests < _FEW,
    }


def _within(value: float | None, bound: float) -> bool:
    return value is not None and value <= bound


def _percentile(values: NDArray[np.float64], percentile: float) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.percentile(known, percentile)) if len(known) else None


def _last_within(passing: Sequence[bool]) -> int:
    """The index of the last level before the first one that is not within bounds; −1: the first level is not."""
    for index, within in enumerate(passing):
        if not within:
            return index - 1
    return len(passing) - 1


def _redrawn(
    levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, generator: np.random.Generator
) -> int:
    """The index of the last level within bounds in one resample of the requests."""
    passing = []
    for level in levels:
        within = level.requests > 0 and level.throttled <= REFUSED_SHARE * level.requests
        for name, bound in bounds.items():
            values = level.values[name]
            if within and len(values):
                resample = values[generator.integers(0, len(values), len(values))]
                within = _within(_percentile(resample, percentile), bound)
        passing.append(within)
        if not within:
            break
    return _last_within(passing)


def _crossing(
    levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, last: int, broken: Sequence[str]
) -> float | None:
    """The number of users at which the first broken figure crosses its bound; None: no figure is beyond its bound."""
    name = next((name for name in broken if name in bounds), None)
    if last < 0 or name is None:
        return None
    below, above = levels[last], levels[last + 1]
    first, second = (_percentile(level.values[name], percentile) for level in (below, above))
    if first is None or second is None or second <= first:
        return None
    share = (bounds[name] - first) / (second - first)
    return below.users + share * (above.users - below.users)


def keys(options: Options, speed: float) -> Mapping[str, Any]:
    """One stage for each number of users."""
    return stage_keys([(users, options["hold"]) for users in options["users"]], speed)


def check(spec: Spec, options: Options) -> None:
    """Check that the spec has a bound.

    Raises:
        InputError: it has no bound.
    """
    if not spec.slo:
        fits = "give one, such as --slo ttft_s=0.5"
        raise InputError("--slo", "not given, and the capacity needs a bound for latency", fits)


def conclude(run: Run, options: Options, say: Say) -> Report:
    """The report of a finished run."""
    return capacity_report(run, deployment_of(run, say), options["percentile"])


CAPACITY = Experiment(
    "capacity",
    plan,
    flags=(
        Flag("users", "try these numbers of users, in rising order", readers.user_counts, "1,2,4,8,16,32", "N,N,…"),
        Flag("hold", "keep each number of users for this long", readers.duration_s, "2m", "S"),
        Flag("percentile", "require this percentile to be within the bounds", readers.percentile, "95", "P"),
    ),
    owns=LOAD_KEYS,
    paces=True,
    keys=keys,
    check=check,
    conclude=conclude,
)
