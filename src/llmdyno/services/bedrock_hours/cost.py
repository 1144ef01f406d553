"""What provisioned throughput costs, whether it is used or not. PURE; decimals throughout.

In: model units, dollars an hour, a commitment, how long a run took. Out: a :class:`Cost`. AWS bills each model unit by
the hour from its purchase to its deletion. Without a commitment it can be deleted at any time; with one, the whole term
is paid. There is no table of prices: AWS tells most of them to its customers only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

HOUR_S = 3600
HOURS_A_DAY, DAYS_A_MONTH = 24, 30
COMMITMENTS = {"none": 0, "1-month": 1, "6-months": 6}
"""The terms that can be bought, in months."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars of all model units together.

    `hour`, `day`, `month` (30 days). `run_share`: the run's part of an hour that is paid anyway. `run_alone`: the whole
    hours that begin during the run, if the units were bought for it alone. `least`: what the purchase costs at least,
    an hour without a commitment and its whole term with one.
    """

    hour: Decimal
    day: Decimal
    month: Decimal
    run_share: Decimal
    run_alone: Decimal
    least: Decimal


def cost_of(units: int, dollars_per_hour: Decimal, commitment: str, run_s: float) -> Cost:
    """What model units cost.

    Args:
        units: how many there are.
        dollars_per_hour: of one of them.
        commitment: one of :data:`COMMITMENTS`.
        run_s: from the run's first send to its last end, seconds at real speed.
    """
    hour = dollars_per_hour * units
    month = hour * HOURS_A_DAY * DAYS_A_MONTH
    months = COMMITMENTS[commitment]
    share = hour * Decimal(repr(run_s)) / HOUR_S
    alone = hour * max(1, math.ceil(run_s / HOUR_S))
    return Cost(hour, hour * HOURS_A_DAY, month, share, alone, month * months if months else hour)
