"""What an import job may ask for, and what the service can import. PURE.

In: a job's request body; the files under an S3 prefix. Out: a refusal of the request, or the problem with the files.
Patterns and errors are those of the service's model; the list of architectures is the user guide's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.body import shown

_PATTERNS = {
    "jobName": (1, 63, r"[a-zA-Z0-9][a-zA-Z0-9+.\-]*"),
    "importedModelName": (1, 63, r"([0-9a-zA-Z][_-]?)+"),
    "roleArn": (0, 2048, r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+"),
    "clientRequestToken": (1, 256, r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?"),
}
_S3_URI = re.compile(r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?")
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MllamaForConditionalGeneration": "mllama",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "T5ForConditionalGeneration": "t5",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen2VLForConditionalGeneration": "qwen2_vl",
    "Qwen2_5_VLForConditionalGeneration": "qwen2_5_vl",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "GptOssForCausalLM": "gpt_oss",
}
"""The service's names of architectures by the class in config.json. The families are the user guide's (2026-11). The
names up to `gpt_bigcode` are from a rejection message of early 2025; the later ones follow their pattern, a guess."""

_WITHOUT_CONVERSE = ("qwen2", "qwen2_vl", "qwen2_5_vl", "qwen3", "qwen3_moe", "gpt_oss")


@dataclass(slots=True)
class Source:
    """What lies under an import's S3 prefix: file names with sizes, and config.json's content (None: the file is
    missing or not JSON)."""

    files: dict[str, int]
    config: dict[str, Any] | None


def instruct_supported(source: Source, architecture: str) -> bool:
    """Whether Converse works on a model: it has a chat template, and its family is not left out."""
    templates = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")
    return any(name in source.files for name in templates) and architecture not in _WITHOUT_CONVERSE


def model_units(source: Source) -> int:
    """The custom model units of a copy.

    Documented: 2 for Llama 3.1 8B, 8 for 70B. In between they follow the size of the weights, a guess.
    """
    gigabytes = sum(size for name, size in source.files.items() if name.endswith(".safetensors")) / 1e9
    return next((units for below, units in ((40, 2), (90, 4)) if gigabytes < below), 8)


def source_problem(source: Source | None) -> str | None:
    """Why an import of these files fails; None if it does not."""
    if source is None or not source.files:
        return "No files were found at the S3 location."
    if source.config is None:
        return "The file config.json was not found, or is not JSON."
    if not any(name.endswith(".safetensors") for name in source.files):
        return "No weights in the safetensors format were found."
    if "tokenizer.json" not in source.files and "tokenizer.model" not in source.files:
        return "No tokenizer files were found."
    named = source.config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if not isinstance(name, str) or name not in ARCHITECTURES:
        supported = ", ".join(sorted(set(ARCHITECTURES.values())))
        return f"The architecture {shown(name)} is not supported. Supported: {supported}."
    return None


def check_job(body: dict[str, Any]) -> None:
    """Check the body of CreateModelImportJob.

    Raises:
        ServiceError: a field is missing or does not fit.
    """
    for name in ("jobName", "importedModelName", "roleArn", "modelDataSource"):
        if name not in body:
            raise _invalid(f"Value null at '{name}' failed to satisfy constraint: Member must not be null")
    for name, (least, most, pattern) in _PATTERNS.items():
        value = body.get(name)
        if value is None and name == "clientRequestToken":
            continue
        if not isinstance(value, str) or not least <= len(value) <= most or not re.fullmatch(pattern, value):
            raise _invalid(f"Value '{shown(value)}' at '{name}' failed to satisfy constraint: pattern {pattern}")
    source = body["modelDataSource"]
    place = source.get("s3DataSource") if isinstance(source, dict) else None
    uri = place.get("s3Uri") if isinstance(place, dict) else None
    if not isinstance(uri, str) or len(uri) > 1024 or not _S3_URI.fullmatch(uri):
        raise _invalid(f"Value '{shown(uri)}' at 'modelDataSource.s3DataSource.s3Uri' is not an S3 URI")
    for name in ("jobTags", "importedModelTags"):
        tags = [] if body.get(name) is None else body[name]
        if not isinstance(tags, list):
            raise _invalid(f"Value '{shown(tags)}' at '{name}' is not a list")
        if len(tags) > 200:
            raise ServiceError(400, "TooManyTagsException", f"{name} has more than 200 tags")


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "ValidationException", message)
