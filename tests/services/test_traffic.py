"""A day of traffic: shapes, files, arrivals drawn from a seed, a trace's own times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from llmdyno.errors import InputError
from llmdyno.services.traffic import OWN_TIMES, POISSON, Peak, Traffic, by_shape, read_traffic


def hourly(arrivals_s: np.ndarray) -> list[int]:  # type: ignore[type-arg]
    return np.histogram(arrivals_s, bins=24, range=(0, 86400))[0].tolist()  # type: ignore[no-any-return]


def of(path: Path, text: str, day: str | None = None) -> Traffic:
    file = path / "day.csv"
    file.write_text(text, encoding="utf-8")
    return read_traffic(str(file), 1, day)


def test_shapes_have_their_total_and_their_busiest_hour() -> None:
    flat = by_shape(100, "flat", 1)
    assert (flat.expected, flat.peak, flat.days_a_month) == (2400, Peak("00:00 to 01:00", 100.0), 30)
    office = by_shape(100, "business-hours", 1)
    assert (office.expected, office.peak, office.days_a_month) == (900, Peak("09:00 to 10:00", 100.0), 22)
    counts = hourly(office.arrivals_s)
    assert counts[:9] == [0] * 9
    assert counts[18:] == [0] * 6
    assert all(count > 50 for count in counts[9:18])
    day = by_shape(1000, "daytime", 1)
    assert day.expected == pytest.approx(24 * 550)
    assert day.peak == Peak("15:00 to 16:00", 1000.0)


def test_what_a_shape_is() -> None:
    found = by_shape(2.5, "business-hours", 1)
    assert found.description == "2.5 requests an hour, from 9 to 18, on 22 days of a month"
    assert found.arrivals == POISSON == "arrivals within an hour are Poisson"
    with pytest.raises(InputError, match=r"--shape: 'round' does not fit; one of flat, business-hours, daytime"):
        by_shape(1, "round", 1)


def test_the_number_of_arrivals_in_an_hour_is_poisson() -> None:
    """The variance of a Poisson number is its mean. 240 hours of 100 requests: their variance is within a third of it
    (three standard deviations), where a fixed number has none."""
    traffic = by_shape(100, "flat", 1)
    counts = np.array([hourly(draw) for draw in (traffic.arrivals_s, *traffic.others)]).ravel()
    assert len(counts) == 240
    assert counts.mean() == pytest.approx(100, abs=2)
    assert counts.var(ddof=1) == pytest.approx(100, rel=0.3)


def test_times_within_an_hour_are_uniform() -> None:
    """The gaps of a Poisson process are exponential: their standard deviation is their mean."""
    gaps_s = np.diff(by_shape(1000, "flat", 1).arrivals_s)
    assert gaps_s.mean() == pytest.approx(3.6, rel=0.05)
    assert gaps_s.std() == pytest.approx(gaps_s.mean(), rel=0.05)


def test_the_same_seed_the_same_arrivals_in_order() -> None:
    first, again, other = (by_shape(500, "flat", seed).arrivals_s for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.all(np.diff(first) >= 0)


def test_a_small_day_is_drawn_more_often_than_a_large_one() -> None:
    small, large = by_shape(0.25, "flat", 1), by_shape(10_000, "flat", 1)
    assert (small.expected, len(small.others), len(large.others)) == (6, 9, 0)
    assert len({len(draw) for draw in (small.arrivals_s, *small.others)}) > 1


def test_a_table_of_the_day(tmp_path: Path) -> None:
    found = of(tmp_path, "time,requests\n08:00,600\n09:30,0\n10:00,1200\n11:00,100\n")
    assert found.description == f"{tmp_path / 'day.csv'}, every day"
    assert (found.expected, found.days_a_month) == (1900, 30)
    assert found.peak == Peak("10:00 to 11:00", 1200.0)
    counts = hourly(found.arrivals_s)
    assert counts[10] == pytest.approx(1200, abs=140)
    assert np.sum((found.arrivals_s >= 9.5 * 3600) & (found.arrivals_s < 10 * 3600)) == 0
    assert found.notes[0] == "read time as a time of day, requests as a total until the next line"


def test_the_busiest_hour_counts_what_falls_into_it(tmp_path: Path) -> None:
    """Half of 09:30 to 10:30 is in the hour from 9, and the other half in the one from 10."""
    found = of(tmp_path, "time,requests\n09:00,10\n09:30,100\n10:30,25\n11:00,0\n")
    assert found.peak == Peak("10:00 to 11:00", 75.0)


def test_a_day_without_a_request(tmp_path: Path) -> None:
    found = of(tmp_path, "time,requests\n08:00,0\n09:00,0\n")
    assert (found.expected, found.peak, len(found.arrivals_s)) == (0, None, 0)


def test_a_traces_own_times_are_used_as_they_are(tmp_path: Path) -> None:
    times = [5.0, 5.5, 5.5, 3700.25, 3701.0, 3702.0, 3703.0]
    lines = [f'{{"timestamp": {time}, "input_tokens": 1, "output_tokens": 2}}' for time in times]
    found = of(tmp_path, "\n".join(lines))
    assert found.arrivals_s.tolist() == [0.0, 0.5, 0.5, 3695.25, 3696.0, 3697.0, 3698.0]
    assert (found.arrivals, found.others, found.expected) == (OWN_TIMES, (), 7)
    assert found.peak == Peak("hour 1 after the first request", 4.0)
    assert found.notes == ("hours count from the trace's first request",)
    azure = of(tmp_path, "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03,5,7\n2023-11-16 18:17:04,5,7\n")
    assert azure.arrivals_s.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "day", "problem"),
    [
        ('{"timestamp": 0, "input_tokens": 1}\n', None, "line 1"),
        ("", None, "has no line of traffic"),
        ("time,requests\n08:00,20000000\n", None, "the day has 20,000,000 requests; a day of at most 10,000,000"),
        ('{"timestamp": 0, "input_tokens": 1, "output_tokens": 2}\n', "2026-03-02", "is a trace of single requests"),
        ("time,requests\n08:00," + "9" * 200_000, None, "line 2: field larger than field limit"),
        ("x" * 200_000, None, "line 1: field larger than field limit"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, day: str | None, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        of(tmp_path, text, day)
    assert problem in str(caught.value)
    assert str(caught.value).startswith("--")


def test_no_file_and_more_than_a_day(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_traffic(str(tmp_path / "none.csv"), 1)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_traffic(str(tmp_path / "binary.csv"), 1)
    lines = [f'{{"timestamp": {time}, "input_tokens": 1, "output_tokens": 2}}' for time in (0, 90_000)]
    with pytest.raises(InputError, match=r"25\.0 hours long"):
        of(tmp_path, "\n".join(lines))
