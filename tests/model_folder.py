"""Model folders for tests: small, and whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "max_position_embeddings": 8192,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.3",
}
ONE, TWO, INDEX = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"


def safetensors(dtype: str = "BF16", size: int = 2, **shapes: int) -> bytes:
    """A file with tensors of one dimension by name; `size` bytes an element."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, count in shapes.items():
        header[name] = {"dtype": dtype, "shape": [count], "data_offsets": [end, end + count * size]}
        end += count * size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(end)


FILES: dict[str, bytes] = {
    "config.json": json.dumps(LLAMA).encode(),
    ONE: safetensors(a=1000),
    TWO: safetensors(b=500),
    INDEX: json.dumps({"metadata": {"total_size": 3000}, "weight_map": {"a": ONE, "b": TWO}}).encode(),
    "tokenizer.json": b'{"model": {"type": "BPE"}}',
    "tokenizer_config.json": b'{"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": "{{ messages }}"}',
    ".cache": b"hidden",
}


def make_folder(path: Path, files: dict[str, Any] | None = None) -> Path:
    """A folder that can be imported, with `files` in place of its own: bytes, text, an object (as JSON), or None for no
    file."""
    for name, content in {**FILES, **(files or {})}.items():
        if content is not None:
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, bytes | str) else json.dumps(content)
            (path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return path
