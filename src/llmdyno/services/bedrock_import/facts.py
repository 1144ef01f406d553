"""What GetImportedModel says of a model before a run, and what a run keeps of it.

In: a spec, the model, its region. Out: the answer, or why it is missing; the facts for environment.json. The runtime
works without the control plane, so a refusal here ends no run.
"""

from __future__ import annotations

from typing import Any

from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.services.bedrock_import.models import describe, units_of
from llmdyno.spec.spec import Spec

_CONNECT_S, _ANSWER_S = 3.0, 10.0
"""How long to wait for an answer that the run does not depend on."""


def ask_model(spec: Spec, model: str, region: str | None, *, needed: bool) -> tuple[dict[str, Any], str]:
    """GetImportedModel's answer and an empty text; or an empty answer, and why it is missing.

    Args:
        spec: its profile and endpoint URL are used.
        model: the model's ARN or name.
        region: the model's; None: the configured one.
        needed: whether the run depends on the answer. What it does not depend on is asked for once and briefly.

    Raises:
        InputError: boto3 or a region is missing, or the profile does not exist.
    """
    from llmdyno.aws.clients import Aws

    brief: dict[str, Any] = (
        {} if needed else {"connect_timeout_s": _CONNECT_S, "read_timeout_s": _ANSWER_S, "attempts": 1}
    )
    aws = Aws(region, spec.profile, spec.endpoint_url, **brief)
    try:
        return describe(aws, model), ""
    except InputError as error:
        return {}, f"GetImportedModel did not say: {error.problem.partition(':')[0]}"
    finally:
        aws.close()


def model_facts(answer: dict[str, Any], model: str, region: str | None) -> ModelFacts:
    """The facts in GetImportedModel's answer; where it is empty, the model as it was given."""
    units, version = units_of(answer)
    return ModelFacts(answer.get("modelArn", model), region, units, version)
