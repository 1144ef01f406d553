"""A load on model copies against a price per token. PURE; decimals throughout.

In: what a copy costs, what a copy carries, what the load delivered, dollars a million tokens. Out: a
:class:`Comparison`. A copy costs the same however little it carries, and carries so much and no more. So copies are
cheaper only if a full copy carries enough, and then only as long as each of them has enough to do.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from llmdyno.services.amounts import MILLION, THOUSAND
from llmdyno.services.bedrock_import.carrying import Carried
from llmdyno.services.bedrock_import.cost import Cost, Delivered
from llmdyno.services.service import TokenPrices

REACHED, NOT_REACHABLE, NOT_SHOWN = "reached", "not reachable", "not shown"


class Comparison(NamedTuple):
    """The load against a price per token; dollars, and requests an hour.

    `thousand_requests`: what a thousand such requests cost by the token. `hour_by_token`: what an hour of this load
    does. `cheaper_here`: whether copies are cheaper for this load (None: the copies are not known well enough).
    `needed_per_hour`: how many requests one copy must have to cost no more (None: tokens are free). `carries_per_hour`:
    what a full copy carries, at least and at most (at most None: unknown). `reach`: whether a full copy carries what is
    needed. `always_from`: from how many copies, and from how many requests, copies are cheaper whatever the load, as
    the next copy then has enough to do from its first moment (None: nowhere, or not known).
    """

    thousand_requests: Decimal
    hour_by_token: Decimal
    cheaper_here: bool | None
    needed_per_hour: Decimal | None
    carries_per_hour: tuple[Decimal, Decimal | None]
    reach: str
    always_from: tuple[int, Decimal] | None

    @property
    def break_even_per_hour(self) -> Decimal | None:
        """From how many requests an hour on one copy is cheaper; None: the run does not show that it ever is."""
        return self.needed_per_hour if self.reach == REACHED else None

    def worth(self, per_hour: Decimal) -> Decimal:
        """What so many requests cost by the token."""
        return self.thousand_requests / THOUSAND * per_hour


def compare(cost: Cost, delivered: Delivered, carries: Carried | None, prices: TokenPrices) -> Comparison:
    """Compare the load with dollars a million input and output tokens."""
    requests = Decimal(str(delivered.requests_per_hour))
    by_token = (
        Decimal(str(delivered.input_tokens_per_hour)) * prices.input
        + Decimal(str(delivered.output_tokens_per_hour)) * prices.output
    ) / MILLION
    request = by_token / requests if requests else Decimal(0)
    low, high = (0.0, None) if carries is None else carries.per_hour()
    bounds = Decimal(str(low)), None if high is None else Decimal(str(high))
    needed = cost.warm_hour / request if request else None
    reach = _reach(needed, *bounds)
    always = _always_from(needed, bounds[0]) if needed is not None and reach == REACHED else None
    return Comparison(request * THOUSAND, by_token, _cheaper(cost, by_token), needed, bounds, reach, always)


def _reach(needed: Decimal | None, low: Decimal, high: Decimal | None) -> str:
    """Whether a full copy, which carries `low` to `high` (None: unknown) requests an hour, carries what is needed."""
    if needed is None:
        return NOT_REACHABLE
    if needed <= low:
        return REACHED
    return NOT_REACHABLE if high is not None and needed > high else NOT_SHOWN


def _always_from(needed: Decimal, full: Decimal) -> tuple[int, Decimal] | None:
    """n full copies carry what n + 1 copies need, n·full ≥ (n + 1)·needed, from n = needed ÷ (full − needed) on."""
    if full <= needed:
        return None
    copies = max(1, math.ceil((needed / (full - needed)).to_integral_value(ROUND_CEILING)))
    return copies, needed * copies


def _cheaper(cost: Cost, by_token: Decimal) -> bool | None:
    if cost.hour is None or cost.hour_low is None:
        return None
    if by_token < cost.hour_low:
        return False
    return True if cost.hour_high is not None and by_token > cost.hour_high else None
