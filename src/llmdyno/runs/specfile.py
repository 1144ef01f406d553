"""Reads a spec file. :mod:`llmdyno.spec.toml` knows what the text means."""

from __future__ import annotations

from pathlib import Path

from llmdyno.host.files import read_text
from llmdyno.host.inputs import LARGEST_BYTES
from llmdyno.spec.keys import Layer
from llmdyno.spec.toml import FITS, parse_toml

LARGEST_SPEC_BYTES = 128 * 2**10
"""A spec file that a user names is no larger. A parser of TOML takes minutes for some files of a megabyte."""


def read_toml(path: Path, most: int = LARGEST_BYTES) -> Layer:
    """A spec file as a layer for :func:`llmdyno.spec.spec.build`. It has at most `most` bytes.

    Raises:
        InputError: the file cannot be read, is too large, is not TOML, or has a key that is not known or in a wrong
            table.
    """
    return parse_toml(read_text(path, str(path), FITS, most), str(path))
