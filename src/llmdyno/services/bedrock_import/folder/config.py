"""Checks of a model's config.json: architecture, region, context, quantization, data type, version. PURE.

In: the content of config.json, and the region of the import. Out: findings. It knows no file and no weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from llmdyno.errors import one_line
from llmdyno.services.bedrock_import.folder import facts
from llmdyno.services.bedrock_import.folder.finding import Finding, Findings, warning

_WHERE = "config.json"
_ENDINGS = ("Model", "ForSequenceClassification", "ForTokenClassification", "ForMaskedLM", "ForQuestionAnswering")
"""Endings of classes that make no text."""
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")
_UNSCALED = ("default", "mrope", "llama3", "longrope", "su")
"""Kinds of rope scaling whose `max_position_embeddings` holds the scaled context already, or that scale nothing."""
_HALVES = ("bfloat16", "float16", "bf16", "fp16", "half")
_DOUBLES = ("float32", "fp32", "float", "float64", "double")
_OTHERS = ("vision_config", "audio_config")
_NO_RELEASE = (-1, -1)


def check_config(config: dict[str, Any], region: str | None) -> Findings:
    """What config.json says that the service does not import, or may not. `region` of the import; None: unknown."""
    architecture = named_architecture(config)
    yield from _architecture(config, architecture)
    yield from _region(architecture, region)
    yield from _context(config, architecture)
    yield from _quantization(config, architecture)
    yield from _data_type(config)
    yield from _version(config, architecture)
    yield from _llama3(config, architecture)


def named_architecture(config: dict[str, Any]) -> str | None:
    """The class that config.json names first; None: it names none."""
    named = config.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    return first if isinstance(first, str) else None


def _architecture(config: dict[str, Any], architecture: str | None) -> Findings:
    family = facts.ARCHITECTURES.get(architecture or "")
    if family is None:
        supported = "supported: " + ", ".join(facts.ARCHITECTURES)
        if architecture is not None and architecture.endswith(_ENDINGS):
            problem = f"the architecture {_shown(architecture)} makes no text, such as an embedding model"
            yield Finding(_WHERE, problem, f"import a model that generates; {supported}")
            return
        if architecture is None:
            yield Finding(_WHERE, "its architectures name no class", f"save the model again; {supported}")
            return
        if architecture.startswith("Qwen3"):
            supported = f"of Qwen3, the service imports {' and '.join(facts.QWEN3)} only"
        yield Finding(_WHERE, f"the architecture {_shown(architecture)} is not supported", supported)
        return
    model_type = config.get("model_type")
    if model_type is not None and model_type != family.model_type:
        problem = f"model_type {_shown(model_type)} does not belong to {architecture}"
        yield warning(_WHERE, problem, f"{architecture} has {family.model_type}: check which one the weights are")
    if config.get("auto_map"):
        problem = "auto_map names code of the model's own, which the service does not run"
        yield warning(_WHERE, problem, f"make sure that the weights work with transformers' own {architecture}")


def _region(architecture: str | None, region: str | None) -> Findings:
    if region is None:
        return
    gpt_oss = architecture == facts.GPT_OSS
    regions = facts.GPT_OSS_REGIONS if gpt_oss else facts.REGIONS
    if region not in regions:
        what = "GPT-OSS" if gpt_oss else "models"
        yield Finding("--region", f"{_shown(region)}: the service imports no {what} there", f"use {_listed(regions)}")


def _context(config: dict[str, Any], architecture: str | None) -> Findings:
    """The context length, with its scaling. T5 has relative positions, which limit nothing."""
    if architecture == facts.T5:
        return
    found = False
    for place, part in _text_parts(config):
        for key in _POSITIONS:
            value = part.get(key)
            if value is None:
                continue
            found = True
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                yield Finding(_WHERE, f"{place}{key} is {_shown(value)}, not a whole number", "save the model again")
            elif value > facts.LONGEST_CONTEXT:
                yield _too_long(f"{place}{key} is {value:,}")
            else:
                yield from _scaled(place, part, value)
    if not found:
        fits = f"make sure that the context has at most {facts.LONGEST_CONTEXT:,} tokens"
        yield warning(_WHERE, "gives no max_position_embeddings, so the context length is unknown", fits)


def _scaled(place: str, part: dict[str, Any], positions: int) -> Findings:
    """The context that rope scaling makes of the positions: yarn counts from the original ones, as vLLM does."""
    key, scaling = _rope(part)
    if scaling is None:
        return
    kind, factor = _rope_kind(scaling), scaling.get("factor")
    if kind in _UNSCALED or factor is None:
        return
    if not isinstance(factor, int | float) or isinstance(factor, bool) or not 0 < factor < 1e9:
        yield Finding(_WHERE, f"{place}{key}.factor is {_shown(factor)}, not a number above 0", "save the model again")
        return
    original = scaling.get("original_max_position_embeddings")
    if kind != "yarn" or not isinstance(original, int) or not 1 <= original < 10**9:
        original = positions
    if original * factor > facts.LONGEST_CONTEXT:
        yield _too_long(f"{place}{key} ({kind}) extends {original:,} positions to {original * factor:,.0f}", key)


def _too_long(problem: str, key: str = "max_position_embeddings") -> Finding:
    fits = (
        f"the service takes contexts below 128K (up to {facts.LONGEST_CONTEXT:,}); if shorter ones are enough, "
        f"lower {key} in config.json"
    )
    return Finding(_WHERE, problem, fits)


def _quantization(config: dict[str, Any], architecture: str | None) -> Findings:
    for place, part in (("", config), *_nested(config)):
        for key in ("quantization_config", "compression_config", "quantization"):  # the last one is MLX's
            method = part.get(key)
            if not method:
                continue
            named = method.get("quant_method") if isinstance(method, dict) else None
            if architecture == facts.GPT_OSS and named == "mxfp4":
                continue
            problem = f"{place}{key}: the weights are quantized ({_shown(named or 'by a method that is not named')})"
            allowed = "; of GPT-OSS it takes mxfp4" if architecture == facts.GPT_OSS else ""
            yield Finding(_WHERE, problem, f"import the weights in bfloat16 or float16{allowed}")


def _data_type(config: dict[str, Any]) -> Findings:
    for place, part in (("", config), *_text_nested(config)):
        for key in ("torch_dtype", "dtype"):
            value = part.get(key)
            if value is None or value == "auto":
                continue
            name = str(value).removeprefix("torch.")
            if name in _DOUBLES:
                problem = f"{place}{key} is {_shown(name)}: the files are twice as large as in bfloat16, or more"
                yield warning(_WHERE, problem, "save the model in bfloat16 if it was trained so")
            elif name not in _HALVES:
                problem = f"{place}{key} is {_shown(value)}, in which the service reads no weights"
                yield Finding(_WHERE, problem, "save the model in bfloat16 or float16")


def _version(config: dict[str, Any], architecture: str | None) -> Findings:
    """The release of transformers that wrote the files.

    The newest one named counts: a nested configuration may name its own. Release 5 writes keys that release 4 does not
    read, such as `rope_parameters` in place of `rope_theta`: the model would load with other values. A later release 4
    may; GPT-OSS needs one, because 4.51 does not know it.
    """
    known = ".".join(map(str, facts.TRANSFORMERS))
    again = f"the service reads the files of transformers {known}: save the model with that release"
    versions = [part.get("transformers_version") for _, part in _text_parts(config)]
    version = max((one for one in versions if one is not None), key=_release, default=None)
    release = _release(version)
    if release[0] > facts.TRANSFORMERS[0]:
        problem = f"transformers {_shown(version)} wrote it, whose files transformers {known} does not read"
        yield Finding(_WHERE, problem, again)
    elif any("rope_parameters" in part and "rope_theta" not in part for _, part in _text_parts(config)):
        problem = "it has rope_parameters and no rope_theta, as transformers 5 writes it"
        yield Finding(_WHERE, problem, again)
    elif version is not None and release == _NO_RELEASE:
        yield warning(_WHERE, f"transformers_version {_shown(version)} is no version", again)
    elif architecture != facts.GPT_OSS and release > facts.TRANSFORMERS[:2]:
        yield warning(_WHERE, f"transformers {_shown(version)} wrote it, which is newer than {known}", again)


def _release(version: object) -> tuple[int, int]:
    """The first two numbers of a version, such as "4.51.3" or "v5"."""
    found = re.match(r"v?(\d{1,6})(?:\.(\d{1,6}))?", version) if isinstance(version, str) else None
    return _NO_RELEASE if found is None else (int(found[1]), int(found[2] or 0))


def _llama3(config: dict[str, Any], architecture: str | None) -> Findings:
    if architecture not in ("LlamaForCausalLM", "MllamaForConditionalGeneration"):
        return
    for place, part in _text_parts(config):
        key, scaling = _rope(part)
        llama3 = part.get("vocab_size") == facts.LLAMA3_VOCABULARY or (scaling and _rope_kind(scaling) == "llama3")
        if not llama3 or not scaling:
            continue
        differing = [name for name, value in facts.LLAMA3_ROPE.items() if scaling.get(name) != value]
        if differing or _rope_kind(scaling) != "llama3":
            used = ", ".join(f"{name} {value}" for name, value in facts.LLAMA3_ROPE.items())
            problem = f"{place}{key} will be overridden: for Llama 3 the service uses {used}"
            yield warning(_WHERE, problem, "check the model's answers on long prompts (llmdyno check)")


def _rope(part: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """The rope scaling of a part, and the key that holds it; None: there is none."""
    for key in ("rope_scaling", "rope_parameters"):
        if isinstance(part.get(key), dict) and part[key]:
            return key, part[key]
    return "rope_scaling", None


def _rope_kind(scaling: dict[str, Any]) -> str:
    return str(scaling.get("rope_type") or scaling.get("type") or "default")


def _nested(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configurations within a configuration, with the beginning of their keys' names."""
    for key, value in config.items():
        if key.endswith("_config") and isinstance(value, dict) and key != "quantization_config":
            yield f"{key}.", value


def _text_nested(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((place, part) for place, part in _nested(config) if place[:-1] not in _OTHERS)


def _text_parts(config: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The configuration, and those within it that are of text."""
    yield "", config
    yield from _text_nested(config)


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _shown(value: object) -> str:
    return one_line(str(value), 100)
