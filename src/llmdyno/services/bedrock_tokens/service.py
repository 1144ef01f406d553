"""Amazon Bedrock by the token as a :class:`~llmdyno.services.service.Service`.

In: runs and specs. Out: accounts, bounds on cost. Foundation models, inference profiles and custom models on demand are
billed for each input and output token. The service shows no copies, and a model never goes cold.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from llmdyno.aws.identity import APPLICATION_PROFILE, DEPLOYMENT, FOUNDATION, PROFILE, ROUTER, base_model_of, kind_of
from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_runs import facts_of, identifier_in, region_asked, tier_of, writes_cache
from llmdyno.services.service import ASK, NO_OVERRIDES, CostBound, Inquiry, Overrides, ScalingOverrides, Service
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:  # a run on another endpoint asks whose model it is, and needs none of this
    from llmdyno.services.bedrock_tokens.account import Account

NAME = "bedrock_tokens"
KINDS = frozenset({FOUNDATION, PROFILE, APPLICATION_PROFILE, DEPLOYMENT, ROUTER})
"""What is billed by the token."""


class BedrockTokens:
    """The service; it holds nothing."""

    name = NAME
    title = "Amazon Bedrock"
    billing = "tokens"
    takes = frozenset({"prices", "region", "compare_hour"})
    by_hand = "prices"
    refusals = REFUSALS
    scales_to_zero = False
    idle_s = math.inf

    def facts(self, run: Run) -> ModelFacts | None:
        """What a run knows of its model; None: it is no model of this service."""
        return facts_of(run, KINDS)

    def bills(self, model: str | None) -> bool:
        """Whether the name holds the identifier of a model on demand."""
        return kind_of(identifier_in(model) or "") in KINDS

    def account(self, run: Run, overrides: Overrides = NO_OVERRIDES, inquiry: Inquiry = ASK) -> Account:
        """The account of a run. Nobody is asked."""
        from llmdyno.services.bedrock_tokens.account import account_of

        return account_of(run, self.facts(run) or ModelFacts(), overrides)

    def projection_notes(self, run: Run, better: ScalingOverrides, inquiry: Inquiry = ASK) -> list[str]:
        """Nothing: no quota of tokens is read."""
        return []

    def bound(self, spec: Spec, *, rounds: int | None = None) -> CostBound:
        """The most that a load may cost.

        Raises:
            InputError: the trace to replay cannot be read.
        """
        from llmdyno.runs.traces import load_trace
        from llmdyno.services.bedrock_tokens.budget import planned, token_bound
        from llmdyno.services.bedrock_tokens.prices import quote

        identifier = identifier_in(spec.model) or spec.model or ""
        found = quote(identifier, base_model_of(identifier), _region(spec, identifier), tier_of(spec))
        load = planned(spec, load_trace(spec) if rounds is None else None, rounds)
        return token_bound(load, found.prices, writes=writes_cache(spec), unknown=found.problem)

    def watch(self, spec: Spec, on_copies: Callable[[int], None]) -> AbstractContextManager[object]:
        """Nothing: there are no copies to watch."""
        return contextlib.nullcontext()

    def after(self, run: Run) -> None:
        """Nothing: the run has its tokens already."""


def _region(spec: Spec, identifier: str) -> str | None:
    """The region that requests will go to, from the spec or from AWS's own configuration."""
    asked = region_asked(spec, identifier)
    if asked is not None:
        return asked
    from llmdyno.aws.clients import Aws

    try:
        aws = Aws(None, spec.profile, spec.endpoint_url)
    except InputError:  # the preflight tells what is missing
        return None
    aws.close()
    return aws.region


SERVICE: Service = BedrockTokens()
