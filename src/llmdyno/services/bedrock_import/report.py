"""The content of cost.json. PURE.

In: an account, prices per token to compare with. Out: JSON's own types. Dollars are texts, exact. Times are seconds
after the run's origin at real speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmdyno.runs.run import builtins
from llmdyno.services.bedrock_import.billing import WINDOW_S, CopyBill
from llmdyno.services.bedrock_import.bounds import Range
from llmdyno.services.bedrock_import.cost import Cost, Delivered, Price, compare, exact_text, keeping_warm
from llmdyno.services.copies import CopyLifetime, bounded
from llmdyno.services.service import TokenPrices

if TYPE_CHECKING:
    from llmdyno.services.bedrock_import.account import Account


_DOLLARS = (
    "run",
    "run_low",
    "run_high",
    "tail",
    "tail_low",
    "tail_high",
    "idle",
    "hour",
    "million_output_tokens",
    "thousand_requests",
    "warm_hour",
    "storage_month",
)


def cost_report(account: Account, prices: TokenPrices | None = None) -> dict[str, Any]:
    """The report of an account; `prices` adds a comparison."""
    cold_s = account.cold_starts_s()
    return {
        "emulated": account.run.emulated_json,
        "model": builtins(account.model),
        "copies": _copies(account),
        "windows": _windows(account),
        "delivered": _delivered(account.delivered),
        "cold_start_s": max(cold_s) if cold_s else None,
        "price": _price(account.price, account.price_source),
        "cost": _cost(account.price, account.cost),
        "comparison": _comparison(account.cost, account.delivered, prices),
        "notes": list(account.notes),
    }


def _copies(account: Account) -> dict[str, Any]:
    copies, bill = account.copies, account.bill
    return {
        "source": copies.source,
        "calls_per_copy": copies.calls_per_copy,
        "carries": None if copies.carries is None else list(copies.carries),
        "round_trip_s": list(account.calls.round_trip),
        "at_least": copies.at_least,
        "most": copies.most(),
        "over_time": [[round(time_s, 3), count] for time_s, count in copies.steps()],
        "each": [_copy(one, part) for one, part in zip(bill.copies, bill.each, strict=True)],
        "possible": [_possible(life, part) for life, part in zip(copies.possible, bill.possible, strict=True)],
    }


def _copy(one: CopyBill, part: Range) -> dict[str, Any]:
    return {
        "from_s": one.life.from_s,
        "from_span_s": bounded(one.life.came_s),
        "to_s": one.life.to_s,
        "to_span_s": bounded(one.life.went_s),
        "first_success_s": one.first_success_s,
        "last_s": one.last_s,
        "calls": one.calls,
        "windows": sorted(one.windows),
        "windows_low": part.low,
        "windows_high": part.high,
    }


def _possible(life: CopyLifetime, part: Range) -> dict[str, Any]:
    """A copy that may have been there too."""
    return {"from_span_s": bounded(life.came_s), "to_span_s": bounded(life.went_s), "windows_high": part.high}


def _windows(account: Account) -> dict[str, Any]:
    bill = account.bill
    return {
        "billed": bill.windows,
        "low": bill.low,
        "high": bill.high,
        "idle": bill.idle_windows,
        "length_s": WINDOW_S,
    }


def _delivered(delivered: Delivered | None) -> dict[str, float] | None:
    if delivered is None:
        return None
    return {
        "copies": delivered.copies,
        "requests_per_hour": delivered.requests_per_hour,
        "input_tokens_per_hour": delivered.input_tokens_per_hour,
        "output_tokens_per_hour": delivered.output_tokens_per_hour,
    }


def _price(price: Price | None, source: str | None) -> dict[str, Any] | None:
    if price is None:
        return None
    return {
        "dollars_per_cmu_minute": str(price.dollars_per_cmu_minute),
        "source": source,
        "units": price.units,
        "window": str(price.window),
        "copy_hour": str(price.hour),
    }


def _cost(price: Price | None, cost: Cost | None) -> dict[str, Any] | None:
    if price is None or cost is None:
        return None
    warmth = keeping_warm(price)
    return {
        **{name: exact_text(getattr(cost, name)) for name in _DOLLARS},
        "tail_s": cost.tail_s,
        "warm_day": str(warmth.day),
        "warm_month": str(warmth.month),
        "wake": str(warmth.wake),
        "wakes_a_day": exact_text(warmth.wakes_a_day),
    }


def _comparison(cost: Cost | None, delivered: Delivered | None, prices: TokenPrices | None) -> dict[str, Any] | None:
    if cost is None or delivered is None or prices is None:
        return None
    found = compare(cost, delivered, prices.input, prices.output)
    return {
        "input_dollars_per_million": str(prices.input),
        "output_dollars_per_million": str(prices.output),
        "thousand_requests": exact_text(found.thousand_requests),
        "break_even_requests_per_hour": exact_text(found.break_even_requests_per_hour),
        "cheaper_here": found.cheaper_here,
    }
