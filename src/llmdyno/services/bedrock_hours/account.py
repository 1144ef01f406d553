"""What provisioned throughput costs, against what a run used of it. It also prices a run on any other endpoint.

In: a run, what the user knows better. Out: an :class:`Account`. It asks nobody. Rates are at real speed, also those of
an emulated run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from llmdyno.errors import InputError
from llmdyno.metrics.windows import whole_window
from llmdyno.services.bedrock_hours.cost import Cost, cost_of
from llmdyno.services.bedrock_hours.report import cost_report, projection_report
from llmdyno.services.delivered import TokenRun
from llmdyno.services.service import ScalingOverrides, TokenPrices
from llmdyno.services.traffic import Traffic

_GIVE = "give --price-hour DOLLARS and --model-units N"


@dataclass(frozen=True)
class Account(TokenRun):
    """What is known of provisioned throughput and of a run on it. `unasked`: why AWS did not say the number of units
    (None: it did, or it was not asked)."""

    unasked: str | None = None

    @property
    def commitment(self) -> str:
        """For how long the units are bought."""
        return self.overrides.commitment or "none"

    @property
    def problem(self) -> str | None:
        """Why there is no cost; None: there is one."""
        if self.overrides.dollars_per_hour is None:
            return f"the price of a model unit and hour is not known: AWS tells most of them to its customers; {_GIVE}"
        if self.overrides.model_units is None:
            why = "" if self.unasked is None else f" ({self.unasked})"
            return f"the number of model units is not known{why}; give --model-units N"
        return None

    @cached_property
    def cost(self) -> Cost | None:
        """The cost; None: the price or the units are not known."""
        price, units = self.overrides.dollars_per_hour, self.overrides.model_units
        if price is None or units is None:
            return None
        whole = whole_window(self.run.timeline)
        return cost_of(units, price, self.commitment, (whole.duration_s if whole else 0.0) * self.clock.speed)

    def report(self, prices: TokenPrices | None = None) -> dict[str, Any]:
        """The content of cost.json; `prices` adds a comparison with a price by the token."""
        return cost_report(self, prices)

    def project(self, better: ScalingOverrides, traffic: Traffic) -> dict[str, Any]:
        """What a day and a month of traffic would cost.

        Raises:
            InputError: the price or the units are not known.
        """
        if self.cost is None:
            raise InputError(str(self.run.path), str(self.problem).partition(";")[0], _GIVE)
        return projection_report(self, self.cost, traffic)
