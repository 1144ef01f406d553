"""Counts tokens: with a tokenizer file where one is given, else by a small approximation.

In: text. Out: a count, and for a tokenizer the places where its tokens end. `tokenizers` is imported
here only, and only when a tokenizer was asked for; nothing is ever downloaded.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from llmdyno.errors import InputError

_PIECE = re.compile(r"[A-Za-z]+|[0-9]{1,3}|[^\sA-Za-z0-9]|\n+")
_LETTERS_A_TOKEN = 9
FITS = "a tokenizer.json, a folder that has one, or a name in the local Hugging Face cache"


class TokenCounter(Protocol):
    """What the workload asks of a tokenizer."""

    name: str
    exact: bool

    def count(self, text: str) -> int:
        """The number of tokens in `text`, special tokens not counted."""

    def ends(self, text: str) -> list[int]:
        """For each token of `text`, the index just past its last character."""


class Approximation:
    """The built-in guess: a common word is a token, so is a punctuation mark and a group of three digits.

    Byte-pair tokenizers of 32 to 200 thousand entries hold the common English words whole; words of
    more than nine letters are taken as two tokens or more. Right for our own prompts, rough elsewhere.
    """

    name = "built-in approximation"
    exact = False

    def count(self, text: str) -> int:
        """The approximate number of tokens in `text`."""
        return sum(1 + (len(piece) - 1) // _LETTERS_A_TOKEN for piece in _PIECE.findall(text))

    def ends(self, text: str) -> list[int]:
        """For each approximate token, the index just past its last character."""
        ends: list[int] = []
        for match in _PIECE.finditer(text):
            ends.extend(range(match.start() + _LETTERS_A_TOKEN, match.end(), _LETTERS_A_TOKEN))
            ends.append(match.end())
        return ends


class FileTokenizer:
    """A Hugging Face `tokenizer.json`, through the `tokenizers` library."""

    exact = True

    def __init__(self, name: str, tokenizer: Any) -> None:
        self.name = name
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """The number of tokens in `text`, special tokens not counted."""
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def ends(self, text: str) -> list[int]:
        """For each token, the index just past its last character."""
        return [end for _, end in self._tokenizer.encode(text, add_special_tokens=False).offsets]


def load_counter(name: str | None) -> TokenCounter:
    """The counter for a spec's `tokenizer`; none gives the approximation.

    Raises:
        InputError: the name leads to no tokenizer, or the `tokenizers` library is not installed.
    """
    if name is None:
        return Approximation()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise InputError(
            "--tokenizer",
            "needs the library `tokenizers`, which is not installed",
            "pip install 'llmdyno[tokenizers]'",
        ) from None
    path = _locate(name)
    try:
        return FileTokenizer(name, Tokenizer.from_file(str(path)))
    except Exception as error:  # the library raises bare Exception for a file that it cannot read
        raise InputError("--tokenizer", f"{path} is not a tokenizer file ({error})", f"what fits: {FITS}") from None


def _locate(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.is_dir():
        if (path / "tokenizer.json").is_file():
            return path / "tokenizer.json"
        raise InputError("--tokenizer", f"the folder {name!r} has no tokenizer.json", f"what fits: {FITS}")
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, "tokenizer.json")
        if isinstance(cached, str):
            return Path(cached)
    raise InputError(
        "--tokenizer",
        f"{name!r} is neither a file, nor a folder, nor in the local cache",
        f"what fits: {FITS}",
    )
