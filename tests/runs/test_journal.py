"""The journal: each record is on disk as soon as it is appended, and a cut line is left out."""

from __future__ import annotations

import json
import random
import re
import zlib
from pathlib import Path

import pytest
from tests.runs.written import files_up_to, records
from tests.support import make_record

from llmdyno.runs.journal import Head, Journal, read_journal
from llmdyno.timeline.record import RequestRecord


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


# --- checksums


def journal_of(path: Path, made: list[RequestRecord], heads: int = 1) -> bytes:
    journal = Journal(path)
    for number in range(heads):
        journal.begin(b"seed = 1\n", b'{"host": "%d"}' % number)
    for record in made:
        journal.append(record)
    journal.close()
    return path.read_bytes()


def test_a_line_is_json_with_the_crc_32_of_what_stands_before_it(tmp_path: Path) -> None:
    for line in journal_of(tmp_path / "j", records()).splitlines():
        before, _, crc = line.rpartition(b',"crc32":')
        assert json.loads(line)["crc32"] == json.loads(crc[:-1]) == f"{zlib.crc32(before):08x}"


def test_the_head_says_what_is_known_of_the_run(tmp_path: Path) -> None:
    journal_of(tmp_path / "j", records(), heads=2)
    found = read_journal(tmp_path / "j")
    assert list(found) == records()
    assert found.heads == [Head("seed = 1\n", '{"host": "0"}'), Head("seed = 1\n", '{"host": "1"}')]
    assert (found.lines, found.unreadable, found.cut, list(found.damages())) == (3, 0, False, [])


def test_every_flipped_bit_costs_its_line_and_is_counted(tmp_path: Path) -> None:
    content = journal_of(tmp_path / "j", records())
    dice = random.Random(5)
    ends = [match.start() for match in re.finditer(b"\n", content)]
    positions = [*dice.sample(range(len(content)), 300), *ends, *(end + 1 for end in ends[:-1])]
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << dice.randrange(8)
        (tmp_path / "j").write_bytes(damaged)
        found = read_journal(tmp_path / "j")
        kept = list(found)
        assert all(record in records() for record in kept), position
        assert found.unreadable or found.cut, position
        assert len(kept) >= 1


def test_lines_without_a_crc_among_others_are_not_read(tmp_path: Path) -> None:
    lines = journal_of(tmp_path / "j", records()).splitlines(keepends=True)
    bare = re.sub(rb',"crc32":"\w+"', b"", lines[2])
    (tmp_path / "j").write_bytes(b"".join([*lines[:2], bare, lines[3]]))
    found = read_journal(tmp_path / "j")
    assert (list(found), found.unreadable, found.lines) == ([records()[0], records()[2]], 1, 3)
    assert list(found.damages()) == ["1 of 3 lines unreadable and left out"]


def test_a_journal_of_an_earlier_version_is_read_and_its_odd_values_are_not(tmp_path: Path) -> None:
    bare = re.sub(rb',"crc32":"\w+"', b"", journal_of(tmp_path / "j", records(), heads=0))
    (tmp_path / "j").write_bytes(bare)
    assert list(read_journal(tmp_path / "j")) == records()
    for before, after in ((b'"request":2', b'"request":0'), (b'"state":"failed"', b'"state":"fakled"')):
        assert bare.count(before) == 1
        (tmp_path / "j").write_bytes(bare.replace(before, after))
        found = read_journal(tmp_path / "j")
        assert (len(list(found)), found.unreadable) == (2, 1)


def test_an_open_journal_is_read_although_its_name_is_gone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j")
    journal.append(records()[0])
    (tmp_path / "j").unlink()
    assert list(journal.records()) == records()[:1]
    journal.append(records()[1])
    assert list(journal.records()) == records()[:2]
    journal.close()


@pytest.mark.parametrize("length", [4096, 4097, 5000, 8192, 10_000])
def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path, length: int) -> None:
    content = journal_of(tmp_path / "j", records()[:1], heads=0)
    (tmp_path / "j").write_bytes(content + b"x" * length + b"\n" + content)
    found = read_journal(tmp_path / "j", 4096)
    assert (list(found), found.unreadable) == ([records()[0], records()[0]], 1)
