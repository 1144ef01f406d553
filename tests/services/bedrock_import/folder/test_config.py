"""What config.json says, one thing at a time."""

from __future__ import annotations

from typing import Any

import pytest
from tests.model_folder import LLAMA

from llmdyno.services.bedrock_import.folder.config import check_config
from llmdyno.services.bedrock_import.folder.facts import ARCHITECTURES

SHORTER = "; the service takes contexts below 128K (up to 131,072); if shorter ones are enough, lower {} in config.json"
POSITIONS = SHORTER.format("max_position_embeddings")
GPT_OSS = {**LLAMA, "architectures": ["GptOssForCausalLM"], "model_type": "gpt_oss"}
HALVES = "; import the weights in bfloat16 or float16"
AGAIN = "; the service reads the files of transformers 4.51.3: save the model with that release"


def found(config: dict[str, Any], region: str | None = "us-east-1") -> list[str]:
    return [("" if one.refused else "? ") + str(one.error) for one in check_config(config, region)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"max_position_embeddings": 131_072}, []),  # Llama 3.1, whose price AWS documents
        ({"max_position_embeddings": 131_073}, [f"config.json: max_position_embeddings is 131,073{POSITIONS}"]),
        (
            {"max_position_embeddings": None, "text_config": {"max_position_embeddings": 262_144}},
            [f"config.json: text_config.max_position_embeddings is 262,144{POSITIONS}"],
        ),
        ({"max_position_embeddings": 4096, "vision_config": {"max_position_embeddings": 10**6}}, []),
        (
            {"max_position_embeddings": None, "n_positions": 200_000},
            [f"config.json: n_positions is 200,000{POSITIONS}"],
        ),
        (
            {"max_position_embeddings": "8192"},
            ["config.json: max_position_embeddings is 8192, not a whole number; save the model again"],
        ),
        (
            {"max_position_embeddings": 0},
            ["config.json: max_position_embeddings is 0, not a whole number; save the model again"],
        ),
        (
            {"max_position_embeddings": None},
            [
                "? config.json: gives no max_position_embeddings, so the context length is unknown; make sure that the "
                "context has at most 131,072 tokens"
            ],
        ),
    ],
)
def test_the_context_length(change: dict[str, Any], expected: list[str]) -> None:
    assert found({**LLAMA, **change}) == expected


@pytest.mark.parametrize(
    ("positions", "scaling", "extended"),
    [
        (32_768, {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}, None),
        (32_768, {"type": "yarn", "factor": 8.0, "original_max_position_embeddings": 32_768}, "(yarn) extends 32,768"),
        (131_072, {"rope_type": "yarn", "factor": 32, "original_max_position_embeddings": 4096}, None),  # GPT-OSS
        (32_768, {"rope_type": "linear", "factor": 8}, "(linear) extends 32,768"),
        (32_768, {"rope_type": "dynamic", "factor": 4}, None),
        (131_072, {"rope_type": "longrope", "factor": 32.0, "short_factor": []}, None),
        (32_768, {"type": "mrope", "mrope_section": [16]}, None),
        (32_768, {"rope_type": "default", "factor": 99}, None),
        (32_768, None, None),
    ],
)
def test_the_context_that_rope_scaling_makes(positions: int, scaling: Any, extended: str | None) -> None:
    config = {
        **LLAMA,
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "max_position_embeddings": positions,
        "rope_scaling": scaling,
    }
    expected = f"config.json: rope_scaling {extended} positions to 262,144{SHORTER.format('rope_scaling')}"
    assert found(config) == ([] if extended is None else [expected])


def test_a_factor_that_is_no_number() -> None:
    config = {**LLAMA, "rope_scaling": {"type": "linear", "factor": "4"}}
    assert found(config) == ["config.json: rope_scaling.factor is 4, not a number above 0; save the model again"]


def test_t5_has_no_context_length() -> None:
    assert found({"architectures": ["T5ForConditionalGeneration"], "model_type": "t5", "n_positions": 512}) == []


SUPPORTED = "supported: " + ", ".join(ARCHITECTURES)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["Phi3ForCausalLM"], f"the architecture Phi3ForCausalLM is not supported; {SUPPORTED}"),
        ([], f"the architecture None is not supported; {SUPPORTED}"),
        ("LlamaForCausalLM", f"the architecture None is not supported; {SUPPORTED}"),
        ([5], f"the architecture None is not supported; {SUPPORTED}"),
        (
            ["BertModel"],
            "the architecture BertModel makes no text, such as an embedding model; import a model that generates; "
            + SUPPORTED,
        ),
        (
            ["Qwen3NextForCausalLM"],
            "the architecture Qwen3NextForCausalLM is not supported; of Qwen3, the service imports Qwen3ForCausalLM "
            "and Qwen3MoeForCausalLM only",
        ),
    ],
)
def test_an_architecture_that_is_not_supported(named: Any, expected: str) -> None:
    assert found({**LLAMA, "architectures": named}) == [f"config.json: {expected}"]


def test_what_does_not_belong_to_an_architecture() -> None:
    assert found({**LLAMA, "model_type": "mistral", "auto_map": {"AutoModel": "x.Y"}}) == [
        "? config.json: model_type mistral does not belong to LlamaForCausalLM; LlamaForCausalLM has llama: check "
        "which one the weights are",
        "? config.json: auto_map names code of the model's own, which the service does not run; make sure that the "
        "weights work with transformers' own LlamaForCausalLM",
    ]


@pytest.mark.parametrize(
    ("config", "region", "expected"),
    [
        (LLAMA, "eu-central-1", None),
        (LLAMA, "us-west-2", None),
        (LLAMA, None, None),
        (
            LLAMA,
            "eu-west-1",
            "eu-west-1: the service imports no models there; use eu-central-1, us-east-1, us-east-2 or us-west-2",
        ),
        (GPT_OSS, "us-east-1", None),
        (GPT_OSS, "us-east-2", "us-east-2: the service imports no GPT-OSS there; use us-east-1"),
    ],
)
def test_regions_by_architecture(config: dict[str, Any], region: str | None, expected: str | None) -> None:
    assert found(config, region) == ([] if expected is None else [f"--region: {expected}"])


@pytest.mark.parametrize("method", ["fp8", "gptq", "awq", "bitsandbytes", "compressed-tensors", "mxfp4"])
def test_quantized_weights(method: str) -> None:
    quantized = {"quantization_config": {"quant_method": method}}
    problem = f"quantization_config: the weights are quantized ({method}){HALVES}"
    assert found({**LLAMA, **quantized}) == [f"config.json: {problem}"]
    assert found({**LLAMA, "text_config": quantized}) == [f"config.json: text_config.{problem}"]
    of_gpt_oss = [] if method == "mxfp4" else [f"config.json: {problem}; of GPT-OSS it takes mxfp4"]
    assert found({**GPT_OSS, **quantized}) == of_gpt_oss


def test_a_quantization_without_a_name_or_without_content() -> None:
    unnamed = f"the weights are quantized (by a method that is not named){HALVES}"
    assert found({**LLAMA, "compression_config": {"bits": 4}}) == [f"config.json: compression_config: {unnamed}"]
    assert found({**LLAMA, "quantization_config": None, "compression_config": {}}) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"torch_dtype": "float16"}, []),
        ({"torch_dtype": None, "dtype": "torch.bfloat16"}, []),
        (
            {"torch_dtype": "float32"},
            [
                "? config.json: torch_dtype is float32: the files are twice as large as in bfloat16, or more; save the "
                "model in bfloat16 if it was trained so"
            ],
        ),
        (
            {"dtype": "float8_e4m3fn"},
            [
                "config.json: dtype is float8_e4m3fn, in which the service reads no weights; save the model in "
                "bfloat16 or float16"
            ],
        ),
    ],
)
def test_data_types(change: dict[str, Any], expected: list[str]) -> None:
    assert found({**LLAMA, **change}) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"transformers_version": "4.31.0"}, []),
        ({"transformers_version": "4.51.9"}, []),
        ({"transformers_version": None}, []),
        (
            {"transformers_version": "4.52.0"},
            [f"? config.json: transformers 4.52.0 wrote it, which is newer than 4.51.3{AGAIN}"],
        ),
        (
            {"transformers_version": "5.2.0"},
            [f"config.json: transformers 5.2.0 wrote it, whose files transformers 4.51.3 does not read{AGAIN}"],
        ),
        (
            {"transformers_version": None, "rope_parameters": {"rope_theta": 5e5, "rope_type": "default"}},
            [f"config.json: it has rope_parameters and no rope_theta, as transformers 5 writes it{AGAIN}"],
        ),
        ({"transformers_version": "new"}, [f"? config.json: transformers_version new is no version{AGAIN}"]),
        ({"transformers_version": 5}, [f"? config.json: transformers_version 5 is no version{AGAIN}"]),
    ],
)
def test_the_release_of_transformers(change: dict[str, Any], expected: list[str]) -> None:
    assert found({**LLAMA, **change}) == expected


def test_gpt_oss_needs_a_later_release() -> None:
    assert found({**GPT_OSS, "transformers_version": "4.55.0.dev0"}) == []
    assert len(found({**GPT_OSS, "transformers_version": "5.0.0"})) == 1


ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}


@pytest.mark.parametrize(
    ("scaling", "overridden"),
    [
        (ROPE, False),
        ({**ROPE, "factor": 32.0}, True),  # Llama 3.2
        ({"rope_type": "dynamic", "factor": 2.0}, True),
        (None, False),
    ],
)
def test_the_rope_scaling_of_llama_3_is_overridden(scaling: Any, overridden: bool) -> None:
    config = {**LLAMA, "vocab_size": 128_256, "rope_scaling": scaling}
    expected = (
        "? config.json: rope_scaling will be overridden: for Llama 3 the service uses original_max_position_embeddings "
        "8192, high_freq_factor 4, low_freq_factor 1, factor 8; check the model's answers on long prompts "
        "(llmdyno check)"
    )
    assert found(config) == ([expected] if overridden else [])
    if scaling is not None and scaling["rope_type"] == "dynamic":  # Llama 2 keeps its own
        assert found({**config, "vocab_size": 32_000}) == []
