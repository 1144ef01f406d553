"""The journal: an append-only file of a run's records, readable after a `kill -9`.

In: what is known before the load, and each record when its request ends. Out: a file of JSON lines; and the records
again, with a count of the lines that cannot be read. The first line holds the spec and the environment, so that the
journal alone can be read. Each other line is one record, with the chunk arrays in base64. The last key of each line is
`crc32`: the CRC-32 of the line's bytes before the comma in front of it. A journal of an earlier version has neither.
"""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from llmdyno.timeline.check import is_plausible
from llmdyno.timeline.record import RequestRecord

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RequestRecord).decode
_CRC, _CRC_LENGTH = b',"crc32":"', 20
_LONGEST_LINE = 1 << 28
"""Bytes. A longer line is no record: one of a million chunks takes 28 MB."""
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)


class Head(msgspec.Struct, frozen=True):
    """A line that holds what is known of the run: `spec` as in spec.toml, `environment` as in environment.json."""

    spec: str
    environment: str


_decode_head = msgspec.json.Decoder(Head).decode


class Journal:
    """An open journal. Each record is one `write`, so an appended record survives the death of the process.

    Raises:
        OSError: the file is there already, or it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def begin(self, spec: bytes, environment: bytes) -> None:
        """Write what is known of the run. The last such line counts.

        Raises:
            OSError: the write failed.
        """
        self._write(_encode(Head(spec.decode(), environment.decode())))

    def append(self, record: RequestRecord) -> None:
        """Write one record.

        Raises:
            OSError: the write failed. The line may be incomplete.
        """
        try:
            encoded = _encode(record)
        except UnicodeEncodeError:  # a library's text may hold half a character; the record is kept all the same
            encoded = _encode(_encodable(record))
        self._write(encoded)

    def records(self) -> Recovered:
        """The records so far. They are read from the open file, also if somebody has removed its name."""
        return Recovered(open(os.dup(self._file), "rb"))

    def has_name(self) -> bool:
        """Whether the file still has a name, so that somebody can read it later."""
        return os.fstat(self._file).st_nlink > 0

    def copy(self, path: Path) -> None:
        """Write the lines so far to another file.

        Raises:
            OSError: it is there already, or it cannot be written.
        """
        with open(os.dup(self._file), "rb") as file, path.open("xb") as other:
            file.seek(0)
            shutil.copyfileobj(file, other)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, encoded: bytes) -> None:
        body = encoded[:-1]
        line = memoryview(b'%b%b%08x"}\n' % (body, _CRC, zlib.crc32(body)))
        while line:
            line = line[os.write(self._file, line) :]


def _encodable(record: RequestRecord) -> RequestRecord:
    """The record with a question mark for each half of a character in its texts."""
    texts = {name: value for name in record.__struct_fields__ if isinstance(value := getattr(record, name), str)}
    whole = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    return msgspec.structs.replace(record, **whole)


class _Line(NamedTuple):
    """A line of a journal: its bytes; whether its CRC holds (None: it has none); whether its end is missing."""

    content: bytes
    holds: bool | None
    cut: bool


class Recovered:
    """The records of a journal, one by one. It can be read once.

    A line that cannot be read is left out and counted. So is a line without a CRC in a journal that has them, and, in a
    journal without them, a line whose values no run can have written.

    Attributes:
        lines: how many lines there are, heads left out.
        unreadable: how many of them could not be read.
        cut: whether the last line was cut short, as when the process died; it does not count as unreadable.
        heads: what the journal says of its run, the last one last.
        emulated: the label of an emulator, as its answers had it; None: they had none.
    """

    def __init__(self, file: BinaryIO, longest: int = _LONGEST_LINE) -> None:
        self.lines = self.unreadable = 0
        self.cut = False
        self.heads: list[Head] = []
        self.emulated: str | None = None
        self._file = file
        self._longest = longest

    def __iter__(self) -> Iterator[RequestRecord]:
        has_crc = False
        seen: set[int] = set()
        with self._file as file:
            file.seek(0)
            for line in map(_checked, _lines(file, self._longest)):
                has_crc = has_crc or bool(line.holds)
                record = self._read(line, has_crc)
                if record is None:
                    continue
                if line.holds is None:
                    if record.request in seen or not is_plausible(record):
                        self.unreadable += 1
                        continue
                    seen.add(record.request)
                if self.emulated is None and isinstance(record.emulated, str):
                    self.emulated = record.emulated
                yield record

    def _read(self, line: _Line, has_crc: bool) -> RequestRecord | None:
        """The record of a line; None: it is a head, or it cannot be read."""
        self.lines += 1
        if line.holds or (line.holds is None and not has_crc):
            try:
                return _decode(line.content)
            except _UNREADABLE:
                pass
            try:
                self.heads.append(_decode_head(line.content))
                self.lines -= 1
                return None
            except _UNREADABLE:
                pass
        if line.cut:
            self.cut = True
            self.lines -= 1
        else:
            self.unreadable += 1
        return None

    def damages(self) -> Iterator[str]:
        """What was lost, in words. Read the records first."""
        if self.unreadable:
            yield f"{self.unreadable} of {self.lines} lines unreadable and left out"
        if self.cut:
            yield "the last line was cut short and is left out"


def _lines(file: BinaryIO, longest: int) -> Iterator[bytes]:
    """The lines of a file. Of one that is too long for a record, only the beginning is given."""
    while line := file.readline(longest):
        if len(line) < longest or line.endswith(b"\n"):
            yield line
            continue
        yield line[:_CRC_LENGTH] + b"\n"
        while len(line) == longest and not line.endswith(b"\n"):
            line = file.readline(longest)


def _checked(line: bytes) -> _Line:
    content = line.removesuffix(b"\n")
    cut = content is line
    body, suffix = content[:-_CRC_LENGTH], content[-_CRC_LENGTH:]
    if not suffix.startswith(_CRC):
        return _Line(content, None, cut)
    return _Line(content, suffix == b'%b%08x"}' % (_CRC, zlib.crc32(body)), cut)


def read_journal(path: Path, longest: int = _LONGEST_LINE) -> Recovered:
    """The records of a journal. A line of `longest` bytes or more is no record.

    Raises:
        OSError: the file cannot be read.
    """
    return Recovered(path.open("rb"), longest)
