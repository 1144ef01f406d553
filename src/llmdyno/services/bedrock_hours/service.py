"""Amazon Bedrock's provisioned throughput as a :class:`~llmdyno.services.service.Service`.

In: runs and specs. Out: accounts, bounds on cost. Model units are billed by the hour, whether they are used or not. The
service shows no copies, and a model never goes cold.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import TYPE_CHECKING

from llmdyno.aws.identity import PROVISIONED, kind_of
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_runs import facts_of, identifier_in
from llmdyno.services.service import ASK, NO_OVERRIDES, CostBound, Inquiry, Overrides, ScalingOverrides, Service
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:  # a run on another endpoint asks whose model it is, and needs none of this
    from llmdyno.services.bedrock_hours.account import Account

NAME = "bedrock_hours"


class BedrockHours:
    """The service; it holds nothing."""

    name = NAME
    title = "Amazon Bedrock"
    billing = "hours"
    takes = frozenset({"dollars_per_hour", "model_units", "commitment", "region"})
    by_hand = "dollars_per_hour"
    refusals = REFUSALS
    scales_to_zero = False
    idle_s = math.inf

    def facts(self, run: Run) -> ModelFacts | None:
        """What a run knows of its provisioned throughput; None: it is no model of this service."""
        return facts_of(run, (PROVISIONED,))

    def bills(self, model: str | None) -> bool:
        """Whether the name holds the ARN of provisioned throughput."""
        return kind_of(identifier_in(model) or "") == PROVISIONED

    def account(self, run: Run, overrides: Overrides = NO_OVERRIDES, inquiry: Inquiry = ASK) -> Account:
        """The account of a run. AWS is asked for the model units, if the user gives their price alone."""
        from llmdyno.services.bedrock_hours.account import Account
        from llmdyno.services.bedrock_hours.units import with_units

        facts = self.facts(run) or ModelFacts()
        known, problem = with_units(run, facts, overrides, inquiry)
        return Account(run, facts, known, problem)

    def projection_notes(self, run: Run, better: ScalingOverrides, inquiry: Inquiry = ASK) -> list[str]:
        """Nothing: no quota of model units is read."""
        return []

    def bound(self, spec: Spec, *, rounds: int | None = None) -> CostBound:
        """Nothing: the units are paid whether the load is sent or not."""
        return CostBound(0, 0, Decimal(0), "its model units are paid by the hour, whether they are used or not")

    def watch(self, spec: Spec, on_copies: Callable[[int], None]) -> AbstractContextManager[object]:
        """Nothing: there are no copies to watch."""
        return contextlib.nullcontext()

    def after(self, run: Run) -> None:
        """Nothing: the run has its tokens already."""


SERVICE: Service = BedrockHours()
