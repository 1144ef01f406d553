"""Loads a tokenizer from this machine: a file, a folder, or a name in the local Hugging Face cache.

In: a name. Out: an object that counts tokens and says where they end, as the workload needs it. The libraries
`tokenizers` and `huggingface_hub` are imported only here, and only if the user asks for a tokenizer. It downloads
nothing.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError

FITS = "what fits: a tokenizer.json, a folder that has one, or a name in the local Hugging Face cache"
_FLAG = "--tokenizer"


class FileTokenizer:
    """A Hugging Face `tokenizer.json`, read by the `tokenizers` library. Special tokens do not count."""

    exact = True

    def __init__(self, name: str, tokenizer: Any) -> None:
        self.name = name
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """The number of tokens in `text`."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def ends(self, text: str) -> list[int]:
        """For each token of `text`, the index just past its last character."""
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]


def load_tokenizer(name: str) -> FileTokenizer:
    """Load the tokenizer with this name.

    Raises:
        InputError: there is no such tokenizer, the file is not one, or the `tokenizers` library is not installed.
    """
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InputError(
            _FLAG, "needs the library `tokenizers`, which is not installed", "pip install 'llmdyno[tokenizers]'"
        ) from None
    path = _locate(name)
    try:
        return FileTokenizer(name, Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises a bare Exception for a file that it cannot read
        raise InputError(_FLAG, f"{path} is not a tokenizer file ({error})", FITS) from None


def _locate(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "tokenizer.json").is_file():
            return path / "tokenizer.json"
        raise InputError(_FLAG, f"the folder {name!r} has no tokenizer.json", FITS)
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(cached, str):
            return Path(cached)
    raise InputError(_FLAG, f"{name!r} is neither a file, nor a folder, nor in the local cache", FITS)
