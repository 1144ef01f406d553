"""What every report on tokens holds. PURE.

In: the tokens of a run's requests, prices, bounds in dollars. Out: JSON's own types. Dollars are texts, exact. Three
numbers or texts bound a figure: the lowest, the best guess, the highest.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from llmdyno.services.amounts import exact_text
from llmdyno.services.delivered import Delivered, TokenRun
from llmdyno.services.per_token import Range, break_even
from llmdyno.services.service import TokenPrices
from llmdyno.services.usage import BEST, Counts, Usage


def model_report(account: TokenRun) -> dict[str, str | None]:
    """The model: its name as the run has it, the foundation model behind it, its region. None: unknown."""
    model = account.model
    return {"name": model.arn or account.run.model, "base": model.base_model or None, "region": model.region}


def price_report(prices: TokenPrices | None, source: str | None) -> dict[str, Any] | None:
    """Prices a million tokens; None: there are none."""
    if prices is None:
        return None
    named = {name: None if value is None else str(value) for name, value in prices._asdict().items()}
    return {**named, "source": source}


def requests_report(usage: Usage) -> dict[str, int]:
    """How many requests there are of each kind."""
    return {
        "sent": len(usage),
        "answered": int(usage.answered.sum()),
        "estimated": int(usage.estimated.sum()),
        "failed": int(usage.failed.sum()),
        "refused": int(usage.refused.sum()),
        "warmup": int((~usage.measured).sum()),
    }


def tokens_report(usage: Usage) -> dict[str, list[int]]:
    """The tokens of all requests by what they are: the lowest count, the best guess, the highest."""
    return {name: _sums(getattr(usage, name)) for name in ("fresh", "cached", "output")}


def _sums(counts: Counts) -> list[int]:
    return [int(row.sum()) for row in counts]


def means_of(usage: Usage) -> tuple[float, float]:
    """The mean input and output tokens of the measured requests that were answered. There is at least one."""
    answered = usage.only(usage.measured & usage.answered)
    return float((answered.fresh[BEST] + answered.cached[BEST]).mean()), float(answered.output[BEST].mean())


def delivered_report(usage: Usage, delivered: Delivered | None) -> dict[str, Any] | None:
    """What the load delivered an hour, and the window that shows it; None: nothing."""
    if delivered is None:
        return None
    inputs, outputs = means_of(usage)
    return {
        "requests_per_hour": delivered.requests_per_hour,
        "input_tokens_per_hour": inputs * delivered.requests_per_hour,
        "output_tokens_per_hour": outputs * delivered.requests_per_hour,
        "window_s": delivered.window_s,
        "steady": delivered.steady,
    }


def range_report(found: Range | None) -> dict[str, str | None] | None:
    """Three bounds as exact texts."""
    return None if found is None else {name: exact_text(value) for name, value in found._asdict().items()}


def even_report(hour: Decimal, request: Range, delivered: Delivered) -> dict[str, Any]:
    """From how many requests an hour on a fixed price an hour costs less, and whether this load is beyond that.

    `beyond` is None if the load is between the bounds of the break-even.
    """
    found = break_even(hour, request)
    return {
        "break_even_requests_per_hour": {"low": exact_text(found.low), "high": exact_text(found.high)},
        "beyond": found.beyond(delivered.requests_per_hour),
    }


def usage_notes(usage: Usage) -> list[str]:
    """What bounds the counts of tokens, a sentence for each kind of request."""
    failed, refused, estimated = (int(one.sum()) for one in (usage.failed, usage.refused, usage.estimated))
    found = []
    if estimated:
        found.append(
            f"the server did not count the tokens of {_requests(estimated)}: they are estimated, and the bounds have "
            "room for the error"
        )
    if failed:
        found.append(
            f"{_requests(failed)} failed, and what is billed for {'it' if failed == 1 else 'them'} is unknown: nothing "
            "at the lowest bound; the prompt and what arrived, or may have been written, at the highest one"
        )
    if refused:
        were = "was" if refused == 1 else "were"
        found.append(f"{_requests(refused)} {were} refused with a status from 400 to 499: taken as not billed")
    return found


def _requests(count: int) -> str:
    return f"{count:,} request{'s' * (count != 1)}"
