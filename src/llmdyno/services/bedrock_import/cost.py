"""What a run costs, and what its load costs by the hour, the token and the request. PURE; decimals throughout.

In: a bill, a price, what the run delivered. Out: a :class:`Cost`. The formula is the price page's, window by window:
``sum over copies of billed windows × units a copy × rate a unit and minute × 5``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from llmdyno.services.bedrock_import.billing import WINDOW_MINUTES, WINDOW_S, Bill

DAYS_A_MONTH = 30
MILLION, THOUSAND = Decimal(1_000_000), Decimal(1_000)
_MINUTES_AN_HOUR = 60
_HOURS_A_DAY = 24


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


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the load delivered at real speed: the mean number of copies in the steady window, requests and tokens an
    hour."""

    copies: float
    requests_per_hour: float
    input_tokens_per_hour: float
    output_tokens_per_hour: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars.

    `run` is the assumed bill; `run_low` and `run_high` bound the true one. `tail` is the part of `run` that pays for
    the last windows after their last call, `tail_s` seconds in all; `tail_low` and `tail_high` bound that part. `idle`
    is what windows without a call would add if they were billed.
    `hour`, `million_output_tokens` and `thousand_requests` hold while the load is steady (None: it delivered nothing).
    `warm_hour` keeps one copy warm. `storage_month` stores the model (None: unknown).
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
    million_output_tokens: Decimal | None
    thousand_requests: Decimal | None
    warm_hour: Decimal
    storage_month: Decimal | None


def cost_of(bill: Bill, price: Price, delivered: Delivered | None) -> Cost:
    """A run's cost; `delivered` is None if the run delivered nothing."""
    tail_s = sum(copy.tail_s() for copy in bill.copies)
    tail = price.window * Decimal(str(tail_s)) / Decimal(str(WINDOW_S))
    hour = million = thousand = None
    if delivered is not None:
        hour = price.hour * Decimal(str(delivered.copies))
        million = _per(hour, delivered.output_tokens_per_hour, MILLION)
        thousand = _per(hour, delivered.requests_per_hour, THOUSAND)
    return Cost(
        run=price.window * bill.windows,
        run_low=price.window * bill.low,
        run_high=price.window * bill.high,
        tail=tail,
        tail_low=tail if bill.low == bill.high else Decimal(0),
        tail_high=tail if bill.low == bill.high else price.window * bill.last_windows,
        tail_s=tail_s,
        idle=price.window * bill.idle_windows,
        hour=hour,
        million_output_tokens=million,
        thousand_requests=thousand,
        warm_hour=price.hour,
        storage_month=price.storage_month,
    )


def _per(dollars: Decimal, count: float, unit: Decimal) -> Decimal | None:
    return dollars / Decimal(str(count)) * unit if count > 0 else None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The load against a price per token.

    `thousand_requests`: dollars of a thousand such requests there. `break_even_requests_per_hour`: from how many
    requests an hour on copies are cheaper (None: unknown). `cheaper_here`: whether this load is beyond that.
    """

    thousand_requests: Decimal
    break_even_requests_per_hour: Decimal | None
    cheaper_here: bool | None


def compare(cost: Cost, delivered: Delivered, input_price: Decimal, output_price: Decimal) -> Comparison:
    """Compare the load with dollars a million input and output tokens."""
    requests = Decimal(str(delivered.requests_per_hour))
    if not requests:
        return Comparison(Decimal(0), None, None)
    tokens = Decimal(str(delivered.input_tokens_per_hour)) * input_price
    tokens += Decimal(str(delivered.output_tokens_per_hour)) * output_price
    request = tokens / MILLION / requests
    if not request or cost.hour is None:
        return Comparison(request * THOUSAND, None, None)
    even = cost.hour / request
    return Comparison(request * THOUSAND, even, requests > even)


@dataclass(frozen=True, slots=True)
class Warmth:
    """Keeping one copy warm against letting it go cold, in dollars.

    `day` and `month` keep it warm. `wake` is one window, which each wake-up bills at least. From `wakes_a_day` wake-ups
    on, waking costs as much as keeping it warm.
    """

    day: Decimal
    month: Decimal
    wake: Decimal
    wakes_a_day: Decimal


def keeping_warm(price: Price) -> Warmth:
    """What keeping a copy warm costs."""
    day = price.hour * _HOURS_A_DAY
    return Warmth(day, day * DAYS_A_MONTH, price.window, day / price.window if price.window else Decimal(0))


def exact_text(value: Decimal | None) -> str | None:
    """A decimal as text with up to twelve places, which cut a quotient's endless digits; None stays None."""
    return None if value is None else f"{value:.12f}".rstrip("0").rstrip(".")
