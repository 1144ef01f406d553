"""Reads text files that the user names.

In: a path, and the texts of an error. Out: the file's text. It does not know what the text means.
"""

from __future__ import annotations

from pathlib import Path

from llmdyno.errors import InputError
from llmdyno.host.inputs import LARGEST_BYTES, read_bytes


def read_text(path: str | Path, where: str, fits: str, most: int = LARGEST_BYTES) -> str:
    """A file's text, without a byte order mark, and with "\\n" at the end of each line.

    Args:
        path: the file.
        where: the flag or file that the error names.
        fits: what the error tells the user to do.
        most: the largest size in bytes.

    Raises:
        InputError: the file cannot be read, is too large, or is not UTF-8 text.
    """
    content = read_bytes(path, where, fits, most)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        named = "" if where == str(path) else f"{path} "
        raise InputError(where, f"{named}is not UTF-8 text", fits) from None
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
