"""The journal: an append-only file of a run's records, readable after a `kill -9`.

In: each record when its request ends. Out: a file of JSON lines, one record on each line, with the chunk arrays in
base64; and the records again. Reading skips a last line that was cut short when the process died.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from llmdyno.timeline.record import RequestRecord

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(RequestRecord).decode


class Journal:
    """An open journal. Each record is one `write`, so an appended record survives the death of the process."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)

    def append(self, record: RequestRecord) -> None:
        """Write one record.

        Raises:
            OSError: the write failed. The line may be incomplete.
        """
        try:
            encoded = _encode(record)
        except UnicodeEncodeError:  # a library's text may hold half a character; the record is kept all the same
            encoded = _encode(_encodable(record))
        line = memoryview(encoded + b"\n")
        while line:
            line = line[os.write(self._file, line) :]

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _encodable(record: RequestRecord) -> RequestRecord:
    """The record with a question mark for each half of a character in its texts."""
    texts = {name: value for name in record.__struct_fields__ if isinstance(value := getattr(record, name), str)}
    whole = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    return msgspec.structs.replace(record, **whole)


def read_journal(path: Path) -> Iterator[RequestRecord]:
    """The records of a journal. Lines that are not a complete record are skipped."""
    with path.open("rb") as lines:
        for line in lines:
            try:
                yield _decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
