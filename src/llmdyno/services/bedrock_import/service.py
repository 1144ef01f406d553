"""Amazon Bedrock Custom Model Import as a :class:`~llmdyno.services.service.Service`.

In: runs and specs. Out: accounts, bounds on cost, a watch on copies. The service scales to zero, bills model copies in
windows of five minutes, and counts the copies in CloudWatch.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import UNSET

from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.bedrock_import.identity import imported_model_arn, imported_model_region
from llmdyno.services.service import ASK, NO_OVERRIDES, CostBound, Inquiry, Overrides, ScalingOverrides, Service
from llmdyno.spec.spec import Spec

if TYPE_CHECKING:  # a run on another endpoint asks whose model it is, and needs none of this
    from llmdyno.services.bedrock_import.account import Account

NAME = "bedrock_import"


class BedrockImport:
    """The service; it holds nothing."""

    name = NAME
    title = "Amazon Bedrock"
    billing = "copies"
    takes = frozenset(
        {
            *("copies", "units", "units_version", "region", "dollars_per_cmu_minute"),
            *("calls_per_copy", "max_copies", "cold_start_s", "scale_up_s", "idle_s"),
        }
    )
    by_hand = "copies"
    refusals = REFUSALS
    scales_to_zero = True
    idle_s = IDLE_S

    def facts(self, run: Run) -> ModelFacts | None:
        """What a run knows of its imported model; None: it measured none.

        A run that kept no facts is known by the ARN in its model's name.
        """
        if run.model_facts is not None:
            return run.model_facts if run.model_facts.kind is UNSET else None
        arn = imported_model_arn(run.spec.model)
        return None if arn is None else ModelFacts(arn, imported_model_region(arn))

    def bills(self, model: str | None) -> bool:
        """Whether the name holds an imported model's ARN."""
        return imported_model_arn(model) is not None

    def account(self, run: Run, overrides: Overrides = NO_OVERRIDES, inquiry: Inquiry = ASK) -> Account:
        """The account of a run; CloudWatch and GetImportedModel are asked for what is not known yet."""
        from llmdyno.services.bedrock_import.account import account_of
        from llmdyno.services.bedrock_import.readings import inquire

        facts = self.facts(run) or ModelFacts()
        answers = inquire(run, facts, overrides, inquiry)
        return account_of(run, facts, answers.overrides, answers.readings, answers.notes)

    def projection_notes(self, run: Run, better: ScalingOverrides, inquiry: Inquiry = ASK) -> list[str]:
        """Whether a projection assumes more copies than the account may have. Service Quotas is asked."""
        from llmdyno.services.bedrock_import.quotas import projection_notes

        facts = self.facts(run)
        return [] if facts is None else projection_notes(run, facts, inquiry, better.max_copies)

    def bound(self, spec: Spec, *, rounds: int | None = None) -> CostBound:
        """The most that a load may cost; GetImportedModel is asked for the units of a copy, and Service Quotas for the
        most copies.

        Raises:
            InputError: boto3 or a region is missing, or the trace to replay cannot be read.
        """
        from llmdyno.services.bedrock_import.budget import load_bound, rounds_bound

        trace_s = _trace_s(spec) if rounds is None else None
        window, unknown = window_price(spec, spec.model or "")
        if rounds is not None:
            return replace(rounds_bound(rounds, window), unknown=unknown)
        most, note = _most_copies(spec)
        found = replace(load_bound(spec, window, trace_s=trace_s, copies=most), unknown=unknown)
        if note is not None and found.copies == most:
            return replace(found, basis=f"{found.basis}; {most} copies is the default quota ({note})")
        return found

    def watch(self, spec: Spec, on_copies: Callable[[int], None]) -> AbstractContextManager[object]:
        """Tell `on_copies` how many copies CloudWatch counts while the context is open."""
        from llmdyno.services.bedrock_import.watch import CopiesWatch

        model = imported_model_arn(spec.model) or spec.model or ""
        region = spec.region or imported_model_region(model)
        return CopiesWatch(model, region, spec.profile, spec.endpoint_url, on_copies)

    def after(self, run: Run) -> None:
        """Keep what CloudWatch says right after a run; an embedded emulator has none."""
        from llmdyno.services.bedrock_import.readings import read_once

        facts = self.facts(run)
        embedded = run.emulated is not None and run.emulated.embedded
        if facts is not None and facts.arn is not None and not embedded:
            read_once(run, facts)


def window_price(spec: Spec, model: str) -> tuple[Decimal | None, str | None]:
    """Dollars of one window of one copy, and None; or None, and why the price is unknown.

    Raises:
        InputError: boto3 or a region is missing.
    """
    from llmdyno.aws.clients import Aws
    from llmdyno.services.bedrock_import.models import describe, units_of
    from llmdyno.services.bedrock_import.prices import quote

    name = imported_model_arn(model) or model
    aws = Aws(spec.region or imported_model_region(name), spec.profile, spec.endpoint_url)
    try:
        units, version = units_of(describe(aws, name))
    except InputError as error:
        return None, f"{error.problem}; {error.fits}"
    finally:
        aws.close()
    price, _, problem = quote(aws.region, version, units, None)
    return (None if price is None else price.window), problem


def _most_copies(spec: Spec) -> tuple[int, str | None]:
    """The most copies that the account may have, and None; or the default, and why the quota is unknown. One user never
    needs a second copy, so nothing is asked then."""
    if not spec.open_loop and spec.users == 1:
        return 1, None
    from llmdyno.aws.clients import Aws
    from llmdyno.services.bedrock_import.quotas import read_quotas
    from llmdyno.services.copies import DEFAULT_COPIES

    name = imported_model_arn(spec.model) or spec.model or ""
    aws = Aws(spec.region or imported_model_region(name), spec.profile, spec.endpoint_url)
    try:
        quotas = read_quotas(aws)
    finally:
        aws.close()
    return (DEFAULT_COPIES, quotas.note) if quotas.copies is None else (max(1, quotas.copies), None)


def _trace_s(spec: Spec) -> float | None:
    """How long the trace is that a load replays, seconds; None: it replays none."""
    from llmdyno.runs.traces import load_trace

    trace = load_trace(spec)
    return None if trace is None else trace[-1].offset_ns / 1e9


SERVICE: Service = BedrockImport()
