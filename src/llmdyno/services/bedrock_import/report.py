"""The content of cost.json. PURE.

In: an account, prices per token to compare with. Out: JSON's own types. Dollars are texts, exact. Times are seconds
after the run's origin at real speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmdyno.runs.run import builtins
from llmdyno.services.bedrock_import.billing import WINDOW_S, CopyBill
from llmdyno.services.bedrock_import.cost import Cost, Delivered, Price, compare, exact_text, keeping_warm
from llmdyno.services.copies import INFERRED
from llmdyno.services.service import TokenPrices

if TYPE_CHECKING:
    from llmdyno.services.bedrock_import.account import Account


_DOLLARS = (
    "run",
    "run_low",
    "run_high",
    "tail",
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
        "cold_start_between_s": account.slowest_cold_start_s(),
        "price": _price(account.price, account.price_source),
        "cost": _cost(account.price, account.cost),
        "comparison": _comparison(account.cost, account.delivered, prices),
        "notes": list(account.notes),
    }


def _copies(account: Account) -> dict[str, Any]:
    copies = account.copies
    return {
        "source": copies.source,
        "calls_per_copy": copies.calls_per_copy,
        "at_least": copies.source == INFERRED and copies.calls_per_copy is None,
        "most": copies.most(),
        "over_time": [[round(time_s, 3), count] for time_s, count in copies.steps()],
        "each": [_copy(one) for one in account.bill.copies],
    }


def _copy(one: CopyBill) -> dict[str, Any]:
    return {
        "from_s": one.life.from_s,
        "to_s": one.life.to_s,
        "first_success_s": one.first_success_s,
        "last_s": one.last_s,
        "calls": one.calls,
        "windows": sorted(one.windows),
    }


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
