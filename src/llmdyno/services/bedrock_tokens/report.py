"""The content of cost.json for a run that is billed by the token. PURE.

In: an account, prices to compare with. Out: JSON's own types. Dollars are texts, exact; three of them bound a figure.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from llmdyno.services.amounts import THOUSAND
from llmdyno.services.moments import HOUR_S
from llmdyno.services.per_token import Bill, bill_of, traffic_dollars
from llmdyno.services.service import TokenPrices
from llmdyno.services.token_report import (
    delivered_report,
    even_report,
    means_of,
    model_report,
    price_report,
    range_report,
    requests_report,
    tokens_report,
    usage_notes,
)
from llmdyno.services.traffic import POISSON, Traffic, day_report
from llmdyno.services.usage import BEST

if TYPE_CHECKING:
    from llmdyno.services.bedrock_tokens.account import Account

_HOURS = 24
_FEW = 30
"""A mean of fewer answers has a spread that a normal distribution does not describe."""


def cost_report(account: Account, prices: TokenPrices | None = None) -> dict[str, Any]:
    """The report of an account; `prices` adds a comparison with other prices."""
    return {
        "emulated": account.run.emulated_json,
        "model": model_report(account),
        "tier": account.tier,
        "price": price_report(account.price.prices, account.price.source),
        "requests": requests_report(account.usage),
        "tokens": tokens_report(account.usage),
        "delivered": delivered_report(account.usage, account.delivered),
        "cost": _cost(account),
        "comparison": _comparison(account, prices),
        "hourly": _hourly(account),
        "notes": _notes(account),
    }


def _cost(account: Account) -> dict[str, Any] | None:
    bill, delivered = account.bill, account.delivered
    if bill is None:
        return None
    request = bill.request
    hour = None
    if request is not None and delivered is not None:
        hour = request.times(Decimal(str(delivered.requests_per_hour)))
    return {
        "run": range_report(bill.run),
        "request": range_report(request),
        "thousand_requests": range_report(None if request is None else request.times(THOUSAND)),
        "million_output_tokens": range_report(bill.million_output_tokens),
        "hour": range_report(hour),
    }


def _comparison(account: Account, prices: TokenPrices | None) -> dict[str, Any] | None:
    """The same requests at other prices."""
    if prices is None:
        return None
    there = bill_of(account.usage, prices, writes=account.writes).request
    if there is None:
        return None
    return {**(price_report(prices, None) or {}), "thousand_requests": range_report(there.times(THOUSAND))}


def _hourly(account: Account) -> dict[str, Any] | None:
    """The same load at a fixed price an hour, and from how many requests an hour on that costs less."""
    hour, bill, delivered = account.overrides.compare_hour, account.bill, account.delivered
    if hour is None or bill is None or bill.request is None or delivered is None:
        return None
    return {"hour": str(hour), **even_report(hour, bill.request, delivered)}


def _notes(account: Account) -> list[str]:
    usage, price = account.usage, account.price
    found = [note for note in (price.problem, price.note) if note is not None]
    if account.overrides.prices is not None and account.model.arn is None:
        found.append("the price is the one given: llmdyno does not know what this endpoint bills")
    found += usage_notes(usage)
    if price.prices is None:
        return found
    cached = bool(usage.cached[BEST].any())
    if cached and price.prices.cached is None:
        found.append(
            "no price of cached input is known: it counts as free at the lowest bound, and like other input at the "
            "highest one; give --price IN,OUT,CACHED"
        )
    if account.writes:
        found.append(
            "the requests' own fields speak of a cache, and how many tokens are written to it is not recorded: none at "
            "the lowest bound, and all that did not come from it at the highest one"
        )
    return found


def projection_report(account: Account, bill: Bill, traffic: Traffic) -> dict[str, Any]:
    """A day by the hour, and a month, in the form that cost.json holds."""
    drawn, count = traffic.arrivals == POISSON, traffic.expected
    per_hour = np.bincount((traffic.arrivals_s // HOUR_S).astype(int), minlength=_HOURS)[:_HOURS].tolist()
    inputs, outputs = means_of(account.usage)
    return {
        "traffic": f"{traffic.description}; {traffic.arrivals}",
        "requests": round(count),
        "days_a_month": traffic.days_a_month,
        **day_report(traffic),
        "assumptions": _assumptions(bill, inputs, outputs, drawn=drawn),
        "tokens": {"input": inputs * count, "output": outputs * count},
        "hours": [
            {"hour": hour, "requests": number, "cost": range_report(traffic_dollars(bill, number))}
            for hour, number in enumerate(per_hour)
        ],
        "day": range_report(traffic_dollars(bill, count, poisson=drawn)),
        "month": range_report(traffic_dollars(bill, count, traffic.days_a_month, poisson=drawn)),
    }


def _assumptions(bill: Bill, inputs: float, outputs: float, *, drawn: bool) -> list[str]:
    if bill.spread is None:
        spread = "the run has one answer, which shows no spread"
    else:
        spread = f"the bounds have 95% of the spread of this run's {bill.answered:,} answers"
        if bill.answered < _FEW:
            spread += ", which are too few to show it well"
    number = "so many requests come on average; their number is Poisson, and the hours show one draw of it"
    return [
        f"a request has {inputs:,.0f} input and {outputs:,.0f} output tokens, the means of this run; {spread}",
        number if drawn else "exactly so many requests come; when they come in the day does not matter to the bill",
        "the service answers all of them: it refuses none at that rate, and as many fail as in this run",
    ]
