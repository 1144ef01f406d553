"""Reads the small files of a run directory that may be anything: damaged, foreign, or no files at all.

In: paths and bytes. Out: bytes, and JSON objects that hold only what JSON and UTF-8 can hold; or an error that says
what is wrong in a few words. It does not know what a file means.
"""

from __future__ import annotations

import json
import math
import os
import stat
from pathlib import Path
from typing import Any, NoReturn

_LARGEST = 256 << 20
"""Bytes. No file that is read as a whole is larger."""


class Unreadable(ValueError):
    """A file that cannot be read. Its text follows the file's name in a sentence."""


def read_bytes(path: Path) -> bytes:
    """The content of a regular file, or of a link to one.

    Raises:
        Unreadable: there is no such file, it cannot be opened, or it is too large.
    """
    try:
        with open(path, "rb", opener=_open_regular) as file:
            if os.fstat(file.fileno()).st_size > _LARGEST:
                raise Unreadable(f"is larger than {_LARGEST >> 20} MB")
            return file.read()
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except OSError as error:
        raise Unreadable(f"cannot be read ({error.strerror})") from None


def _open_regular(path: str, flags: int) -> int:
    # A pipe that nobody writes to would otherwise hold the open for ever.
    file = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise Unreadable("is not a regular file")
    return file


def is_regular(path: Path) -> bool:
    """Whether a path is a regular file, or a link to one."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def json_object(content: bytes) -> dict[str, Any]:
    """The JSON object that bytes hold. Half a character in a text becomes a question mark.

    Raises:
        Unreadable: they hold something else, NaN or infinity.
    """
    try:
        value = json.loads(content.decode(), parse_constant=_refuse, parse_float=_finite)
    except UnicodeDecodeError:
        raise Unreadable("is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is not JSON ({error})") from None
    if not isinstance(value, dict):
        raise Unreadable("is not a JSON object")
    if b"\\ud" in content.lower():
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return dict(value)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large")
    return number
