"""Imported models: listed, described, deleted; and which body format fits a model.

In: clients, a model's name or ARN. Out: what the control plane says of it, as boto3 gives it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors


def list_models(aws: Aws) -> list[dict[str, Any]]:
    """All imported models, newest first.

    Raises:
        InputError: the service refuses.
    """
    with aws_errors("models", aws):
        pages = aws.client("bedrock").get_paginator("list_imported_models").paginate(sortOrder="Descending")
        return [model for page in pages for model in page["modelSummaries"]]


def running_jobs(aws: Aws) -> int:
    """How many import jobs are in progress.

    Raises:
        InputError: the service refuses.
    """
    with aws_errors("import", aws):
        pages = aws.client("bedrock").get_paginator("list_model_import_jobs").paginate(statusEquals="InProgress")
        return sum(len(page["modelImportJobSummaries"]) for page in pages)


def describe(aws: Aws, model: str) -> dict[str, Any]:
    """GetImportedModel's answer, by ARN or name.

    Raises:
        InputError: there is no such model, or the service refuses.
    """
    with aws_errors(model, aws):
        answer: dict[str, Any] = aws.client("bedrock").get_imported_model(modelIdentifier=model)
    answer.pop("ResponseMetadata", None)
    return answer


def delete(aws: Aws, model: str) -> None:
    """DeleteImportedModel.

    Raises:
        InputError: there is no such model, or the service refuses.
    """
    with aws_errors(model, aws):
        aws.client("bedrock").delete_imported_model(modelIdentifier=model)


OPENAI_FORMATS_SINCE = datetime(2025, 11, 11, tzinfo=UTC)
"""Models imported since then take the OpenAI formats too, as AWS documented it in 2026-11."""


def body_format(model: dict[str, Any]) -> tuple[str, str]:
    """The body format that fits a model's facts (GetImportedModel's answer), and why."""
    architecture = str(model.get("modelArchitecture") or "unknown").lower()
    since = model.get("creationTime")
    recent = since is not None and since >= OPENAI_FORMATS_SINCE
    why = f"architecture {architecture}"
    if "gpt_oss" in architecture or "gptoss" in architecture:
        return "openai-chat", why
    if "qwen" in architecture:
        return "qwen", why
    if "mistral" in architecture or "mixtral" in architecture:
        when = f"imported {'after' if recent else 'before'} the OpenAI formats were introduced"
        return ("openai-completion" if recent else "mistral"), f"{why}, {when}"
    return "bedrock-completion", why


def units_of(model: dict[str, Any]) -> tuple[int | None, str | None]:
    """Custom model units a copy, and their version; None: GetImportedModel's answer does not say."""
    units = model.get("customModelUnits") or {}
    return units.get("customModelUnitsPerModelCopy"), units.get("customModelUnitsVersion")


def units_text(model: dict[str, Any]) -> str:
    """Custom model units a copy, and their version, as text."""
    units, version = units_of(model)
    return f"{units or '?'} CMU a copy ({version or '?'})"
