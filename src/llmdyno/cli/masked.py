"""A stream that masks secrets in all that is printed: lines of ours, argparse's errors, warnings, logs and tracebacks.

In: a text stream and a mask. Out: a stream that writes to it. It knows the secrets of the command line and of the
environment only. What a server said was masked before.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import Any, TextIO, cast

from llmdyno.spec.masking import Masker
from llmdyno.spec.secrets import without_shapes


class MaskedStream:
    """Everything of another stream, except that its text is masked."""

    def __init__(self, stream: TextIO, mask: Masker) -> None:
        self._stream = stream
        self._mask = mask

    def write(self, text: str) -> int:
        """Write a text, masked."""
        self._stream.write(self._mask.text(text) if self._mask else text)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts, masked."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def masked_output(mask: Masker) -> Iterator[None]:
    """Mask standard output and standard error while the context is open."""
    out, err = (cast(TextIO, MaskedStream(stream, mask)) for stream in (sys.stdout, sys.stderr))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        yield


def shown(text: str) -> str:
    """An argument that is quoted in an error: its value may be a secret, and so may a word that looks like a key."""
    return without_shapes(text.partition("=")[0])
