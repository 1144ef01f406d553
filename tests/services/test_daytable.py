"""A CSV as a day: columns by their names, lines until the next, and what can be read in two ways."""

from __future__ import annotations

import pytest

from llmdyno.errors import InputError
from llmdyno.services.daytable import Span, parse_day

HOURS = [(3600.0 * hour, 3600.0 * (hour + 1)) for hour in range(24)]


def spans(text: str, day: str | None = None) -> list[Span]:
    return list(parse_day(text, "day.csv", day).spans)


def notes(text: str, day: str | None = None) -> list[str]:
    return list(parse_day(text, "day.csv", day).notes)


def refused(text: str, day: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        parse_day(text, "day.csv", day)
    return str(caught.value)


def test_a_line_counts_until_the_next_and_the_last_one_is_as_long_as_the_one_before() -> None:
    assert spans("time,requests\n08:00,60\n09:30,0\n10:00,120\n") == [
        Span(28_800, 34_200, 60),
        Span(34_200, 36_000, 0),
        Span(36_000, 37_800, 120),
    ]
    assert spans("time,requests\n22:00,10\n23:30,500\n")[-1] == Span(84_600, 86_400, 500)  # the day ends before
    assert spans("time,requests\n12:00,500\n") == [Span(43_200, 86_400, 500)]


@pytest.mark.parametrize("name", ["end", "End time", "until"])
def test_a_line_with_an_end_of_its_own_counts_until_then(name: str) -> None:
    text = f"start,{name},requests\n09:00,10:00,5\n12:00,18:00,7\n"
    assert spans(text) == [Span(32_400, 36_000, 5), Span(43_200, 64_800, 7)]
    assert notes(text) == [
        f"read start as a time of day, requests as a total until its {name}",
        "no line covers 00:00 to 09:00: no request comes then",
        "no line covers 10:00 to 12:00: no request comes then",
        "no line covers 18:00 to 24:00: no request comes then",
    ]
    assert spans(f"start,{name},rpm\n23:00,00:00,2\n") == [Span(82_800, 86_400, 120)]
    assert spans(f"start,{name},requests\n08:00,,5\n09:00,10:00,6\n") == [
        Span(28_800, 32_400, 5),
        Span(32_400, 36_000, 6),
    ]
    dated = f"start,{name},count\n2026-03-02T22:00,2026-03-03T02:00,8\n"
    assert spans(dated, "2026-03-02") == [Span(79_200, 86_400, 4)]


def test_an_end_may_be_the_last_minute_or_second_before_the_next_line() -> None:
    expected = [Span(32_400, 36_000, 60), Span(36_000, 39_600, 60)]
    assert spans("start,end,rpm\n09:00,09:59,1\n10:00,10:59,1\n") == expected
    text = "start,end,rpm\n09:00:00,09:59:59,1\n10:00:00,10:59:00,1\n"
    assert spans(text) == expected
    assert spans("start,end,rpm\n09:00,09:01,1\n09:02,09:03,1\n")[0] == Span(32_400, 32_460, 1)  # a minute of its own


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("09:00,10:00,5\n09:30,11:00,5\n", "line 3: it begins before line 2 ends"),
        ("09:00,08:00,5\n", "line 2: its end '08:00' is not after its beginning; a day ends at 24:00"),
        ("09:00,36000,5\n", "line 2: its end is seconds, and its beginning is a time of day; write both in one way"),
        ("09:00,later,5\n", "line 2: 'later' is no time"),
    ],
)
def test_ends_that_do_not_fit(lines: str, message: str) -> None:
    assert message in refused("start,end,requests\n" + lines)
    assert "columns end and until all say until when" in refused("start,end,until,requests\n09:00,10:00,11:00,5\n")


@pytest.mark.parametrize("name", ["requests", "Requests", "count", "Invocations", "total requests", "calls"])
def test_a_total_by_its_name(name: str) -> None:
    assert spans(f"time,{name}\n08:00,60\n10:00,7\n") == [Span(28_800, 36_000, 60), Span(36_000, 43_200, 7)]


@pytest.mark.parametrize(
    ("name", "an_hour"),
    [
        *((name, 60) for name in ("requests_per_hour", "Requests per hour", "rph", "requests/h", "per_hour")),
        *((name, 3600) for name in ("requests_per_minute", "rpm", "req/min", "calls_per_minute")),
        *((name, 216_000) for name in ("requests_per_s", "rps", "RPS", "qps", "req/s", "requests_per_second")),
    ],
)
def test_a_rate_by_its_name(name: str, an_hour: float) -> None:
    """60 an hour, a minute or a second, from 8 to 10."""
    first, last = spans(f"time,{name}\n08:00,60\n10:00,0\n")
    assert first == Span(28_800, 36_000, pytest.approx(2 * an_hour))
    assert last.requests == 0


def test_hours_from_0_to_23_and_from_1_to_24_are_the_same_day() -> None:
    zero = "hour,requests\n" + "".join(f"{hour},{hour}\n" for hour in range(24))
    one = "hour,requests\n" + "".join(f"{hour + 1},{hour}\n" for hour in range(24))
    assert spans(zero) == spans(one) == [Span(*HOURS[hour], hour) for hour in range(24)]


def test_an_hour_counts_for_itself_in_any_order() -> None:
    text = "hour,requests\n17,5\n0,0\n9,7\n"
    assert spans(text) == [Span(*HOURS[0], 0), Span(*HOURS[9], 7), Span(*HOURS[17], 5)]
    assert notes(text) == [
        "read hour as an hour of the day, requests as a total of that hour",
        "no line covers 01:00 to 09:00: no request comes then",
        "no line covers 10:00 to 17:00: no request comes then",
        "no line covers 18:00 to 24:00: no request comes then",
    ]
    assert spans("hour,rps\n0,0\n9,0.5\n")[1] == Span(*HOURS[9], 1800)


def test_hours_that_may_count_from_0_or_from_1_are_refused() -> None:
    assert refused("hour,requests\n9,5\n17,7\n") == (
        "--traffic: day.csv: its hours have neither a 0 nor a 24, so 9 may be 09:00 to 10:00 or 08:00 to 09:00; add an "
        "hour 0 (hours from 0 to 23) or 24 (from 1 to 24) with 0 requests, or write times such as 09:00"
    )
    assert "its hours have a 0 and a 24" in refused("hour,requests\n0,5\n24,7\n")


def test_numbers_that_may_be_hours_minutes_or_seconds_are_refused() -> None:
    for last in (23, 1439, 2359):
        problem = refused(f"time,requests\n0,5\n{last},7\n")
        assert f"its times are numbers up to {last}, which may be hours, minutes or seconds" in problem
    assert spans("time,requests\n0,5\n43200,7\n") == [Span(0, 43_200, 5), Span(43_200, 86_400, 7)]
    assert spans("seconds,requests\n0,5\n23,7\n") == [Span(0, 23, 5), Span(23, 46, 7)]


def test_dates_and_times_of_one_day_with_and_without_a_zone() -> None:
    expected = [Span(0, 43_200, 100), Span(43_200, 86_400, 300)]
    for zone, said in (("", ""), ("Z", " in UTC"), ("+02:00", " at +02:00 from UTC")):
        text = f"timestamp,count\n2026-03-02T00:00:00{zone},100\n2026-03-02T12:00:00{zone},300\n"
        assert spans(text) == expected
        assert notes(text)[0] == (
            f"read timestamp as a date and time{said} of 2026-03-02, count as a total until the next line"
        )
        closed = f"{text}2026-03-03T00:00:00{zone},0\n"
        assert spans(closed) == expected


SEVERAL = "time,requests\n2026-03-01T18:00,60\n2026-03-02T06:00,120\n2026-03-02T18:00,240\n2026-03-03T06:00,5\n"


def test_several_days_are_named_and_one_is_chosen() -> None:
    assert refused(SEVERAL) == (
        "--traffic: day.csv holds 3 days; choose one with --day DATE: 2026-03-01 (30 requests), 2026-03-02 (270 "
        "requests), 2026-03-03 (125 requests)"
    )
    # A line that begins the day before counts for the hours that are in this day.
    assert spans(SEVERAL, "2026-03-02") == [Span(0, 21_600, 30), Span(21_600, 64_800, 120), Span(64_800, 86_400, 120)]
    assert notes(SEVERAL, "2026-03-02")[1] == "until 06:00, a line of the day before counts, with 30 requests"
    assert "day before" not in "".join(notes(SEVERAL, "2026-03-01"))
    assert refused(SEVERAL, "2026-03-09").startswith("--day: day.csv has no day '2026-03-09'; one of 2026-03-01 (30")
    assert refused("time,requests\n09:00,5\n", "2026-03-02") == "--day: day.csv has no dates; leave out --day"


def test_a_line_that_ends_after_midnight_says_what_is_not_of_this_day() -> None:
    text = "start,end,requests\n2026-03-01T22:00,2026-03-01T23:30,60\n2026-03-01T23:30,2026-03-02T00:30,100\n"
    assert spans(text) == [Span(79_200, 84_600, 60), Span(84_600, 86_400, 50)]
    assert notes(text)[1] == "the last line ends after midnight: 50 of its requests are not of this day"
    assert "midnight" not in "".join(notes(text.replace("02T00:30", "02T00:00")))
    assert (
        notes(SEVERAL, "2026-03-01")[1] == "the last line ends after midnight: 30 of its requests are not of this day"
    )


def test_many_days_are_named_in_short() -> None:
    lines = "".join(f"2026-03-{day:02},10\n" for day in range(1, 31))
    assert refused(f"date,requests\n{lines}").endswith(
        "2026-03-01 (10 requests), 2026-03-02 (10 requests), 2026-03-03 (10 requests), …, 2026-03-30 (10 requests)"
    )
    assert spans(f"date,requests\n{lines}", "2026-03-15") == [Span(0, 86_400, 10)]


def test_a_date_and_an_hour_in_columns_of_their_own() -> None:
    text = "date,hour,requests\n2026-03-02,1,5\n2026-03-02,24,7\n"
    assert spans(text) == [Span(*HOURS[0], 5), Span(*HOURS[23], 7)]
    assert spans("date,time,requests\n2026-03-02,09:00,5\n2026-03-02,12:00,7\n")[0] == Span(32_400, 43_200, 5)


def test_a_day_on_which_the_clock_changes_is_refused() -> None:
    spring = "time,requests\n2026-03-29T01:00+01:00,1\n2026-03-29T03:00+02:00,3\n"
    assert refused(spring) == (
        "--traffic: day.csv, line 3: its offset from UTC is +02:00, and the first one is +01:00; one offset for the "
        "whole day; a day on which the clock changes, in UTC"
    )
    autumn = "time,requests\n2026-10-25T01:00,1\n2026-10-25T02:00,2\n2026-10-25T02:00,3\n"
    assert "line 4: its time is not after the one before but the same as in line 3" in refused(autumn)


def test_midnight_may_end_the_day_and_nothing_comes_then() -> None:
    assert spans("time,requests\n08:00,60\n24:00,0\n") == [Span(28_800, 86_400, 60)]
    assert "line 3: the day ends at 24:00" in refused("time,requests\n08:00,60\n24:00,5\n")
    assert "line 2: the day ends at 24:00" in refused("time,requests\n24:00,0\n")


def test_other_columns_are_left_out_and_named() -> None:
    text = "region,time,p99,rps,\neu,08:00,0.3,1,\neu,09:00,0.4,2,\n"
    assert spans(text) == [Span(28_800, 32_400, 3600), Span(32_400, 36_000, 7200)]
    assert notes(text)[:2] == [
        "read time as a time of day, rps as a rate per second until the next line",
        "columns left out: region, p99, (unnamed)",
    ]


def test_a_line_that_is_longer_than_the_others_is_named() -> None:
    text = "time,rps\n00:00,1\n01:00,1\n02:00,1\n05:00,1\n06:00,1\n"
    assert notes(text)[1:] == [
        "no line covers 07:00 to 24:00: no request comes then",
        "lines do not come evenly: the one of 02:00 counts until 05:00, with 10,800 requests",
    ]
    even = "time,requests\n" + "".join(f"{hour:02}:00,5\n" for hour in range(24))
    assert len(notes(even)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Time;Requests\n08:00;1,5\n09:00;2\n",
        "time\trequests\n08:00\t1.5\n09:00\t2\n",
        "sep=;\ntime;requests\n08:00;1,5\n09:00;2\n",
        '"time","requests"\n\n"08:00"," 1.5 "\n"09:00","2"\n\n',
        "time,requests\r\n08:00,1.5\r\n09:00,2\r\n",
        "note,time,requests\nx;y;z,08:00,1.5\n,09:00,2\n",
    ],
)
def test_the_same_day_in_other_dialects_of_csv(text: str) -> None:
    assert spans(text) == [Span(28_800, 32_400, 1.5), Span(32_400, 36_000, 2)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "day.csv has no line of traffic"),
        ("time,requests\n\n", "day.csv has no line of traffic"),
        ("a,b\n1,2\n", "line 1: its columns are a, b; none says when"),
        ("09:00,5\n10:00,6\n", "line 1: its columns are 09:00, 5; none says when"),
        ("time,requests_per_fortnight\n09:00,5\n", "none says how many"),
        ("time,requests,rps\n09:00,5,1\n", "line 1: the columns requests and rps all say how many; keep one of them"),
        ("time,hour,requests\n09:00,9,5\n", "line 1: the columns time and hour all say when"),
        ("time,requests\n08:00,60\n07:00,5\n", "line 3: its time is not after the one before; sort the lines by time"),
        ("time,requests\n23:00,60\n00:00,5\n", "several days need dates"),
        (
            "time,requests\n08:00,60\n08:00,5\n",
            "line 3: its time is not after the one before but the same as in line 2",
        ),
        ("hour,requests\n0,60\n9,5\n9,5\n", "line 4: its time is not after the one before but the same as in line 3"),
        ("time,requests\n08:00,many\n", "line 2: 'many' is no number of requests; what fits: a number such as 1200"),
        ("time,requests\n08:00,\n", "line 2: '' is no number of requests"),
        ("time,requests\n25:00,1\n", "line 2: '25:00' is no time; what fits: a time of day such as 09:00"),
        ("time,requests\n08:00,1,500\n", "line 2: it has 3 cells, and the heading has 2; as many cells as the heading"),
        ("time,requests\n08:00\n", "line 2: it has 1 cells, and the heading has 2"),
        ("time,requests\n08:00,1\n3600,2\n", "line 3: its time is seconds, and the first one is a time of day"),
        ("time;requests\n08:00;1.500\n", "line 2: '1.500' may be 1.500 or 1500"),
        ("\n\ntime,requests\n08:00,x\n", "line 4: 'x' is no number"),
    ],
)
def test_what_does_not_fit_is_named_with_its_line(text: str, problem: str) -> None:
    found = refused(text)
    assert found.startswith("--traffic: day.csv")
    assert problem in found
