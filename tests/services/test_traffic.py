"""A day of traffic: shapes, files, and what a bad line is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmdyno.errors import InputError
from llmdyno.services.traffic import by_shape, read_traffic


def hourly(arrivals_s: np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return np.histogram(arrivals_s, bins=24, range=(0, 86400))[0].tolist()  # type: ignore[no-any-return]


def test_shapes() -> None:
    assert hourly(by_shape(100, "flat", 1).arrivals_s) == [100] * 24
    office = by_shape(100, "business-hours", 1)
    assert hourly(office.arrivals_s) == [0] * 9 + [100] * 9 + [0] * 6
    assert office.days_a_month == 22
    day = hourly(by_shape(1000, "daytime", 1).arrivals_s)
    assert (max(day), min(day)) == (1000, 100)
    assert day.index(1000) == 15


def test_what_a_shape_is() -> None:
    assert by_shape(2.5, "business-hours", 1).description == "2.5 requests an hour, from 9 to 18, on 22 days of a month"
    with pytest.raises(InputError, match=r"--shape: 'round' does not fit; one of flat, business-hours, daytime"):
        by_shape(1, "round", 1)


def test_the_last_line_is_as_long_as_the_one_before_it(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("time,requests\n22:00:00,10\n\n23:30:00,500\n", encoding="utf-8")
    found = read_traffic(str(path), 1)
    assert found.description == f"{path}: 510 requests a day, every day"
    assert found.days_a_month == 30
    assert (
        23.5 * 3600 <= found.arrivals_s[10] < found.arrivals_s[-1] < 86_400
    )  # the day ends before that hour and a half


def test_the_same_seed_the_same_arrivals_in_order() -> None:
    first, again, other = (by_shape(500, "flat", seed).arrivals_s for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.all(np.diff(first) >= 0)


def test_fractions_of_a_request_are_not_lost() -> None:
    assert len(by_shape(0.25, "flat", 1).arrivals_s) == 6


def test_a_table_of_the_day(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    path.write_text("time,requests\n08:00,60\n09:30,0\n10:00,120\n11:00,10\n", encoding="utf-8")
    found = read_traffic(str(path), 1)
    counts = hourly(found.arrivals_s)
    assert sum(counts) == 190
    assert counts[8] + counts[9] == 60
    assert counts[10:12] == [120, 10]
    assert np.sum((found.arrivals_s >= 9.5 * 3600) & (found.arrivals_s < 10 * 3600)) == 0


def test_seconds_and_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,requests\n0,5\n43200,7\n", encoding="utf-8")
    assert len(read_traffic(str(path), 1).arrivals_s) == 12
    trace = tmp_path / "trace.jsonl"
    trace.write_text('{"timestamp": 5, "input_tokens": 1, "output_tokens": 2}\n' * 3, encoding="utf-8")
    assert read_traffic(str(trace), 1).arrivals_s.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time,requests\n08:00,60\n07:00,5\n", "line 3: its time is not after the one before"),
        ("time,requests\n08:00,many\n", "line 2: '08:00,many' does not fit"),
        ("time,requests\n08:00,-1\n", "line 2: '08:00,-1' does not fit"),
        ("time,requests\n25:00,1\n", "line 2: '25:00,1' does not fit"),
        ("time,requests\n08:00,1,2\n", "line 2: it has 3 cells"),
        ("time,requests\n", "has no line of traffic"),
        ("a,b\n1,2\n", "line 1: its columns are a, b"),
        ('{"timestamp": 0, "input_tokens": 1}\n', "line 1"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_traffic(str(path), 1)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("--traffic")


def test_no_file_and_more_than_a_day(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_traffic(str(tmp_path / "none.csv"), 1)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_traffic(str(tmp_path / "binary.csv"), 1)
    trace = tmp_path / "long.jsonl"
    lines = [f'{{"timestamp": {time}, "input_tokens": 1, "output_tokens": 2}}' for time in (0, 90_000)]
    trace.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"25\.0 hours long"):
        read_traffic(str(trace), 1)
