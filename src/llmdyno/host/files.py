"""Reads text files that a user names.

In: a path, and what the error should say. Out: the text. It does not know what the text means.
"""

from __future__ import annotations

from pathlib import Path

from llmdyno.errors import InputError


def read_text(path: str | Path, where: str, fits: str) -> str:
    """A file's text, without a byte order mark and with plain line ends.

    Args:
        path: the file.
        where: the flag or the file that the error starts with.
        fits: what the error tells the user to do.

    Raises:
        InputError: the file cannot be read, or is not UTF-8 text.
    """
    named = "" if where == str(path) else f"{path} "
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(where, f"{named}cannot be read ({error.strerror})", fits) from None
    except UnicodeDecodeError:
        raise InputError(where, f"{named}is not UTF-8 text", fits) from None
    except ValueError as error:  # the path itself, such as one with a null byte
        raise InputError(where, f"{str(path)!r} cannot be read ({error})", fits) from None
