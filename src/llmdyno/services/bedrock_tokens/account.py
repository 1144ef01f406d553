"""A run's tokens and what they cost. It also prices a run on any other endpoint, with the user's prices.

In: a run, what the user knows better. Out: an :class:`Account`. It asks nobody. Rates are at real speed, also those of
an emulated run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from msgspec.structs import replace

from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_runs import tier_of, tiers_told, writes_cache
from llmdyno.services.bedrock_tokens.prices import Quote, quote
from llmdyno.services.bedrock_tokens.report import cost_report, projection_report
from llmdyno.services.delivered import TokenRun
from llmdyno.services.per_token import Bill, bill_of
from llmdyno.services.service import Overrides, ScalingOverrides, TokenPrices
from llmdyno.services.traffic import Traffic


@dataclass(frozen=True)
class Account(TokenRun):
    """What is known of a run's tokens and of their cost.

    `tier`: the service tier of its requests (None: the default one). `price` has the prices, or why there are none.
    """

    tier: str | None
    price: Quote

    @cached_property
    def bill(self) -> Bill | None:
        """The bill; None: there is no price."""
        prices = self.price.prices
        return None if prices is None else bill_of(self.usage, prices, writes=self.writes)

    @property
    def writes(self) -> bool:
        """Whether the requests ask the service to write to a cache."""
        return writes_cache(self.run.spec)

    def report(self, prices: TokenPrices | None = None) -> dict[str, Any]:
        """The content of cost.json; `prices` adds a comparison with other prices."""
        return cost_report(self, prices)

    def project(self, better: ScalingOverrides, traffic: Traffic) -> dict[str, Any]:
        """What a day and a month of traffic would cost.

        Raises:
            InputError: there is no price, or no request of the run was answered.
        """
        if self.bill is None:
            raise InputError(str(self.run.path), "there is no price of a token", "give --price IN,OUT")
        if self.bill.request is None:
            problem = "no request succeeded, so the run does not show what one costs"
            raise InputError(str(self.run.path), problem, "give a run in which requests succeeded")
        return projection_report(self, self.bill, traffic)


def account_of(run: Run, model: ModelFacts, overrides: Overrides) -> Account:
    """The account of a run.

    Args:
        run: the run.
        model: its identifier and its region; without an identifier only the user knows prices.
        overrides: the user's prices and region, if the user gives any.
    """
    facts = replace(model, region=overrides.region or model.region)
    told = tiers_told(run.timeline)
    tier = ", ".join(sorted(told)) or tier_of(run.spec)
    if overrides.prices is not None:
        found = Quote(overrides.prices, "the price given")
    elif facts.arn is None:
        found = Quote(None, None, "no price of this endpoint's tokens is known; give --price IN,OUT")
    elif len(told) > 1:
        found = Quote(None, None, f"the answers came from several service tiers ({tier}); give --price IN,OUT")
    else:
        found = quote(facts.arn, facts.base_model or None, facts.region, tier)
    return Account(run, facts, overrides, tier, found)
