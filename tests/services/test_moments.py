"""Cells of a table of traffic: each way to write a time or a number, and what is refused."""

from __future__ import annotations

from datetime import date

import pytest

from llmdyno.services.moments import (
    DATE_TIME,
    HOUR,
    SECONDS,
    TIME_OF_DAY,
    Moment,
    clock_text,
    count_of,
    date_text,
    moment_of,
)

MARCH_2 = date(2026, 3, 2).toordinal() * 86_400.0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("9:00", Moment(TIME_OF_DAY, 32_400.0)),
        ("09:00:30.5", Moment(TIME_OF_DAY, 32_430.5)),
        ("24:00", Moment(TIME_OF_DAY, 86_400.0)),
        ("0", Moment(SECONDS, 0.0)),
        ("43200.5", Moment(SECONDS, 43_200.5)),
        ("86400", Moment(SECONDS, 86_400.0)),
        ("2026-03-02T09:00", Moment(DATE_TIME, MARCH_2 + 32_400, True)),
        ("2026-03-02 09:00:00.5", Moment(DATE_TIME, MARCH_2 + 32_400.5, True)),
        ("2026-03-02T09:00:00Z", Moment(DATE_TIME, MARCH_2 + 32_400, True, "+00:00")),
        ("2026-03-02T09:00+02:00", Moment(DATE_TIME, MARCH_2 + 32_400, True, "+02:00")),
        ("2026-03-02T09:00-03:30", Moment(DATE_TIME, MARCH_2 + 32_400, True, "-03:30")),
        ("2026-03-02", Moment(DATE_TIME, MARCH_2, True)),
    ],
)
def test_times(text: str, moment: Moment) -> None:
    assert moment_of(text) == moment


def test_a_whole_number_is_an_hour_where_the_column_says_so() -> None:
    assert moment_of("09", hour=True) == Moment(HOUR, 32_400.0, hour=9)
    assert moment_of("24", hour=True) == Moment(HOUR, 86_400.0, hour=24)
    assert moment_of("09:00", hour=True).kind == TIME_OF_DAY
    with pytest.raises(ValueError, match="'25' is no hour; what fits: an hour from 0 to 23, or from 1 to 24"):
        moment_of("25", hour=True)


def test_a_date_beside_a_time() -> None:
    assert moment_of("09:00", "2026-03-02") == Moment(TIME_OF_DAY, MARCH_2 + 32_400, True)
    assert moment_of("9", "2026-03-02", hour=True) == Moment(HOUR, MARCH_2 + 32_400, True, hour=9)
    with pytest.raises(ValueError, match="'02/03/2026' is no date"):
        moment_of("09:00", "02/03/2026")
    with pytest.raises(ValueError, match="has a date, and the column of dates has another"):
        moment_of("2026-03-02T09:00", "2026-03-02")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        *((text, "is no time") for text in ("", "noon", "25:00", "24:01", "09:60", "9:00 AM", "02/03/2026 09:00")),
        *((text, "is no time") for text in ("nan", "inf", "0x10", "2026-13-01", "9h", "٣:٠٠x")),
        ("-1", "is not within 0 to 86400 seconds of a day; what"),
        ("1772409600", "is not within 0 to 86400 seconds of a day (a unix time has to be written as a date and time)"),
    ],
)
def test_what_is_no_time(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match="; what fits: ") as caught:
        moment_of(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("text", "delimiter", "count"),
    [
        ("1200", ",", 1200),
        ("1200.5", ",", 1200.5),
        ("1.2e3", ",", 1200),
        ("1,200", ",", 1200),
        ("1,234,567.5", ",", 1_234_567.5),
        ("1 200", ",", 1200),
        ("1\u00a0200", ";", 1200),
        ("1'200", ";", 1200),
        ("1_200", ";", 1200),
        ("1,5", ";", 1.5),
        ("1200,5", ";", 1200.5),
        ("1.5", ";", 1.5),
        ("0.125", ";", 0.125),
        ("0,125", ";", 0.125),
        ("1.234,5", ";", 1234.5),
        ("1.234.567", ";", 1_234_567),
        ("1,234,567", ";", 1_234_567),
        ("1.200", ",", 1.2),
        ("0", ",", 0),
    ],
)
def test_numbers(text: str, delimiter: str, count: float) -> None:
    assert count_of(text, delimiter) == count


@pytest.mark.parametrize("text", ["", "many", "-1", "nan", "inf", "1e999", "1,2,3", "1.2.3", "0x10", "12h"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="is no number of requests; what fits: a number such as 1200, from 0 up"):
        count_of(text, ",")


@pytest.mark.parametrize("text", ["1,200", "1.200"])
def test_a_separator_of_two_meanings_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=rf"'{text}' may be 1\.200 or 1200; what fits: numbers without separators"):
        count_of(text, ";")


def test_a_date_is_one_of_the_calendar() -> None:
    for text, day in (("9999-12-31", None), ("24:00", "9999-12-31")):
        with pytest.raises(ValueError, match="is too late; what fits: a date before the year 9000"):
            moment_of(text, day)


def test_a_long_cell_is_not_shown_whole() -> None:
    for read in (moment_of, lambda text: count_of(text, ",")):
        with pytest.raises(ValueError, match=r"'x{40}…' is no"):
            read("x" * 100_000)


def test_times_as_text() -> None:
    assert [clock_text(time_s) for time_s in (0, 32_400, 32_430, 86_400)] == ["00:00", "09:00", "09:00:30", "24:00"]
    assert date_text(MARCH_2) == "2026-03-02"
