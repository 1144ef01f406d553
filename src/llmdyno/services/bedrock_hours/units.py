"""Asks AWS how many model units provisioned throughput has, and for how long they are bought.

In: a run, its model, what the user knows better, how to ask. Out: the user's values, completed. The price is asked of
nobody, and without a price nothing is asked. A question that AWS does not answer becomes a note.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.service import Inquiry, Overrides

_BRIEF: dict[str, Any] = {"connect_timeout_s": 3.0, "read_timeout_s": 10.0, "attempts": 1}
_TERMS = {"OneMonth": "1-month", "SixMonths": "6-months"}
"""AWS's names of the commitments. Without one, its answer has no name."""


def with_units(run: Run, facts: ModelFacts, overrides: Overrides, inquiry: Inquiry) -> tuple[Overrides, str | None]:
    """The overrides with the units and the commitment that GetProvisionedModelThroughput says, and why it does not."""
    wanted = overrides.dollars_per_hour is not None and overrides.model_units is None
    if not wanted or facts.arn is None or not inquiry.ask:
        return overrides, None
    try:
        aws = Aws(
            inquiry.region or facts.region,
            inquiry.profile or run.spec.profile,
            inquiry.endpoint_url or run.spec.endpoint_url,
            **_BRIEF,
        )
        try:
            with aws_errors(facts.arn, aws):
                client = aws.client("bedrock")
                answer = client.get_provisioned_model_throughput(provisionedModelId=facts.arn)
        finally:
            aws.close()
    except InputError as error:
        return overrides, f"GetProvisionedModelThroughput was not answered: {error.problem}; {error.fits}"
    term = _TERMS.get(str(answer.get("commitmentDuration")), "none")
    found = replace(overrides, model_units=answer["modelUnits"], commitment=overrides.commitment or term)
    return found, None
