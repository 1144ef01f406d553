"""Reads a spec file. :mod:`llmdyno.spec.toml` knows what the text means."""

from __future__ import annotations

from pathlib import Path

from llmdyno.host.files import read_text
from llmdyno.spec.keys import Layer
from llmdyno.spec.toml import FITS, parse_toml

LARGEST_SPEC_BYTES = 2**20
"""A spec file is no larger."""


def read_toml(path: Path) -> Layer:
    """A spec file as a layer for :func:`llmdyno.spec.spec.build`.

    Raises:
        InputError: the file cannot be read, is not TOML, or has a key that does not exist or is in a wrong table.
    """
    return parse_toml(read_text(path, str(path), FITS, LARGEST_SPEC_BYTES), str(path))
