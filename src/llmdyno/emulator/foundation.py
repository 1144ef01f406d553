"""What the emulator knows of models on Bedrock that are no imported ones. PURE.

In: an identifier of the runtime, or a path of the control plane. Out: the foundation model behind it, and the family
whose bodies it takes; or the control plane's answer. Every ID of a known provider exists here. What an ARN of an
account's own resource stands for is made up: each kind has one foundation model.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from llmdyno.emulator.bedrock import ACCOUNT, REGION
from llmdyno.emulator.listing import timestamp

FOUNDATION_PATH, PROFILE_PATH = "/foundation-models/", "/inference-profiles/"
PROVISIONED_PATH, CUSTOM_PATH = "/provisioned-model-throughput/", "/custom-models/"
DEPLOYMENT_PATH = "/model-customization/custom-model-deployments/"
PATHS = (FOUNDATION_PATH, PROFILE_PATH, PROVISIONED_PATH, CUSTOM_PATH, DEPLOYMENT_PATH)
"""Paths of the control plane that :func:`describe` answers, each followed by an identifier."""

_FAMILIES = (
    ("anthropic.", "anthropic"),
    ("amazon.nova", "nova"),
    ("amazon.titan-t", "titan"),
    ("meta.", "bedrock-completion"),
    ("mistral.mistral-7b", "mistral"),
    ("mistral.mixtral", "mistral"),
    ("mistral.", "openai-chat"),
    ("cohere.", "cohere"),
    ("deepseek.r1", "openai-completion"),
    *((f"{provider}.", "openai-chat") for provider in ("ai21", "deepseek", "openai", "qwen", "google", "minimax")),
    *((f"{provider}.", "openai-chat") for provider in ("moonshot", "moonshotai", "nvidia", "writer", "zai")),
)
_OWN = {
    "application-inference-profile": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "custom-model-deployment": "amazon.nova-lite-v1:0",
    "provisioned-model": "meta.llama3-1-8b-instruct-v1:0",
    "prompt-router": "anthropic.claude-3-5-sonnet-20241022-v2:0",
    "default-prompt-router": "anthropic.claude-3-5-sonnet-20241022-v2:0",
}
"""The foundation model behind each kind of an account's own resources."""
_CUSTOM = f"arn:aws:bedrock:{REGION}:{ACCOUNT}:custom-model/amazon.nova-lite-v1:0/emulated0002"
_ARN = re.compile(r"arn:aws(?:-[^:]+)?:bedrock:[a-z0-9-]{1,20}:(?:[0-9]{12})?:([a-z-]+)/([a-zA-Z0-9:.-]+)")
_ID = re.compile(r"[a-z0-9-]+\.[a-z0-9.:-]+")
_GEOGRAPHIES = frozenset({"apac", "au", "ca", "eu", "global", "jp", "sa", "uk", "us", "us-gov"})


class FoundationModel(NamedTuple):
    """A model that answers: the identifier as it was called, the foundation model's ID, the family of its bodies."""

    identifier: str
    base: str
    family: str


def find(identifier: str) -> FoundationModel | None:
    """The foundation model behind an identifier; None: it is none, or names an imported model."""
    found = _ARN.fullmatch(identifier)
    kind, name = found.groups() if found else ("", identifier)
    if kind in _OWN:
        return _model(identifier, _OWN[kind])
    if kind not in ("", "foundation-model", "inference-profile") or _ID.fullmatch(name) is None:
        return None
    geography, _, rest = name.partition(".")
    if kind != "foundation-model" and geography in _GEOGRAPHIES and _family(rest) is not None:
        return _model(identifier, rest)
    return _model(identifier, name) if kind != "inference-profile" else None


def _model(identifier: str, base: str) -> FoundationModel | None:
    family = _family(base)
    return None if family is None else FoundationModel(identifier, base, family)


def _family(base: str) -> str | None:
    return next((family for beginning, family in _FAMILIES if base.startswith(beginning)), None)


def describe(raw_path: str, created_s: float) -> dict[str, Any] | None:
    """The control plane's answer about one resource; None: it does not exist.

    Args:
        raw_path: the path, whose identifier may be percent-encoded.
        created_s: when everything was created, unix seconds.
    """
    path = next(path for path in PATHS if raw_path.startswith(path))
    identifier = unquote(raw_path.removeprefix(path))
    if path == CUSTOM_PATH:
        return _custom(created_s) if identifier in (_CUSTOM, "emulated0002") else None
    model = find(identifier)
    if model is None and path in (PROVISIONED_PATH, DEPLOYMENT_PATH) and not identifier.startswith("arn:"):
        kind = "provisioned-model" if path == PROVISIONED_PATH else "custom-model-deployment"
        model = find(_own_arn(kind, identifier))
    if model is None:
        return None
    shapes = {FOUNDATION_PATH: _foundation, PROFILE_PATH: _profile, PROVISIONED_PATH: _provisioned}
    return shapes.get(path, _deployment)(model, timestamp(created_s))


def _own_arn(kind: str, name: str) -> str:
    return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:{kind}/{name}"


def _base_arn(base: str) -> str:
    return f"arn:aws:bedrock:{REGION}::foundation-model/{base}"


def _foundation(model: FoundationModel, created: str) -> dict[str, Any]:
    details = {
        "modelArn": _base_arn(model.base),
        "modelId": model.base,
        "modelName": model.base.partition(".")[2],
        "providerName": model.base.partition(".")[0],
        "inputModalities": ["TEXT"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
    return {"modelDetails": details}


def _profile(model: FoundationModel, created: str) -> dict[str, Any]:
    name = model.identifier.rpartition("/")[2]
    application = "application-inference-profile" in model.identifier
    kind = "application-inference-profile" if application else "inference-profile"
    return {
        "inferenceProfileName": name,
        "inferenceProfileArn": _own_arn(kind, name),
        "inferenceProfileId": name,
        "models": [{"modelArn": _base_arn(model.base)}],
        "status": "ACTIVE",
        "type": "APPLICATION" if application else "SYSTEM_DEFINED",
        "createdAt": created,
        "updatedAt": created,
    }


def _provisioned(model: FoundationModel, created: str) -> dict[str, Any]:
    arn = _base_arn(model.base)
    return {
        "modelUnits": 1,
        "desiredModelUnits": 1,
        "provisionedModelName": model.identifier.rpartition("/")[2],
        "provisionedModelArn": model.identifier,
        "modelArn": arn,
        "desiredModelArn": arn,
        "foundationModelArn": arn,
        "status": "InService",
        "creationTime": created,
        "lastModifiedTime": created,
    }


def _deployment(model: FoundationModel, created: str) -> dict[str, Any]:
    return {
        "customModelDeploymentArn": model.identifier,
        "modelDeploymentName": model.identifier.rpartition("/")[2],
        "modelArn": _CUSTOM,
        "createdAt": created,
        "status": "Active",
    }


def _custom(created_s: float) -> dict[str, Any]:
    base = _base_arn(_OWN["custom-model-deployment"])
    return {
        "modelArn": _CUSTOM,
        "modelName": "emulated-custom",
        "baseModelArn": base,
        "customizationType": "FINE_TUNING",
        "creationTime": timestamp(created_s),
        "modelStatus": "Active",
    }
