"""Opens files that the user names, whatever they turn out to be.

In: a path. Out: the file's bytes, or an :class:`~llmdyno.errors.InputError`. A device may have no end, and a FIFO may
have no writer: neither must hold up a command. It does not know what the bytes mean.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from pathlib import Path
from typing import Self

from llmdyno.errors import InputError

LARGEST_BYTES = 256 * 2**20
"""The largest file that is read as a whole."""

FIFO_PATIENCE_S = 5.0
"""How long a FIFO, such as a shell's ``<(…)``, may be silent."""

_PIECE = 1 << 16
_KINDS = {
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a FIFO",
}


def check_file(path: str | Path, where: str, fits: str, most: int = LARGEST_BYTES) -> None:
    """Check that a library can read a file to its end: it is a regular file, it is readable and not too large.

    The system's null device counts as an empty file.

    Args:
        path: the file.
        where: the flag, key or variable that the error names.
        fits: what the error tells the user to do.
        most: the largest size in bytes.

    Raises:
        InputError: it is not.
    """
    with _Opened(path, where, fits) as opened:
        mode, size = os.fstat(opened.descriptor).st_mode, os.fstat(opened.descriptor).st_size
    if not stat.S_ISREG(mode) and not _is_null(path):
        raise _no_file(path, mode, where, fits)
    _check_size(path, size, where, fits, most)


def read_bytes(
    path: str | Path, where: str, fits: str, most: int = LARGEST_BYTES, patience_s: float = FIFO_PATIENCE_S
) -> bytes:
    """The content of a regular file or a FIFO. For the arguments, see :func:`check_file`.

    A FIFO may be silent for `patience_s` seconds.

    Raises:
        InputError: the file cannot be read, is too large, or is a FIFO that is silent for longer.
    """
    with _Opened(path, where, fits) as opened:
        found = os.fstat(opened.descriptor)
        if stat.S_ISREG(found.st_mode):
            _check_size(path, found.st_size, where, fits, most)
        elif not stat.S_ISFIFO(found.st_mode) and not _is_null(path):
            raise _no_file(path, found.st_mode, where, fits)
        pieces, size = [], 0
        while piece := opened.piece(patience_s if stat.S_ISFIFO(found.st_mode) else None):
            pieces.append(piece)
            size += len(piece)
            _check_size(path, size, where, fits, most)
    return b"".join(pieces)


def refuse_special(path: str | None, where: str, fits: str) -> None:
    """Check that a file, if it is there, is a regular one. A library reads it, and says what else is wrong with it.

    Args:
        path: the file; None or empty: there is nothing to check.
        where: the flag, key or variable that the error names.
        fits: what the error tells the user to do.

    Raises:
        InputError: it is a FIFO, a device or a socket.
    """
    if path and os.path.exists(path) and not os.path.isdir(path):
        check_file(path, where, fits)


def _is_null(path: str | Path) -> bool:
    return os.path.realpath(path) == os.devnull


def _no_file(path: str | Path, mode: int, where: str, fits: str) -> InputError:
    named = "" if where == str(path) else f"{path} "
    if stat.S_ISDIR(mode):
        return InputError(where, f"{named}cannot be read ({os.strerror(errno.EISDIR)})", fits)
    return InputError(where, f"{named}is {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, not a file", fits)


def _check_size(path: str | Path, size: int, where: str, fits: str, most: int) -> None:
    if size > most:
        named = "" if where == str(path) else f"{path} "
        shown = f"{most // 2**20} MiB" if most >= 2**20 else f"{most // 2**10} KiB"
        raise InputError(where, f"{named}has more than {shown}", fits)


class _Opened:
    """An open file. What the system refuses becomes an InputError with the file's name."""

    def __init__(self, path: str | Path, where: str, fits: str) -> None:
        self._path, self._where, self._fits = path, where, fits
        self.descriptor = -1

    def __enter__(self) -> Self:
        try:
            # O_NONBLOCK: without it, opening a FIFO waits for a writer.
            self.descriptor = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._refused(error.strerror or str(error)) from None
        except ValueError as error:  # the path itself, such as one with a null byte
            raise InputError(self._where, f"{str(self._path)!r} cannot be read ({error})", self._fits) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        os.close(self.descriptor)
        if isinstance(error, OSError):
            raise self._refused(error.strerror or str(error)) from None

    def piece(self, patience_s: float | None) -> bytes:
        """The next bytes; none: the file has ended. `patience_s`: how long to wait for the writer of a FIFO.

        Raises:
            InputError: nothing comes.
        """
        if patience_s is not None:
            poll = select.poll()
            poll.register(self.descriptor, select.POLLIN)
            if not poll.poll(patience_s * 1e3):
                raise self._refused(f"nothing comes from it within {patience_s:g} s")
        return os.read(self.descriptor, _PIECE)

    def _refused(self, why: str) -> InputError:
        named = "" if self._where == str(self._path) else f"{self._path} "
        return InputError(self._where, f"{named}cannot be read ({why})", self._fits)
