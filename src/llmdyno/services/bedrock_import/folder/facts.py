"""What the service imports, as AWS documented it in 2026-11. PURE.

The facts are from the user guide's pages on Custom Model Import, unless a comment says otherwise. All figures of the
check are here. The emulator has its own copy, because it shares no code with what measures it.
"""

from __future__ import annotations

from typing import NamedTuple


class Family(NamedTuple):
    """An architecture: the `model_type` in its config.json, and whether it takes images."""

    model_type: str
    images: bool = False


ARCHITECTURES = {
    "LlamaForCausalLM": Family("llama"),
    "MllamaForConditionalGeneration": Family("mllama", images=True),
    "MistralForCausalLM": Family("mistral"),
    "MixtralForCausalLM": Family("mixtral"),
    "T5ForConditionalGeneration": Family("t5"),
    "GPTBigCodeForCausalLM": Family("gpt_bigcode"),
    "Qwen2ForCausalLM": Family("qwen2"),
    "Qwen2VLForConditionalGeneration": Family("qwen2_vl", images=True),
    "Qwen2_5_VLForConditionalGeneration": Family("qwen2_5_vl", images=True),
    "Qwen3ForCausalLM": Family("qwen3"),
    "Qwen3MoeForCausalLM": Family("qwen3_moe"),
    "GptOssForCausalLM": Family("gpt_oss"),
}
"""Classes in config.json that the service imports.

AWS names the families: Mistral, Mixtral, Flan (T5), Llama 2 to 3.3 and Mllama, GPTBigCode, Qwen2, 2.5, 2-VL, 2.5-VL,
Qwen3 (these two classes only), GPT-OSS 20B and 120B. Embedding models are not imported.
"""

GPT_OSS = "GptOssForCausalLM"
QWEN3 = ("Qwen3ForCausalLM", "Qwen3MoeForCausalLM")
T5 = "T5ForConditionalGeneration"

REGIONS = ("eu-central-1", "us-east-1", "us-east-2", "us-west-2")
GPT_OSS_REGIONS = ("us-east-1",)

LARGEST_TEXT_BYTES, LARGEST_MULTIMODAL_BYTES = 200_000_000_000, 100_000_000_000
"""Weights must be smaller than this."""

LONGEST_CONTEXT = 131_072
"""The most positions that are let through. The guide says "less than 128K". It also gives the price of Llama 3.1 with
"128K", whose config.json has exactly 131,072. So that number passes, and a greater one does not."""

TRANSFORMERS = (4, 51, 3)
"""The release of transformers whose files the service reads."""

GPT_OSS_EOS = (200_002, 199_999, 200_012)
"""The end-of-sequence ids that GPT-OSS needs in generation_config.json."""

LLAMA3_ROPE = {
    "original_max_position_embeddings": 8192,
    "high_freq_factor": 4,
    "low_freq_factor": 1,
    "factor": 8,
}
"""The `rope_scaling` that the service uses for Llama 3, whatever the folder says."""

LLAMA3_VOCABULARY = 128_256
"""The size of Llama 3's vocabulary, by which its models are told from Llama 2's (from Meta's config.json)."""

TOKENIZERS = tuple(
    f"{name}Tokenizer{fast}"
    for name in ("T5", "Llama", "CodeLlama", "GPT2", "GPTNeoX", "PreTrained", "Qwen2")
    for fast in ("", "Fast")
)
"""Tokenizer classes that the service knows."""

SENTENCE_PIECE = ("T5Tokenizer", "LlamaTokenizer", "CodeLlamaTokenizer")
"""Tokenizer classes that read a SentencePiece model, in the file tokenizer.model or spiece.model."""
