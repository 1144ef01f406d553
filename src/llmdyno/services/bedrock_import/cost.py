"""What a run costs, and what its load costs by the hour, the token and the request. PURE; decimals throughout.

In: a bill, a price, what the run delivered. Out: a :class:`Cost`. The formula is the price page's, window by window:
``sum over copies of billed windows × units a copy × rate a unit and minute × 5``. All rates are of one window, so that
a rate times what was delivered is the hour's dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from llmdyno.services.amounts import MILLION, THOUSAND
from llmdyno.services.bedrock_import.billing import WINDOW_MINUTES, WINDOW_S, Bill

DAYS_A_MONTH = 30
_MINUTES_AN_HOUR = 60
_HOURS_A_DAY = 24
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Price:
    """What a copy costs: its units (CMU), dollars a unit and minute, dollars a unit and month of storage (None:
    unknown)."""

    units: int
    dollars_per_cmu_minute: Decimal
    storage_dollars_per_cmu_month: Decimal | None = None

    @property
    def window(self) -> Decimal:
        """Dollars of one window of one copy."""
        return self.dollars_per_cmu_minute * self.units * WINDOW_MINUTES

    @property
    def hour(self) -> Decimal:
        """Dollars of one copy for an hour."""
        return self.dollars_per_cmu_minute * self.units * _MINUTES_AN_HOUR

    @property
    def storage_month(self) -> Decimal | None:
        """Dollars a month for storing the model."""
        return None if self.storage_dollars_per_cmu_month is None else self.storage_dollars_per_cmu_month * self.units


class Stretch(NamedTuple):
    """The window that rates are of: seconds after the run's origin, its length in seconds, and whether the load was
    steady in it (it is the whole run otherwise)."""

    from_s: float
    length_s: float
    steady: bool

    @property
    def short(self) -> bool:
        """Whether it is shorter than one billing window: so short a load has not filled one that it pays for."""
        return self.length_s < WINDOW_S


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the load delivered at real speed in one window: the mean number of copies, requests and tokens an hour.

    `copies_span`: the fewest and the most copies that it may have had (the most None: unknown). `window`: which one it
    is. None: the copies are exact; the window is unknown.
    """

    copies: float
    requests_per_hour: float
    input_tokens_per_hour: float
    output_tokens_per_hour: float
    copies_span: tuple[float, float | None] | None = None
    window: Stretch | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars.

    `run` is the assumed bill; `run_low` and `run_high` bound the true one. `tail` is the part of `run` that pays for
    the last windows after their last call, `tail_s` seconds in all; `tail_low` and `tail_high` bound that part. `idle`
    is what windows without a call would add if they were billed. `hour` is an hour of the load, between `hour_low` and
    `hour_high` (None: unknown). `million_input_tokens`, `million_output_tokens` and `thousand_requests` are that hour,
    divided by what it delivers. They are None if it delivered nothing. `warm_hour` keeps one copy warm. `storage_month`
    stores the model (None: unknown).
    """

    run: Decimal
    run_low: Decimal
    run_high: Decimal
    tail: Decimal
    tail_low: Decimal
    tail_high: Decimal
    tail_s: float
    idle: Decimal
    hour: Decimal | None
    hour_low: Decimal | None
    hour_high: Decimal | None
    million_input_tokens: Decimal | None
    million_output_tokens: Decimal | None
    thousand_requests: Decimal | None
    warm_hour: Decimal
    storage_month: Decimal | None


def cost_of(bill: Bill, price: Price, delivered: Delivered | None) -> Cost:
    """A run's cost; `delivered` is None if the run delivered nothing."""
    tail_s = sum(copy.tail_s() for copy in bill.copies)
    tail = price.window * Decimal(str(tail_s)) / Decimal(str(WINDOW_S))
    exact = bill.low == bill.high and not bill.shared
    hour = low = high = million_in = million_out = thousand = None
    if delivered is not None:
        hour = price.hour * Decimal(str(delivered.copies))
        fewest, most = delivered.copies_span or (delivered.copies, delivered.copies)
        low = price.hour * Decimal(str(fewest))
        high = None if most is None else price.hour * Decimal(str(most))
        million_in = _per(hour, delivered.input_tokens_per_hour, MILLION)
        million_out = _per(hour, delivered.output_tokens_per_hour, MILLION)
        thousand = _per(hour, delivered.requests_per_hour, THOUSAND)
    return Cost(
        run=price.window * bill.windows,
        run_low=price.window * bill.low,
        run_high=price.window * bill.high,
        tail=tail,
        tail_low=tail if exact else Decimal(0),
        tail_high=tail if exact else price.window * bill.last_windows,
        tail_s=tail_s,
        idle=price.window * bill.idle_windows,
        hour=hour,
        hour_low=low,
        hour_high=high,
        million_input_tokens=million_in,
        million_output_tokens=million_out,
        thousand_requests=thousand,
        warm_hour=price.hour,
        storage_month=price.storage_month,
    )


def _per(dollars: Decimal, count: float, unit: Decimal) -> Decimal | None:
    return dollars / Decimal(str(count)) * unit if count > 0 else None


@dataclass(frozen=True, slots=True)
class Warmth:
    """Keeping one copy warm against letting it go cold, in dollars.

    `day` and `month` keep it warm; `month_with_storage` stores the model too (None: unknown). `wake` is one window,
    which each wake-up bills at least. At `even_wakes_a_day` wake-ups, waking would cost as much as keeping it warm.
    `most_wakes_a_day` is how many there can be. `wakes_a_day` is the former, or None if there cannot be as many.
    """

    day: Decimal
    month: Decimal
    month_with_storage: Decimal | None
    wake: Decimal
    even_wakes_a_day: Decimal
    most_wakes_a_day: int

    @property
    def wakes_a_day(self) -> Decimal | None:
        """From how many wake-ups a day on waking costs as much as keeping it warm; None: it never does."""
        return self.even_wakes_a_day if self.even_wakes_a_day <= self.most_wakes_a_day else None


def keeping_warm(price: Price, cycle_s: float) -> Warmth:
    """What keeping a copy warm costs; between two wake-ups lie `cycle_s` seconds at least: an answer, the time until it
    scales to zero, a cold start."""
    day = price.hour * _HOURS_A_DAY
    month, stored = day * DAYS_A_MONTH, price.storage_month
    even = day / price.window if price.window else Decimal(0)
    return Warmth(day, month, None if stored is None else month + stored, price.window, even, int(_DAY_S // cycle_s))
