"""The content of cost.json for a run that is billed by the hour. PURE.

In: an account, prices by the token to compare with. Out: JSON's own types. Dollars are texts, exact.
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from llmdyno.services.amounts import MILLION, THOUSAND, exact_text
from llmdyno.services.bedrock_hours.cost import Cost
from llmdyno.services.per_token import bill_of
from llmdyno.services.service import TokenPrices
from llmdyno.services.token_report import (
    delivered_report,
    even_report,
    model_report,
    price_report,
    range_report,
    requests_report,
    tokens_report,
    usage_notes,
)
from llmdyno.services.traffic import Traffic, day_report

if TYPE_CHECKING:
    from llmdyno.services.bedrock_hours.account import Account


def cost_report(account: Account, prices: TokenPrices | None = None) -> dict[str, Any]:
    """The report of an account; `prices` adds a comparison by the token."""
    overrides = account.overrides
    hourly = overrides.dollars_per_hour
    return {
        "emulated": account.run.emulated_json,
        "model": model_report(account),
        "price": None
        if hourly is None
        else {
            "dollars_per_unit_hour": str(hourly),
            "model_units": overrides.model_units,
            "commitment": account.commitment,
            "source": "the price given",
        },
        "requests": requests_report(account.usage),
        "tokens": tokens_report(account.usage),
        "delivered": delivered_report(account.usage, account.delivered),
        "cost": _cost(account),
        "comparison": _comparison(account, prices),
        "notes": _notes(account, prices),
    }


def _cost(account: Account) -> dict[str, Any] | None:
    cost = account.cost
    if cost is None:
        return None
    thousand = million = None
    told = delivered_report(account.usage, account.delivered)
    if told is not None:
        thousand = cost.hour / Decimal(str(told["requests_per_hour"])) * THOUSAND
        tokens = Decimal(str(told["output_tokens_per_hour"]))
        million = cost.hour / tokens * MILLION if tokens else None
    return {
        **{name: exact_text(value) for name, value in asdict(cost).items()},
        "thousand_requests": exact_text(thousand),
        "million_output_tokens": exact_text(million),
    }


def _comparison(account: Account, prices: TokenPrices | None) -> dict[str, Any] | None:
    """The same requests by the token, and from how many requests an hour on the units cost less."""
    if prices is None or account.cost is None:
        return None
    request = bill_of(account.usage, prices).request
    if request is None or account.delivered is None:
        return None
    return {
        **(price_report(prices, None) or {}),
        "thousand_requests": range_report(request.times(THOUSAND)),
        **even_report(account.cost.hour, request, account.delivered),
    }


def _notes(account: Account, prices: TokenPrices | None) -> list[str]:
    found = [] if account.problem is None else [account.problem]
    if account.model.arn is None:
        found.append("the price is the one given: llmdyno does not know what this endpoint bills")
    return found + (usage_notes(account.usage) if prices is not None else [])


def projection_report(account: Account, cost: Cost, traffic: Traffic) -> dict[str, Any]:
    """A day and a month, in the form that cost.json holds. They cost the same whatever the traffic."""
    count, peak = round(traffic.expected), traffic.peak
    busiest = 0 if peak is None else round(peak.requests)
    delivered = account.delivered
    seen = delivered.requests_per_hour if delivered is not None else 0.0
    return {
        "traffic": traffic.description,
        "requests": count,
        "busiest_hour": busiest,
        "seen_per_hour": seen,
        "carried": busiest <= seen,
        "day": exact_text(cost.day),
        "month": exact_text(cost.month),
        "thousand_requests": exact_text(cost.day / count * THOUSAND) if count else None,
        **day_report(traffic),
        "assumptions": [
            "the units are there day and night, and cost the same whatever the traffic: a month is 30 whole days",
            "what a model unit carries is not public: only a run shows it",
        ],
    }
