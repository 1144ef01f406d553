"""The account's quotas of imported models, import jobs and model copies, from Service Quotas.

In: clients. Out: a :class:`Quotas`, and warnings for what would exceed it. A quota that cannot be read is unknown, with
a note: it never ends a command.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.copies import DEFAULT_COPIES
from llmdyno.services.service import Inquiry

MODELS_CODE, JOBS_CODE = "L-45B04988", "L-5F098EFA"
"""The codes of "Imported models per account" and of "Concurrent model import jobs". The code of the quota of copies is
not documented: it is found by its name."""
PERMISSION = "servicequotas:ListServiceQuotas"


@dataclass(frozen=True, slots=True)
class Quotas:
    """The account's quotas in one region; None: unknown. `note` says why one is unknown; None: all are known."""

    models: int | None = None
    jobs: int | None = None
    copies: int | None = None
    note: str | None = None

    def text(self, models: int) -> str:
        """The quotas for a person; `models` are in use."""
        parts = (
            (self.models, f"{self.models} imported models ({models} in use)"),
            (self.jobs, f"{self.jobs} import job{'s' * (self.jobs != 1)} at once"),
            (self.copies, f"{self.copies} model cop{'y' if self.copies == 1 else 'ies'}"),
        )
        known = ", ".join(text for value, text in parts if value is not None)
        return f"quotas: {known or 'unknown'}" + ("" if self.note is None else f" ({self.note})")


def read_quotas(aws: Aws) -> Quotas:
    """The quotas of an account. It is asked briefly; see :meth:`llmdyno.aws.clients.Aws.brief`.

    Where only Bedrock's endpoint was replaced, such as by an emulator's, AWS itself is not asked: it would get the
    credentials, and would answer for another account.
    """
    brief = aws.brief()
    found = Quotas()
    try:
        if not brief.is_own("bedrock") and brief.is_own("service-quotas"):
            return replace(found, note="Service Quotas was not asked: Bedrock's endpoint is not AWS's own")
        with aws_errors("quotas", brief):
            pages = brief.client("service-quotas").get_paginator("list_service_quotas")
            for page in pages.paginate(ServiceCode="bedrock", PaginationConfig={"PageSize": 100}):
                for quota in page["Quotas"]:
                    found = _with(found, quota)
                if None not in (found.models, found.jobs, found.copies):
                    break  # the list of Bedrock's quotas has more than a thousand
    except InputError as error:
        said = error.problem.partition(":")[0]
        return replace(found, note=f"Service Quotas did not say: {said}; allow {PERMISSION} to see them")
    finally:
        brief.close()
    names = (("imported models", found.models), ("import jobs", found.jobs), ("model copies", found.copies))
    absent = [name for name, value in names if value is None]
    return found if not absent else replace(found, note=f"Service Quotas lists none of {' and '.join(absent)}")


def import_warnings(quotas: Quotas, models: int, running: int) -> list[str]:
    """Why the service would refuse another import now.

    Args:
        quotas: the account's.
        models: how many imported models it has.
        running: how many import jobs are in progress.
    """
    found = []
    if quotas.models is not None and models >= quotas.models:
        found.append(
            f"{models} of {quotas.models} imported models are in use, so the service will refuse another; delete one "
            f"(llmdyno models delete NAME), or raise the quota {MODELS_CODE} in Service Quotas"
        )
    if quotas.jobs is not None and running >= quotas.jobs:
        found.append(
            f"{running} of {quotas.jobs} import jobs are in progress, so the service will refuse another until one "
            "has ended"
        )
    return found


def projection_notes(run: Run, facts: ModelFacts, inquiry: Inquiry, max_copies: int | None) -> list[str]:
    """Whether a projection assumes more copies than the account may have.

    Args:
        run: the run that it is made from.
        facts: of its model.
        inquiry: how the service is asked; an embedded emulator has ended, and is not.
        max_copies: the user's own number; None: the documented default, and an unknown quota is not told.
    """
    if not inquiry.ask or facts.arn is None or (run.emulated is not None and run.emulated.embedded):
        return []
    profile, endpoint_url = inquiry.profile or run.spec.profile, inquiry.endpoint_url or run.spec.endpoint_url
    try:
        aws = Aws(inquiry.region or facts.region, profile, endpoint_url)
    except InputError:
        return []
    try:
        quotas = read_quotas(aws)
    finally:
        aws.close()
    warning = copies_warning(quotas, DEFAULT_COPIES if max_copies is None else max_copies)
    if quotas.copies is None and max_copies is not None:
        return [f"{max_copies} model copies are assumed: {quotas.note}"]
    return [] if warning is None else [warning]


def copies_warning(quotas: Quotas, copies: int) -> str | None:
    """Why an account never has that many copies; None: it may."""
    if quotas.copies is None or copies <= quotas.copies:
        return None
    return (
        f"{copies} model copies are assumed, and the account's quota is {quotas.copies}: assume no more, or raise it "
        "in Service Quotas"
    )


def _with(quotas: Quotas, quota: dict[str, Any]) -> Quotas:
    code, name, value = quota.get("QuotaCode"), str(quota.get("QuotaName", "")).lower(), quota.get("Value")
    if not isinstance(value, int | float) or not 0 <= value < 1e9:
        return quotas
    if code == MODELS_CODE or name == "imported models per account":
        return replace(quotas, models=int(value))
    if code == JOBS_CODE or name == "concurrent model import jobs":
        return replace(quotas, jobs=int(value))
    if "import" in name and ("copies" in name or "copy" in name):
        return replace(quotas, copies=int(value))
    return quotas
