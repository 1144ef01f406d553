"""Reads text files that the user names.

In: a path, and the texts of an error. Out: the file's text. It does not know what the text means.
"""

from __future__ import annotations

from pathlib import Path

from llmdyno.errors import InputError


def read_text(path: str | Path, where: str, fits: str) -> str:
    """A file's text, without a byte order mark, and with "\\n" at the end of each line.

    Args:
        path: the file.
        where: the flag or file that the error names.
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
