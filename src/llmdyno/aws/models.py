"""Which foundation model is behind an identifier that does not say it: what the control plane is asked.

In: an identifier of a profile, a deployment or provisioned throughput. Out: the foundation model's ID, or why it is not
known. The runtime works without the control plane, so a refusal here ends nothing.
"""

from __future__ import annotations

from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.aws.identity import APPLICATION_PROFILE, DEPLOYMENT, PROFILE, PROVISIONED, base_model_of
from llmdyno.errors import InputError

_CONNECT_S, _ANSWER_S = 3.0, 10.0
"""How long to wait for an answer that the run does not depend on."""

ASKED = {
    PROFILE: "GetInferenceProfile",
    APPLICATION_PROFILE: "GetInferenceProfile",
    PROVISIONED: "GetProvisionedModelThroughput",
    DEPLOYMENT: "GetCustomModelDeployment",
}
"""The operation that knows the foundation model, by the kind of identifier."""


def ask_base_model(
    model: str, kind: str, region: str | None, profile: str | None, endpoint_url: str | None
) -> tuple[str | None, str]:
    """The ID of the foundation model behind an identifier, and who said so; or None, and why it is not known.

    Args:
        model: the identifier.
        kind: what it names, one of :data:`ASKED`.
        region: the model's.
        profile: the AWS profile.
        endpoint_url: the control plane's, in place of AWS's own.

    Raises:
        InputError: boto3 or a region is missing, or the profile does not exist.
    """
    limits: dict[str, Any] = {"connect_timeout_s": _CONNECT_S, "read_timeout_s": _ANSWER_S, "attempts": 1}
    aws = Aws(region, profile, endpoint_url, **limits)
    try:
        with aws_errors(model, aws):
            found = base_model_of(_base_arn(aws.client("bedrock"), model, kind))
    except InputError as error:
        return None, f"{ASKED[kind]} did not say: {error.problem.partition(':')[0]}"
    finally:
        aws.close()
    return found, ASKED[kind] if found is not None else f"{ASKED[kind]} names no foundation model"


def _base_arn(bedrock: Any, model: str, kind: str) -> str:
    """The ARN of the foundation model as the control plane tells it; empty: it tells none."""
    if kind in (PROFILE, APPLICATION_PROFILE):
        models = bedrock.get_inference_profile(inferenceProfileIdentifier=model)["models"]
        return str(models[0].get("modelArn", "")) if models else ""
    if kind == PROVISIONED:
        return str(bedrock.get_provisioned_model_throughput(provisionedModelId=model)["foundationModelArn"])
    custom = bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=model)["modelArn"]
    return str(bedrock.get_custom_model(modelIdentifier=custom).get("baseModelArn", ""))
