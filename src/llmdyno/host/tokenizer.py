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
from llmdyno.host.inputs import check_file

FITS = "what fits: a tokenizer.json, a folder that has one, or a name in the local Hugging Face cache"
_FLAG = "--tokenizer"


class FileTokenizer:
    """A Hugging Face `tokenizer.json`, read by the `tokenizers` library. Special tokens do not count."""

    exact = True

    def __init__(self, name: str, tokenizer: Any) -> None:
        self.name = name
        self._tokenizer = tokenizer

    def count(self, text: str) -> int:
        """The number of tokens in `text`.

        Raises:
            InputError: the vocabulary has no token for a part of the text, and none for what it does not know.
        """
        return len(self._encoded(text).ids)

    def ends(self, text: str) -> list[int]:
        """For each token of `text`, the index just past its last character."""
        return [end for _, end in self._encoded(text).offsets]

    def _encoded(self, text: str) -> Any:
        try:
            return self._tokenizer.encode(text, add_special_tokens=False)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # as in `load_tokenizer`
            raise InputError(_FLAG, f"{self.name} cannot encode common words ({error})", FITS) from None


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
    check_file(path, _FLAG, FITS)
    try:
        tokenizer = Tokenizer.from_file(str(path))
        tokenizer.no_truncation()  # a file may cut every text at a model's length
        tokenizer.no_padding()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the library raises a bare Exception, or a panic, which is no Exception
        raise InputError(_FLAG, f"{path} is not a tokenizer file ({error})", FITS) from None
    return FileTokenizer(name, tokenizer)


def _locate(name: str) -> Path:
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            if (path / "tokenizer.json").exists():
                return path / "tokenizer.json"
            raise InputError(_FLAG, f"the folder {name!r} has no tokenizer.json", FITS)
        if path.exists():
            return path
    except (OSError, RuntimeError) as error:  # a name too long for a path, or ~ of a user who is not there
        raise InputError(_FLAG, f"{name!r} cannot be read ({getattr(error, 'strerror', error)})", FITS) from None
    if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        from huggingface_hub import try_to_load_from_cache

        try:
            cached = try_to_load_from_cache(name, "tokenizer.json")
        except ValueError:  # it is no name that the cache may have
            cached = None
        if isinstance(cached, str):
            return Path(cached)
    raise InputError(_FLAG, f"{name!r} is neither a file, nor a folder, nor in the local cache", FITS)
