"""What a run costs, and what its load costs by the hour, the token and the request. PURE; decimals throughout.

In: a bill, a price, what the run delivered. Out: a :class:`Cost`. The formula is the service's, window by window:
``sum over copies of billed windows × units a copy × rate a unit and minute × 5``.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from llmdyno.services.bedrock_import.billing import WINDOW_S, Bill
from llmdyno.services.bedrock_import.prices import WINDOW_MINUTES

DAYS_A_MONTH = 30
MILLION, THOUSAND = Decimal(1_000_000), Decimal(1_000)
_MINUTES_AN_HOUR = 60


@dataclass(frozen=True, slots=True)
class Price:
    """What a copy costs: its units, dollars a unit and minute, dollars a unit and month of storage (None: unknown)."""

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
        """Dollars a month for keeping the model."""
        return None if self.storage_dollars_per_cmu_month is None else self.storage_dollars_per_cmu_month * self.units


@dataclass(frozen=True, slots=True)
class Delivered:
    """What the load delivered at real speed: copies on average while it stood, requests and tokens an hour."""

    copies: float
    requests_per_hour: float
    input_tokens_per_hour: float
    output_tokens_per_hour: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Dollars. `run`, with `run_low` and `run_high` where the copies' ends are not known to the second; `tail` is the
    part of `run` that pays for the last windows after their last call; `idle` what windows without a call would add,
    were they billed. By the hour `hour`, by a million output tokens and a thousand requests, while the load stands
    (None: it delivered nothing)."""

    run: Decimal
    run_low: Decimal
    run_high: Decimal
    tail: Decimal
    tail_s: float
    idle: Decimal
    hour: Decimal | None
    million_output_tokens: Decimal | None
    thousand_requests: Decimal | None
    warm_hour: Decimal
    storage_month: Decimal | None


def cost_of(bill: Bill, price: Price, delivered: Delivered | None) -> Cost:
    """A run's cost; `delivered` is None where nothing was."""
    tail_s = sum(copy.tail_s() for copy in bill.copies)
    hour = million = thousand = None
    if delivered is not None:
        hour = price.hour * Decimal(str(delivered.copies))
        million = _per(hour, delivered.output_tokens_per_hour, MILLION)
        thousand = _per(hour, delivered.requests_per_hour, THOUSAND)
    return Cost(
        run=price.window * bill.windows,
        run_low=price.window * bill.low,
        run_high=price.window * bill.high,
        tail=price.window * Decimal(str(tail_s)) / Decimal(str(WINDOW_S)),
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
    """Against a price by the token: what a thousand requests of this kind cost there, how many requests an hour make
    the copies as cheap, and whether this load is beyond that."""

    thousand_requests: Decimal
    break_even_requests_per_hour: Decimal | None
    cheaper_here: bool | None


def compare(cost: Cost, delivered: Delivered, input_price: Decimal, output_price: Decimal) -> Comparison:
    """Set the load against dollars a million input and output tokens."""
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
    """Keeping one copy warm against letting it go cold, dollars: by the day and the month where it is kept; a window
    for each time it is woken, and after how many wake-ups a day those cost as much."""

    day: Decimal
    month: Decimal
    wake: Decimal
    wakes_a_day: Decimal


def keeping_warm(price: Price) -> Warmth:
    """What keeping a copy warm costs."""
    day = price.hour * 24
    return Warmth(day, day * DAYS_A_MONTH, price.window, day / price.window if price.window else Decimal(0))
