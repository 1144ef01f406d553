"""What tokens cost, and what a load costs by the token. PURE; decimals throughout.

In: the tokens of a run's requests, prices a million tokens. Out: dollars between two bounds. The formula, request by
request: ``(fresh input × input + cached input × cached + output × output) ÷ 1,000,000``. It knows no service.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmdyno.services.amounts import MILLION
from llmdyno.services.service import TokenPrices
from llmdyno.services.usage import BEST, HIGH, LOW, Usage

LONGEST_CACHE = Decimal(2)
"""A write to a cache costs at most twice the input price, if its own price is unknown: the longest-lived one does."""
_Z95 = 1.96
"""Standard deviations of a normal distribution on each side of 95% of it."""


class Range(NamedTuple):
    """Dollars: the lowest, the best guess, the highest."""

    low: Decimal
    dollars: Decimal
    high: Decimal

    def times(self, factor: Decimal) -> Range:
        """Each bound times a factor that is not negative."""
        return Range(*(bound * factor for bound in self))


class Levels(NamedTuple):
    """Dollars a million tokens at one bound: fresh input, cached input, output."""

    fresh: Decimal
    cached: Decimal
    output: Decimal


def levels(prices: TokenPrices, *, writes: bool) -> tuple[Levels, Levels, Levels]:
    """The prices at the lowest bound, as the best guess, and at the highest bound.

    Args:
        prices: without a price of cached tokens, they cost nothing at the lowest bound and the input price otherwise.
        writes: whether requests ask the service to write to a cache. How many tokens are written is not recorded: none
            at the lowest bound and as the best guess, all that did not come from the cache at the highest one.
    """
    cached = prices.cached
    written = prices.written if prices.written is not None else prices.input * LONGEST_CACHE
    low = Levels(prices.input, Decimal(0) if cached is None else cached, prices.output)
    best = low._replace(cached=prices.input if cached is None else cached)
    return low, best, best._replace(fresh=max(prices.input, written)) if writes else best


def dollars(usage: Usage, prices: TokenPrices, *, writes: bool = False) -> Range:
    """What requests cost together."""
    found = []
    for row, level in zip((LOW, BEST, HIGH), levels(prices, writes=writes), strict=True):
        counts = (int(counts[row].sum()) for counts in (usage.fresh, usage.cached, usage.output))
        found.append(sum((count * price for count, price in zip(counts, level, strict=True)), Decimal(0)) / MILLION)
    return Range(*found)


def dollars_each(usage: Usage, prices: TokenPrices) -> NDArray[np.float64]:
    """The best guess of what each request costs, dollars; shape (requests,)."""
    _, best, _ = levels(prices, writes=False)
    rows = (usage.fresh[BEST], usage.cached[BEST], usage.output[BEST])
    parts = [row * float(price) / 1e6 for row, price in zip(rows, best, strict=True)]
    return np.asarray(sum(parts), np.float64)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run costs by the token.

    `run`: all of its requests, warm-up included. `request`: an answered request of the measured part; its highest bound
    bears the failed ones. `million_output_tokens`: the same requests, by the output tokens that they brought. None: no
    request was answered, or it brought no token. `spread`: the standard deviation of an answered request's dollars
    (None: there are fewer than two). `answered`: how many the last three rest on.
    """

    run: Range
    request: Range | None
    million_output_tokens: Range | None
    spread: float | None
    answered: int


def bill_of(usage: Usage, prices: TokenPrices, *, writes: bool = False) -> Bill:
    """The bill of a run's requests."""
    run = dollars(usage, prices, writes=writes)
    measured = usage.only(usage.measured)
    answered = measured.only(measured.answered)
    count = len(answered)
    if not count:
        return Bill(run, None, None, None, 0)
    good, every = dollars(answered, prices, writes=writes), dollars(measured, prices, writes=writes)
    shared = Range(good.low, good.dollars, every.high)
    each = dollars_each(answered, prices)
    spread = float(each.std(ddof=1)) if count > 1 else None
    return Bill(run, shared.times(1 / Decimal(count)), _million(answered, shared, prices), spread, count)


def _million(answered: Usage, shared: Range, prices: TokenPrices) -> Range | None:
    """Dollars of a million output tokens, input included.

    More tokens make the answers dearer, and a token of them cheaper. So the lowest bound has the most output tokens.
    """
    least, best, most = (Decimal(int(answered.output[row].sum())) for row in (LOW, BEST, HIGH))
    if not least:
        return None
    part = prices.output / MILLION
    low = (shared.low - least * part) / most + part
    high = (shared.high - most * part) / least + part
    return Range(low * MILLION, shared.dollars / best * MILLION, high * MILLION)


def traffic_dollars(bill: Bill, requests: float, days: int = 1, *, poisson: bool = False) -> Range | None:
    """What `days` days with `requests` requests each cost: the mean request's dollars, with 95% of their spread.

    The spread has three parts: the mean is known from the run's answers only, each request differs, and with `poisson`
    their number is Poisson with that mean. A run with one answer shows no difference between requests. None: no request
    was answered.
    """
    if bill.request is None:
        return None
    total = requests * days
    whole = bill.request.times(Decimal(repr(float(total))))
    deviation = bill.spread or 0.0
    variance = deviation**2 * (total * total / bill.answered + total)
    if poisson:
        variance += total * float(bill.request.dollars) ** 2
    if not variance:
        return whole
    margin = Decimal(repr(_Z95 * math.sqrt(variance)))
    return Range(max(Decimal(0), whole.low - margin), whole.dollars, whole.high + margin)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """From how many requests an hour on a fixed price an hour costs less than requests by the token.

    `low` and `high` bound it. `high` is None if requests may cost nothing, and `low` is None if they do: then a fixed
    price never costs less.
    """

    low: Decimal | None
    high: Decimal | None

    def beyond(self, requests_per_hour: float) -> bool | None:
        """Whether a load is above it; None: it is between the bounds."""
        load = Decimal(str(requests_per_hour))
        if self.low is None or load < self.low:
            return False
        return True if self.high is not None and load > self.high else None


def break_even(hour: Decimal, request: Range) -> BreakEven:
    """The break-even of dollars an hour with dollars a request."""
    return BreakEven(*(hour / bound if bound else None for bound in (request.high, request.low)))
