"""The difference between two samples.

It takes one figure of each request of two runs. It gives the difference of a percentile and its confidence interval,
by the percentile bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", chapter 13) from a fixed seed. It
does not know which figure it is, or whether more is better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
LEVEL = 0.95
_LARGEST = 5_000_000
"""How many values are drawn at a time, so that a large sample needs no more memory than a small one."""


def difference(
    base: NDArray[np.float64], other: NDArray[np.float64], percentile: float
) -> tuple[float, float, float] | None:
    """other − base at a percentile, and the bounds of its 95% confidence interval; None if a sample is empty.

    Args:
        base: shape (n,); NaN: no figure.
        other: shape (m,); NaN: no figure.
        percentile: from 0 to 100.
    """
    base, other = base[~np.isnan(base)], other[~np.isnan(other)]
    if not len(base) or not len(other):
        return None
    found = float(np.percentile(other, percentile) - np.percentile(base, percentile))
    rng = np.random.default_rng(0)
    draws = _resampled(other, percentile, rng) - _resampled(base, percentile, rng)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(draws, (tail, 100 - tail))
    return found, float(low), float(high)


def _resampled(values: NDArray[np.float64], percentile: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """The percentile of each of :data:`RESAMPLES` samples drawn with replacement; shape (RESAMPLES,)."""
    block = max(1, _LARGEST // len(values))
    parts = []
    for start in range(0, RESAMPLES, block):
        shape = (min(block, RESAMPLES - start), len(values))
        parts.append(np.percentile(rng.choice(values, shape), percentile, axis=1))
    return np.concatenate(parts)
