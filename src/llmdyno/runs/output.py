"""Writes a file completely or not at all, and computes its checksum on the way.

In: a path, and bytes piece by piece. Out: the file, moved into place once every byte is on the disk; its digest. A
write that fails leaves the file as it was before. It does not know what the bytes mean.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from io import UnsupportedOperation
from pathlib import Path
from types import TracebackType
from typing import Self

from llmdyno.runs.checksum import Digest


class Output:
    """A file that is being written, as a context manager. It gets its name when the context ends without an error.

    Args:
        path: the file. Its folder is made if it is missing.

    Raises:
        OSError: from any method: the disk is full, or the file cannot be written for another reason.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._part = path.with_name(f".{path.name}.part")
        self._file = self._part.open("wb")
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    @property
    def digest(self) -> Digest:
        """The digest of what was written so far."""
        return Digest(self._bytes, self._sha256.hexdigest())

    def write(self, content: bytes) -> int:
        """Write some bytes and return their number."""
        self._file.write(content)
        self._sha256.update(content)
        self._bytes += len(content)
        return len(content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._file.flush()
                os.fsync(self._file.fileno())  # a full disk may show here only, as with a network file system
            self._file.close()
            if error is None:
                os.replace(self._part, self._path)
                return
        except OSError:
            self._give_up()
            raise
        self._give_up()

    def _give_up(self) -> None:
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)


class Patient:
    """A stream for a library that cannot take a failing write: it goes on as if nothing had happened.

    Once a write has failed, the rest is dropped. :meth:`check` raises the error.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._error: OSError | None = None

    def write(self, content: bytes) -> int:
        """Write some bytes and return their number. It raises nothing."""
        if self._error is None:
            try:
                self._output.write(bytes(content))
            except OSError as error:
                self._error = error
        return len(content)

    def flush(self) -> None:
        """Do nothing: the output flushes itself at its end."""

    def seek(self, offset: int, whence: int = 0) -> int:
        """Refuse. A library may want the method to be there; one that writes from start to end does not call it.

        Raises:
            OSError: always.
        """
        raise UnsupportedOperation("seek")

    def check(self) -> None:
        """Raise the error of the first write that failed.

        Raises:
            OSError: a write failed.
        """
        if self._error is not None:
            raise self._error
