"""The journal: each record is on disk as soon as it is appended, and a cut line is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.runs.written import files_up_to, records
from tests.support import make_record

from llmdyno.runs.journal import Journal, read_journal


def test_records_are_on_disk_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for count, record in enumerate(records(), 1):
        journal.append(record)
        assert len(list(read_journal(tmp_path / "j"))) == count
    journal.close()
    journal.close()  # a second time does nothing
    assert list(read_journal(tmp_path / "j")) == records()


def test_every_cut_of_the_last_line_leaves_the_others(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for record in records():
        journal.append(record)
    journal.close()
    whole = (tmp_path / "j").read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last, len(whole) - 1, 37):
        (tmp_path / "j").write_bytes(whole[:end])
        assert list(read_journal(tmp_path / "j")) == records()[:2]
    (tmp_path / "j").write_bytes(whole[:-1])  # only the line's end is missing
    assert list(read_journal(tmp_path / "j")) == records()


def test_a_damaged_line_in_the_middle_is_left_out(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    for record in records():
        journal.append(record)
    journal.close()
    lines = (tmp_path / "j").read_bytes().splitlines(keepends=True)
    (tmp_path / "j").write_bytes(lines[0] + b"\xff\xfe{}\n" + lines[2])
    assert list(read_journal(tmp_path / "j")) == [records()[0], records()[2]]


def test_texts_and_bytes_read_back(tmp_path: Path) -> None:
    record = make_record(0, 1.0, [(2.0, 1, 3)], text='ä"\n\u2028', body=bytes(range(256)))
    journal = Journal(tmp_path / "j")
    journal.append(record)
    journal.close()
    assert list(read_journal(tmp_path / "j")) == [record]


def test_a_journal_is_never_written_over(tmp_path: Path) -> None:
    Journal(tmp_path / "j").close()
    with pytest.raises(FileExistsError):
        Journal(tmp_path / "j")


def test_a_full_disk_raises_and_leaves_the_records_before(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(records()[0])
    with pytest.raises(OSError, match="File too large"), files_up_to((tmp_path / "j").stat().st_size + 50):
        journal.append(records()[1])  # its first 50 bytes are written
    journal.close()
    assert list(read_journal(tmp_path / "j")) == records()[:1]


def test_half_a_character_does_not_lose_the_record(tmp_path: Path) -> None:
    record = make_record(0, 1.0, [], state="failed", error_kind="connect", error_message="a\ud800ü", sent_ns=None)
    journal = Journal(tmp_path / "journal.jsonl")
    journal.append(record)
    journal.close()
    [read] = read_journal(tmp_path / "journal.jsonl")
    assert (read.request, read.error_message) == (0, "a?ü")
