"""The content of cost.json. PURE.

In: an account, prices per token to compare with. Out: JSON's own types. Dollars are texts, exact. Times are seconds
after the run's origin at real speed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmdyno.runs.run import builtins
from llmdyno.services.amounts import exact_text
from llmdyno.services.bedrock_import.billing import WINDOW_S, CopyBill
from llmdyno.services.bedrock_import.bounds import Range
from llmdyno.services.bedrock_import.breakeven import compare
from llmdyno.services.bedrock_import.carrying import carried, finding_command, mean_answer_s
from llmdyno.services.bedrock_import.cost import Delivered, Price, Warmth, keeping_warm
from llmdyno.services.bedrock_import.documented import IDLE_S
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
    "hour_low",
    "hour_high",
    "million_input_tokens",
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
        "cost": _cost(account),
        "comparison": _comparison(account, prices),
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


def _delivered(delivered: Delivered | None) -> dict[str, Any] | None:
    if delivered is None:
        return None
    low, high = delivered.copies_span or (delivered.copies, delivered.copies)
    window = delivered.window
    return {
        "copies": delivered.copies,
        "copies_low": low,
        "copies_high": high,
        "window": None if window is None else {**window._asdict(), "short": window.short},
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


def _cost(account: Account) -> dict[str, Any] | None:
    price, cost = account.price, account.cost
    if price is None or cost is None:
        return None
    return {
        **{name: exact_text(getattr(cost, name)) for name in _DOLLARS},
        "tail_s": cost.tail_s,
        **_warmth(keeping_warm(price, _cycle_s(account))),
    }


def _cycle_s(account: Account) -> float:
    """The least time between two wake-ups, seconds: an answer, the time until it scales to zero, a cold start."""
    better, cold_s = account.better, account.cold_starts_s()
    idle_s = better.idle_s if better.idle_s is not None else IDLE_S
    cold_start_s = better.cold_start_s if better.cold_start_s is not None else min(cold_s, default=0.0)
    return (mean_answer_s(account) or 0.0) + idle_s + cold_start_s


def _warmth(warmth: Warmth) -> dict[str, Any]:
    return {
        "warm_day": str(warmth.day),
        "warm_month": str(warmth.month),
        "warm_month_with_storage": exact_text(warmth.month_with_storage),
        "wake": str(warmth.wake),
        "wakes_a_day": exact_text(warmth.wakes_a_day),
        "even_wakes_a_day": exact_text(warmth.even_wakes_a_day),
        "most_wakes_a_day": warmth.most_wakes_a_day,
    }


def _comparison(account: Account, prices: TokenPrices | None) -> dict[str, Any] | None:
    cost, delivered = account.cost, account.delivered
    if cost is None or delivered is None or prices is None:
        return None
    carries = carried(account)
    found = compare(cost, delivered, carries, prices)
    least, most = found.carries_per_hour
    unknown = carries is not None and carries.calls is None
    copies, requests = found.always_from or (None, None)
    return {
        "input_dollars_per_million": str(prices.input),
        "output_dollars_per_million": str(prices.output),
        "thousand_requests": exact_text(found.thousand_requests),
        "hour_by_token": exact_text(found.hour_by_token),
        "hour_on_copies": exact_text(cost.hour),
        "cheaper_here": found.cheaper_here,
        "break_even": found.reach,
        "break_even_requests_per_hour": exact_text(found.break_even_per_hour),
        "needed_requests_per_hour": exact_text(found.needed_per_hour),
        "copy_hour": exact_text(cost.warm_hour),
        "full_copy_requests_per_hour": [exact_text(least), exact_text(most)],
        "full_copy_by_token": [exact_text(found.worth(least)), None if most is None else exact_text(found.worth(most))],
        "always_from_copies": copies,
        "always_from_requests_per_hour": exact_text(requests),
        "find_with": finding_command(account, carries.low) if unknown and carries is not None else None,
    }
