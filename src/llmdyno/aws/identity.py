"""What an identifier of Bedrock's runtime names: an imported model, a foundation model, a profile, a deployment.

In: the text that goes where the runtime's operations take a `modelId`. Out: the kind of thing it names, and the
foundation model in it, where the text itself says so. It is pure: it asks no service. The patterns are those of
`InvokeModelIdentifier` and `ConversationalModelId` in AWS's service model of `bedrock-runtime`.
"""

from __future__ import annotations

import re
from typing import Final

from llmdyno.errors import InputError

IMPORTED: Final = "imported-model"
FOUNDATION: Final = "foundation-model"
PROFILE: Final = "inference-profile"
APPLICATION_PROFILE: Final = "application-inference-profile"
DEPLOYMENT: Final = "custom-model-deployment"
PROVISIONED: Final = "provisioned-model"
ROUTER: Final = "prompt-router"
MARKETPLACE: Final = "marketplace-endpoint"

KINDS: Final = (
    IMPORTED,
    FOUNDATION,
    PROFILE,
    APPLICATION_PROFILE,
    DEPLOYMENT,
    PROVISIONED,
    ROUTER,
    MARKETPLACE,
)
"""Everything that can be measured. The first six have a bill of their own kind; a router's depends on its choice, and
an endpoint from the marketplace is billed by SageMaker."""

PROVIDERS: Final = frozenset(
    {
        *("ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "luma", "meta", "minimax", "mistral"),
        *("moonshot", "moonshotai", "nvidia", "openai", "qwen", "stability", "twelvelabs", "writer", "zai"),
    }
)
"""The first part of a foundation model's ID. A provider that is not here works all the same, unless its models' names
hold two dots."""

GEOGRAPHIES: Final = frozenset({"apac", "au", "ca", "eu", "global", "jp", "sa", "uk", "us", "us-gov"})
"""The first part of a system inference profile's ID: where the profile may send a request."""

_REGION = "[a-z0-9-]{1,20}"
_BEDROCK = re.compile(
    rf"arn:aws(?:-[^:]+)?:bedrock:(?P<region>{_REGION}):(?P<account>[0-9]{{12}})?:(?P<type>[a-z-]+)/(?P<name>.+)"
)
_SAGEMAKER = re.compile(r"arn:aws(?:-[^:]+)?:sagemaker:(?P<region>[a-z0-9-]+):[0-9]{12}:endpoint/[a-zA-Z0-9-]+")
_ID = re.compile(r"[a-zA-Z0-9-]+(?:[.:][a-zA-Z0-9-]+)*")
_NAME = re.compile(r"(?:[0-9a-zA-Z][_-]?)+")
_TYPES = {kind: kind for kind in (IMPORTED, FOUNDATION, PROFILE, APPLICATION_PROFILE, DEPLOYMENT, PROVISIONED)} | {
    "prompt-router": ROUTER,
    "default-prompt-router": ROUTER,
}
_FITS = (
    "give an imported model, a foundation model, an inference profile, a custom model deployment or a provisioned"
    " model, by its ID or ARN"
)
_INSTEAD = {
    "custom-model": "deploy it and give the deployment's ARN, or buy provisioned throughput and give its ARN",
    "prompt": "give the model's ID: a stored prompt brings its own messages, and these are ours",
    "prompt-version": "give the model's ID: a stored prompt brings its own messages, and these are ours",
    "marketplace": "give the ARN of the SageMaker endpoint",
}


def kind_of(model: str) -> str | None:
    """The kind of thing that an identifier names, one of :data:`KINDS`; None: the runtime takes no such identifier.

    A name without a dot is an imported model's. An ID with a dot is a foundation model's (`provider.model`), or a
    system inference profile's (`geography.provider.model`). Other kinds have ARNs only.
    """
    if model.startswith("arn:"):
        if _SAGEMAKER.fullmatch(model):
            return MARKETPLACE
        found = _BEDROCK.fullmatch(model)
        return _TYPES.get(found["type"]) if found else None
    if _NAME.fullmatch(model):
        return IMPORTED
    if _ID.fullmatch(model) is None:
        return None
    parts = model.split(".")
    if len(parts) > 2 and parts[0] not in PROVIDERS and (parts[0] in GEOGRAPHIES or parts[1] in PROVIDERS):
        return PROFILE
    return FOUNDATION if len(parts) > 1 else None


def base_model_of(model: str) -> str | None:
    """The ID of the foundation model that an identifier names itself, such as `meta.llama3-1-8b-instruct-v1:0`.

    None where the identifier does not say it: an imported model, an application inference profile, a deployment, a
    provisioned model, a router. A suffix such as `:48k` of a model's context stays in the ID.
    """
    kind = kind_of(model)
    found = _BEDROCK.fullmatch(model)
    name = found["name"] if found else model
    if kind == FOUNDATION:
        return name
    if kind == PROFILE and kind_of(name) == PROFILE:
        return name.partition(".")[2]
    return None


def region_of(model: str) -> str | None:
    """The region in an ARN; None: it is a name or an ID, or its ARN has none."""
    found = _BEDROCK.fullmatch(model) or _SAGEMAKER.fullmatch(model)
    return found["region"] if found else None


def check_model(model: str) -> str:
    """The kind of thing that an identifier names.

    Raises:
        InputError: the runtime takes no such identifier, or what it names cannot be called by itself.
    """
    kind = kind_of(model)
    if kind is not None:
        return kind
    found = _BEDROCK.fullmatch(model)
    if found is None:
        raise InputError("--model", f"{model!r} is no identifier that Bedrock's runtime takes", _FITS)
    what = f"{model!r} is a {found['type'].replace('-', ' ')}, which cannot be called by itself"
    raise InputError("--model", what, _INSTEAD.get(found["type"], _FITS))
