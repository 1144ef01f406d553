"""What an import job may ask for, and what the service can import. PURE.

In: a job's request body; the files under an S3 prefix. Out: a refusal of the request, or the problem with the files.
Patterns and errors are those of the service's model; the architectures and the limits are the user guide's (2026-11).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmdyno.emulator.bedrock import ACCOUNT, REGION, ServiceError
from llmdyno.emulator.body import shown


class Shape(NamedTuple):
    """A string of the service's model: its lengths and its pattern."""

    least: int
    most: int
    pattern: str


JOB_NAME = Shape(1, 63, r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*")
MODEL_NAME = Shape(1, 63, r"([0-9a-zA-Z][_-]?)+")
_ARN = r"arn:aws(-[^:]+)?:bedrock:[a-z0-9-]{1,20}:[0-9]{12}:"
JOB_IDENTIFIER = Shape(0, 1011, rf"({_ARN}model-import-job/[a-z0-9]{{12}})|({JOB_NAME.pattern})")
MODEL_IDENTIFIER = Shape(1, 1011, rf"({_ARN}imported-model/[a-z0-9]{{12}})|({MODEL_NAME.pattern})")
TAG_KEY, TAG_VALUE = Shape(1, 128, r"[a-zA-Z0-9\s._:/=+@-]*"), Shape(0, 256, r"[a-zA-Z0-9\s._:/=+@-]*")
_STRINGS = {
    "jobName": JOB_NAME,
    "importedModelName": MODEL_NAME,
    "roleArn": Shape(0, 2048, r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+"),
    "clientRequestToken": Shape(1, 256, r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?"),
    "importedModelKmsKeyId": Shape(
        1,
        2048,
        r"(arn:aws(-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{12}:((key/[a-zA-Z0-9-]{36})|(alias/[a-zA-Z0-9-_/]+)))|"
        r"([a-zA-Z0-9-]{36})|(alias/[a-zA-Z0-9-_/]+)",
    ),
}
_S3_URI = Shape(1, 1024, r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?")
_NETWORK = Shape(0, 32, r"[-0-9a-zA-Z]+")
_NETWORKS = {"subnetIds": 16, "securityGroupIds": 5}
_REQUIRED = ("jobName", "importedModelName", "roleArn", "modelDataSource")
_LONGEST_TAGS, _MOST_TAGS = 200, 50
"""The longest list of tags that the service's model takes, and the most tags that a resource may have."""
_PLAIN = {JOB_NAME.pattern: r"[a-zA-Z0-9][a-zA-Z0-9+.\-]*"}
"""The same set of strings as a pattern of the model. Python's `re` would need ages for the model's own."""

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
_WITH_IMAGES = ("mllama", "qwen2_vl", "qwen2_5_vl")
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5})\.safetensors")
_LARGEST_BYTES, _LARGEST_BYTES_WITH_IMAGES = 200_000_000_000, 100_000_000_000
_LONGEST_CONTEXT = 131_072
_GPT_OSS_REGIONS, _GPT_OSS_EOS = ("us-east-1",), {200_002, 199_999, 200_012}
"""Bounds of the user guide (2026-11) on weights (bytes), context (positions) and GPT-OSS."""


@dataclass(slots=True)
class Source:
    """What lies under an import's S3 prefix: file names with sizes, and the content of small files. None: the file is
    missing, or is not a JSON object."""

    files: dict[str, int]
    config: dict[str, Any] | None
    tokenizer: dict[str, Any] | None = None
    generation: dict[str, Any] | None = None


def instruct_supported(source: Source, architecture: str) -> bool:
    """Whether Converse works on a model: it has a chat template, and its family is not left out. A
    tokenizer_config.json that is no JSON counts as one with a template."""
    own = any(name in source.files for name in ("chat_template.jinja", "chat_template.json"))
    if not own and "tokenizer_config.json" in source.files:
        own = source.tokenizer is None or bool(source.tokenizer.get("chat_template"))
    return own and architecture not in _WITHOUT_CONVERSE


def model_units(source: Source) -> int:
    """The custom model units of a copy.

    Documented: 2 for Llama 3.1 8B, 8 for 70B. In between they follow the size of the weights, a guess.
    """
    gigabytes = _weights(source) / 1e9
    return next((units for below, units in ((40, 2), (90, 4)) if gigabytes < below), 8)


def units_version(architecture: str) -> str:
    """The version of a model's units. OpenAI's family has its own."""
    return "v2.0" if architecture == "gpt_oss" else "v1.0"


def source_problem(source: Source | None, region: str = REGION) -> str | None:
    """Why an import of these files fails; None if it does not.

    The message about the architecture follows one that the service has sent; the other messages are made up.
    """
    if source is None or not source.files:
        return "No files were found at the S3 location."
    if source.config is None:
        return "The file config.json was not found, or is not JSON."
    name = source.config.get("architectures")
    name = name[0] if isinstance(name, list) and name else None
    architecture = ARCHITECTURES.get(name) if isinstance(name, str) else None
    if architecture is None:
        supported = ", ".join(sorted(set(ARCHITECTURES.values())))
        given = shown(source.config.get("model_type") or name)
        return (
            f"Amazon Bedrock does not support the architecture ({given}) of the model that you are importing. Try "
            f"again with one of the following supported architectures: [{supported}]"
        )
    return (
        _missing_files(source)
        or _adapter(source)
        or _config_problem(source.config, architecture)
        or _gpt_oss_problem(source, architecture, region)
        or _size_problem(source, architecture)
    )


def _missing_files(source: Source) -> str | None:
    if not any(name.endswith(".safetensors") for name in source.files):
        return "No weights in the safetensors format were found."
    absent = _absent_shard(source)
    if absent is not None:
        return f"The file {absent} was not found."
    if not {"tokenizer.json", "tokenizer.model", "spiece.model"} & set(source.files):
        return "No tokenizer files were found."
    if "tokenizer_config.json" not in source.files:
        return "The file tokenizer_config.json was not found."
    return None


def _absent_shard(source: Source) -> str | None:
    """A shard of a series that is not there, by the count in the others' names."""
    series = {(one[1], one[2]) for name in source.files if (one := _SHARD.fullmatch(name)) is not None}
    names = (
        f"{stem}-{number:05d}-of-{count}.safetensors"
        for stem, count in sorted(series)
        for number in range(1, int(count) + 1)
    )
    return next((name for name in names if name not in source.files), None)


def _adapter(source: Source) -> str | None:
    return "The files are those of an adapter, not of a model." if "adapter_config.json" in source.files else None


def _config_problem(config: dict[str, Any], architecture: str) -> str | None:
    inner = config.get("text_config")
    for part in (config, inner if isinstance(inner, dict) else {}):
        method = part.get("quantization_config")
        named = method.get("quant_method") if isinstance(method, dict) else None
        if method and (architecture, named) != ("gpt_oss", "mxfp4"):
            return f"Quantized weights ({shown(named)}) are not supported."
        context = part.get("max_position_embeddings")
        if isinstance(context, int) and context > _LONGEST_CONTEXT:
            return f"The context length {shown(context)} is greater than the maximum of {_LONGEST_CONTEXT}."
    return None


def _gpt_oss_problem(source: Source, architecture: str, region: str) -> str | None:
    if architecture != "gpt_oss":
        return None
    if region not in _GPT_OSS_REGIONS:
        return f"The architecture (gpt_oss) is not supported in {region}."
    ids = (source.generation or {}).get("eos_token_id")
    if not isinstance(ids, list) or not {one for one in ids if isinstance(one, int)} >= _GPT_OSS_EOS:
        needed = ", ".join(map(str, sorted(_GPT_OSS_EOS)))
        return f"The file generation_config.json was not found, or its eos_token_id lacks one of {needed}."
    return None


def _size_problem(source: Source, architecture: str) -> str | None:
    limit = _LARGEST_BYTES_WITH_IMAGES if architecture in _WITH_IMAGES else _LARGEST_BYTES
    if _weights(source) < limit:
        return None
    return f"The weights are not smaller than the maximum of {limit / 1e9:.0f} GB."


def _weights(source: Source) -> int:
    return sum(size for name, size in source.files.items() if name.endswith(".safetensors"))


def key_arn(key: str | None) -> str | None:
    """The ARN of a KMS key, as the service answers it; None: there is no key. The key behind an alias is made up: the
    emulator has no KMS."""
    if key is None or ":key/" in key:
        return key
    if "alias/" in key:
        found = hashlib.sha256(key[key.index("alias/") :].encode()).hexdigest()
        key = "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:32]))
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"


def check_job(body: dict[str, Any]) -> None:
    """Check the body of CreateModelImportJob.

    Raises:
        ServiceError: fields are missing or do not fit; the message names all of them.
    """
    found = [
        f"Value null at '{name}' failed to satisfy constraint: Member must not be null"
        for name in _REQUIRED
        if body.get(name) is None
    ]
    for name, shape in _STRINGS.items():
        if body.get(name) is not None:
            found += unfit(name, body[name], shape)
    if body.get("modelDataSource") is not None:
        place = body["modelDataSource"]
        for name in ("s3DataSource", "s3Uri"):
            place = place.get(name) if isinstance(place, dict) else None
        found += unfit("modelDataSource.s3DataSource.s3Uri", place, _S3_URI)
    if body.get("vpcConfig") is not None:
        found += _vpc_problems(body["vpcConfig"])
    for name in ("jobTags", "importedModelTags"):
        if body.get(name) is not None:
            found += tag_problems(name, body[name])
    refuse_all(found)
    for name in ("jobTags", "importedModelTags"):
        refuse_many(len(body.get(name) or []))


def refuse_all(problems: list[str]) -> None:
    """Refuse a request with all its problems, in the service's form.

    Raises:
        ServiceError: there is one.
    """
    if problems:
        errors = f"{len(problems)} validation error{'s' * (len(problems) != 1)} detected"
        raise ServiceError(400, "ValidationException", f"{errors}: {'; '.join(problems)}")


def refuse_many(count: int) -> None:
    """Refuse more tags than a resource may have.

    Raises:
        ServiceError: there are more.
    """
    if count > _MOST_TAGS:
        message = f"The number of tags ({count}) exceeds the limit of {_MOST_TAGS} tags per resource."
        raise ServiceError(400, "TooManyTagsException", message)


def unfit(name: str, value: Any, shape: Shape) -> Iterator[str]:
    """The constraints of a string that a value breaks."""
    if not isinstance(value, str):
        kind = "Member must not be null" if value is None else "Member must be a string"
        yield f"Value {'null' if value is None else shown(value)} at '{name}' failed to satisfy constraint: {kind}"
        return
    says = f"Value '{shown(value)}' at '{name}' failed to satisfy constraint: Member must "
    if len(value) > shape.most:
        yield f"{says}have length less than or equal to {shape.most}"
    elif len(value) < shape.least:
        yield f"{says}have length greater than or equal to {shape.least}"
    elif not re.fullmatch(_pattern(shape), value, re.ASCII):
        yield f"{says}satisfy regular expression pattern: {shape.pattern}"


def _pattern(shape: Shape) -> str:
    pattern = shape.pattern
    for slow, plain in _PLAIN.items():
        pattern = pattern.replace(slow, plain)
    return pattern


def tag_problems(name: str, tags: Any) -> Iterator[str]:
    """What is wrong with a list of tags."""
    if not isinstance(tags, list) or not all(isinstance(tag, dict) for tag in tags):
        yield f"Value {shown(tags)} at '{name}' failed to satisfy constraint: Member must be a list of tags"
        return
    if len(tags) > _LONGEST_TAGS:
        says = "failed to satisfy constraint: Member must have length less than or equal to"
        yield f"Value at '{name}' {says} {_LONGEST_TAGS}"
        return
    for number, tag in enumerate(tags, 1):
        yield from unfit(f"{name}.{number}.member.key", tag.get("key"), TAG_KEY)
        yield from unfit(f"{name}.{number}.member.value", tag.get("value"), TAG_VALUE)


def _vpc_problems(config: Any) -> Iterator[str]:
    for name, most in _NETWORKS.items():
        where = f"vpcConfig.{name}"
        values = config.get(name) if isinstance(config, dict) else None
        if not isinstance(values, list):
            yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
            continue
        bound = f"less than or equal to {most}" if len(values) > most else "greater than or equal to 1"
        if not 1 <= len(values) <= most:
            yield f"Value at '{where}' failed to satisfy constraint: Member must have length {bound}"
        for number, value in enumerate(values[:most], 1):
            yield from unfit(f"{where}.{number}.member", value, _NETWORK)
