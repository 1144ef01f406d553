"""Numbers as texts."""

from __future__ import annotations

import pytest

from llmdyno.reports import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "unknown"), ("0", "$0.00"), ("0.00123", "$0.0012"), ("0.00000054", "$0.00000054"),
     ("0.5718", "$0.572"), ("3.90", "$3.90"),
     ("6.8616", "$6.862"), ("10.005", "$10.00"), ("1234.5", "$1,234.50"), ("-0.5", "$-0.50")],
)  # fmt: skip
def test_dollars(value: str | None, shown: str) -> None:
    assert text.dollars(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "0.0 s"), (89.9, "89.9 s"), (90, "1.5 min"), (5399, "90.0 min"), (5400, "1.5 h")]
)
def test_durations(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


@pytest.mark.parametrize(
    ("low_s", "high_s", "shown"),
    [(61.87, 62.93, "62.4 s ± 0.6 s"), (9.75, 12.5, "11 s ± 2 s"), (0.0, 5.0, "2 s ± 3 s"),
     (40.0, 102.0, "71 s ± 31 s"), (1.0, 1.012, "1.006 s ± 0.006 s"), (2.0, 2.0, "2.0000 s ± 0.0001 s")],
)  # fmt: skip
def test_a_time_within_bounds_is_never_shown_narrower(low_s: float, high_s: float, shown: str) -> None:
    assert text.plus_minus(low_s, high_s) == shown
    middle, beside = (float(part.removesuffix(" s")) for part in shown.split(" ± "))
    assert middle - beside <= low_s + 1e-9
    assert high_s <= middle + beside + 1e-9


@pytest.mark.parametrize(("seconds", "shown"), [(None, "–"), (0.0123, "12.3 ms"), (0.9999, "999.9 ms"), (1, "1.00 s")])
def test_latencies(seconds: float | None, shown: str) -> None:
    assert text.latency(seconds) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.5, "0.50"), (99.994, "99.99"), (100, "100.0"), (1234.5, "1,234")])
def test_figures(value: float, shown: str) -> None:
    assert text.figure(value) == shown


def test_plurals() -> None:
    assert [text.plural(count, "window") for count in (0, 1, 1200)] == ["0 windows", "1 window", "1,200 windows"]


def test_bars() -> None:
    assert text.bars([0, None, 0.1, 4, 7.9, 8]) == "  ▁▅██"
    assert text.bars([]) == ""
    assert text.bars([None, 0]) == "  "


def test_ordinals() -> None:
    assert [text.ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 102, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "102nd", "111th")
    ]


def test_bounds() -> None:
    assert (text.between("1", "3"), text.between("2", "2")) == ("1 to 3", "2")


@pytest.mark.parametrize(
    ("span", "said"),
    [
        ([93.4, 118.2], "between 93 s and 118 s"),
        ([93.4, 94.6], "between 93.4 s and 94.6 s"),
        ([93.41, 93.42], "at 93.4 s"),
        ([None, 62.0], "before 62.0 s"),
        ([501.25, None], "after 501.2 s"),
        ([None, None], "at a time unknown"),
        ([-1234.0, 5.0], "between -1,234 s and 5 s"),
    ],
)
def test_moments_within_bounds(span: list[float | None], said: str) -> None:
    assert text.moment(span) == said


def test_moments_with_a_sign() -> None:
    assert text.moment([-1.0, 2.0], "+") == "between -1.0 s and +2.0 s"
