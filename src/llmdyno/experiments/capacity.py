"""How many users one copy carries within bounds, from a sweep of rising users. PURE.

In: for each level of users what its requests showed. Out: the highest level at which a percentile of every bounded
figure is within its bound and hardly a call is refused, up to which all lower ones are too; where between two levels
the bound is crossed; and how sure that is, from resampling the requests of each level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

REFUSED_SHARE = 0.01
"""A level of which more calls than that are throttled is beyond capacity."""
_RESAMPLES = 1000
_FEW = 30


@dataclass(frozen=True)
class Level:
    """One level: users, copies on average while it stood, requests sent and calls throttled, and of each bounded figure
    the values (NaN: a request without one), shape (requests,)."""

    users: int
    copies: float
    requests: int
    throttled: int
    values: Mapping[str, NDArray[np.float64]]


def capacity(levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, *, seed: int) -> dict[str, Any]:
    """The capacity that a sweep shows.

    Returns:
        `levels` with their figures; `users` (None: not even the lowest level is within bounds), `beyond` (None: no
        level is), `limited_by` (a figure's name, or "throttling"); `crossing`: users at which the bound is crossed,
        between the two, linearly; `confidence`: the share of resamples that name the same level, and `users_low`,
        `users_high` between which nineteen in twenty lie; `per_copy`: users divided by the copies there were.
    """
    rows: list[dict[str, Any]] = []
    passing: list[bool] = []
    for level in levels:
        at = {name: _percentile(values, percentile) for name, values in level.values.items()}
        broken = [name for name, bound in bounds.items() if at[name] is None or at[name] > bound]  # type: ignore[operator]
        calls = level.requests
        share = level.throttled / calls if calls else 1.0
        if share > REFUSED_SHARE:
            broken.append("throttling")
        passing.append(not broken and calls > 0)
        rows.append(
            {
                "users": level.users,
                "copies": round(level.copies, 3),
                "requests": calls,
                "throttled_share": share,
                "at_percentile": at,
                "within": passing[-1],
                "broken": broken,
                "few": calls < _FEW,
            }
        )
    last = _last_within(passing)
    beyond = last + 1 if last + 1 < len(levels) else None
    generator = np.random.Generator(np.random.PCG64(seed))
    draws = np.array([_redrawn(levels, bounds, percentile, generator) for _ in range(_RESAMPLES)])
    low, high = (int(value) for value in np.percentile(draws, (2.5, 97.5), method="nearest"))
    carried = levels[last].users if last >= 0 else None
    broken = rows[beyond]["broken"] if beyond is not None else []
    copies = max(1.0, levels[last].copies) if last >= 0 else 1.0
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
    }


def _percentile(values: NDArray[np.float64], percentile: float) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.percentile(known, percentile)) if len(known) else None


def _last_within(passing: Sequence[bool]) -> int:
    """The highest level that is within bounds together with all below it; −1: none is."""
    for place, within in enumerate(passing):
        if not within:
            return place - 1
    return len(passing) - 1


def _redrawn(
    levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, generator: np.random.Generator
) -> int:
    """The level that another sample like this one would have named."""
    passing = []
    for level in levels:
        within = level.requests > 0 and level.throttled <= REFUSED_SHARE * level.requests
        for name, bound in bounds.items():
            values = level.values[name]
            if within and len(values):
                value = _percentile(values[generator.integers(0, len(values), len(values))], percentile)
                within = value is not None and value <= bound
        passing.append(within)
        if not within:
            break
    return _last_within(passing)


def _crossing(
    levels: Sequence[Level], bounds: Mapping[str, float], percentile: float, last: int, broken: Sequence[str]
) -> float | None:
    """Users at which the first broken figure crosses its bound; None where refusals are what breaks, or nothing
    does."""
    name = next((name for name in broken if name in bounds), None)
    if last < 0 or name is None:
        return None
    below, above = levels[last], levels[last + 1]
    first, second = (_percentile(level.values[name], percentile) for level in (below, above))
    if first is None or second is None or second <= first:
        return None
    share = (bounds[name] - first) / (second - first)
    return below.users + share * (above.users - below.users)
