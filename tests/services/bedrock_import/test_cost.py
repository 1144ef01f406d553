"""Dollars: the public worked example, the guide's formula, and what an hour, a token and a request cost."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from tests.services.bedrock_import.virtual import drive

from llmdyno.emulator.copies import Scaling
from llmdyno.services.bedrock_import.billing import bill
from llmdyno.services.bedrock_import.cost import Delivered, Price, Stretch, cost_of, keeping_warm
from llmdyno.services.bedrock_import.documented import IDLE_S
from llmdyno.services.bedrock_import.prices import rate_of, storage_rate
from llmdyno.services.copies import inferred

PUBLISHED = Price(2, Decimal("0.1570") / 2, Decimal("1.95"))
LOAD = Delivered(copies=2.0, requests_per_hour=4000, input_tokens_per_hour=2_000_000, output_tokens_per_hour=4_000_000)


def test_the_published_example_to_the_cent() -> None:
    """Two units, one window, $0.1570 a minute: $0.785."""
    seen = drive(Scaling(), [(0.0, 100.0, 1)])
    found = cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PUBLISHED, None)
    assert found.run == Decimal("0.785")
    # The user guide's formula ends in "windows / 60" instead of "× 5": 300 times too low.
    assert (PUBLISHED.dollars_per_cmu_minute * 2 * 1 / 60 * 300).quantize(Decimal("1e-9")) == found.run


def test_the_rates_of_the_table() -> None:
    """At $0.05718 a unit and minute: two units $6.86 an hour, eight $27.45; $3.90 a month for storing two."""
    rate = rate_of("us-east-1", "v1.0")
    assert rate is not None
    two, eight = (Price(units, rate.dollars_per_cmu_minute, storage_rate().dollars_per_cmu_month) for units in (2, 8))
    assert (two.window, eight.window) == (Decimal("0.57180"), Decimal("2.28720"))
    assert (round(two.hour, 2), round(eight.hour, 2)) == (Decimal("6.86"), Decimal("27.45"))
    assert two.storage_month == Decimal("3.90")


def test_an_hour_a_token_a_request() -> None:
    seen = drive(Scaling(), [(0.0, 400.0, 1)])
    found = cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PUBLISHED, LOAD)
    assert found.run == Decimal("0.785") * 2
    assert found.hour == Decimal("9.42") * 2
    assert found.million_output_tokens == Decimal("18.84") / 4
    assert found.million_input_tokens == Decimal("18.84") / 2
    assert found.thousand_requests == Decimal("18.84") / 4
    assert (found.hour_low, found.hour_high) == (found.hour, found.hour)
    assert found.warm_hour == Decimal("9.42")
    assert found.tail_s == pytest.approx(
        float(seen.copies.copies[0].first_success_ns or 0) / 1e9 + 600 - seen.calls.end_s.max(), abs=1e-6
    )
    assert found.tail == pytest.approx(Decimal("0.785") * Decimal(found.tail_s) / 300, rel=Decimal("1e-9"))


def test_a_tail_that_several_copies_shared_is_bounded() -> None:
    """Both bills are exact. Which of two copies took the last call is not known; of one it is, also of one that went
    and came back."""
    burst = [(0.0, 100.0, 1), (100.0, 280.0, 3)]
    shared, alone, twice = (
        drive(Scaling(requests_per_copy=2), stages)
        for stages in (burst, [(0.0, 100.0, 1)], [(0.0, 100.0, 1), (900.0, 1000.0, 1)])
    )
    of_two, of_one, of_both = (
        cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PUBLISHED, None) for seen in (shared, alone, twice)
    )
    assert of_two.run_low == of_two.run_high == Decimal("0.785") * 2
    assert (of_two.tail_low, of_two.tail_high) == (0, Decimal("0.785") * 2)
    assert of_two.tail_low < of_two.tail < of_two.tail_high
    for found, windows in ((of_one, 1), (of_both, 2)):
        assert found.run_low == found.run_high == Decimal("0.785") * windows
        assert found.tail_low == found.tail == found.tail_high


def test_a_rate_times_what_was_delivered_is_the_hour_to_the_cent() -> None:
    """Whatever a load delivered: each rate, multiplied by it again, gives the dollars of the hour."""
    seen = drive(Scaling(), [(0.0, 100.0, 1)])
    for load in (LOAD, Delivered(1.37, 1271.9, 634_477.3, 1_315_075.9)):
        found = cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PUBLISHED, load)
        assert found.hour is not None
        for rate, unit, per_hour in (
            (found.million_input_tokens, 1_000_000, load.input_tokens_per_hour),
            (found.million_output_tokens, 1_000_000, load.output_tokens_per_hour),
            (found.thousand_requests, 1_000, load.requests_per_hour),
        ):
            assert rate is not None
            assert round(rate * Decimal(str(per_hour)) / unit, 2) == round(found.hour, 2)


def test_an_hour_of_copies_that_are_not_known_to_the_second_is_a_range() -> None:
    seen = drive(Scaling(), [(0.0, 100.0, 1)])
    billed = bill(inferred(seen.calls, IDLE_S), seen.calls)
    found = cost_of(billed, PUBLISHED, replace(LOAD, copies_span=(1.5, 2.0)))
    assert (found.hour_low, found.hour, found.hour_high) == (Decimal("14.13"), Decimal("18.84"), Decimal("18.84"))
    assert cost_of(billed, PUBLISHED, replace(LOAD, copies_span=(1.5, None))).hour_high is None


def test_a_window_that_is_shorter_than_a_billing_window_is_short() -> None:
    assert Stretch(0.0, 299.9, True).short
    assert not Stretch(0.0, 300.0, True).short


def test_keeping_a_copy_warm() -> None:
    """A wake-up bills a window at least, and a day has 288: but an idle time of five minutes leaves room for fewer."""
    found = keeping_warm(PUBLISHED, 300.0 + 60.0 + 10.0)
    assert (found.day, found.month, found.wake) == (Decimal("226.08"), Decimal("6782.40"), Decimal("0.785"))
    assert found.month_with_storage == Decimal("6786.30")
    assert (found.even_wakes_a_day, found.most_wakes_a_day, found.wakes_a_day) == (288, 233, None)


def test_waking_costs_as_much_as_keeping_warm_where_there_can_be_as_many_wake_ups() -> None:
    found = keeping_warm(replace(PUBLISHED, storage_dollars_per_cmu_month=None), 60.0)
    assert (found.most_wakes_a_day, found.wakes_a_day, found.month_with_storage) == (1440, 288, None)
    exactly = keeping_warm(PUBLISHED, 300.0)
    assert (exactly.most_wakes_a_day, exactly.wakes_a_day) == (288, 288)


def test_a_load_that_delivered_nothing_has_no_price_a_token() -> None:
    seen = drive(Scaling(), [(0.0, 100.0, 1)])
    found = cost_of(bill(inferred(seen.calls, IDLE_S), seen.calls), PUBLISHED, Delivered(1.0, 0.0, 0.0, 0.0))
    assert found.million_output_tokens is None
    assert found.thousand_requests is None
