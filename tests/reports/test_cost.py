"""What ``reports/cost.py`` shows of a report made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.reports.made import COST, drawn

from llmdyno.reports import cost

SHOWN = """\

Cost: runs/x
EMULATED: nothing is billed. The figures apply the real service's rules and
rates to what the emulator did, at real speed.
arn:aws:bedrock:us-east-1:1:imported-model/m · 2 CMU a copy (v1.0)
$0.05718 per CMU and minute (given): $0.572 a window of five minutes, $6.862 per
copy and hour

copy         ready  last call  calls  windows           dollars
1       4.1 to 5.9    1,234.5  1,200        2            $1.144
2        93 to 118      402.5     34   1 to 3  $0.572 to $1.715
maybe  after 118.0          –      –   0 to 1   $0.00 to $0.572
times are seconds after the run's start; which copy took a call is assumed: the
least busy one; maybe: no call needed this copy, and nothing excludes it

Copies                2 that the load needed, ModelCopy from CloudWatch; more
                      may have been there; the 2nd came between 93 s and 118 s;
                      one copy carried 3 to 4 calls at once when it refused more
This run              $1.715 to $3.431: 3 to 6 windows of five minutes
Idle tail             copies were paid for after their last calls: up to $1.715
                      of the above; windows without a call cost more if they are
                      billed too (unconfirmed)
An hour of this load  $6.862 for 1.00 copies, 3,600 requests, 180,000 input and
                      360,000 output tokens; from 19.5 min of steady load
A million tokens out  $19.06
A million tokens in   $38.12 (each of these rates is the whole hour, divided by
                      what it delivers)
A thousand requests   $1.906
Warm or cold          a copy kept warm costs $6.862 an hour, $164.68 a day,
                      $4,940.35 in 30 days ($4,944.25 with storage). If it goes
                      cold, the next caller waits for 62.7 s (measured), and
                      each wake-up bills $0.572 or more. Waking never costs as
                      much as keeping it warm: that would take 288 wake-ups a
                      day, and the idle time, a cold start and an answer leave
                      room for 233 at most
Storage               $3.90 a month for keeping the model
By the token          at $0.22 in and $0.88 out per million tokens, a thousand
                      of these requests cost $0.20, and an hour of this load
                      $0.72: tokens are cheaper
Break-even            not reachable: a full copy carries 4,500 requests an hour
                      at most, worth $0.90 by the token, and costs $6.862. With
                      more copies, the same holds for each

A day: 1000 requests an hour, flat; arrivals within an hour are Poisson
1,000 requests a day (1,010 in this draw); the busiest hour is 09:00 to 10:00,
with 1,000
columns left out: region

hour  requests  copies  windows  dollars  throttled  waited  lost
   9     1,010    1.00       12   $6.862          3       2     0
throttled: attempts that were refused; waited: calls that met a cold model

A day                 $6.862 ($6.862 to $8.005): 12 windows (12 to 14), without
                      storage
A month               $209.75 ($209.75 to $244.06): 30 such days and $3.90 for
                      storing the model
A thousand requests   $6.862 ($6.862 to $7.926)
Copies                1 at most; 1 cold start, and 2 calls waited for one; 0 of
                      1,010 lost
Assumed               a copy carries 4 calls
                      a cold start takes 62.7 s
Note                  the first window may be paid for by others
"""


def test_the_whole_report_at_eighty_columns() -> None:
    assert drawn(lambda page: cost.show(COST, page, Path("runs/x"))) == SHOWN
    assert max(map(len, SHOWN.splitlines())) <= 80


def test_a_cost_without_price_load_or_projection() -> None:
    bare = {
        **COST,
        "emulated": None,
        "price": None,
        "cost": None,
        "delivered": None,
        "comparison": None,
        "projection": None,
        "notes": [],
    }
    assert cost.facts(bare)[1:] == [("Billed", "3 to 6 windows of five minutes")]
    shown = drawn(lambda page: cost.show(bare, page, Path("runs/x"))).splitlines()
    assert "EMULATED" not in "".join(shown)
    assert shown[5] == "1       4.1 to 5.9    1,234.5  1,200        2        –"


def test_a_lower_bound_says_so() -> None:
    copies = {**COST["copies"], "at_least": True, "calls_per_copy": None, "possible": [], "each": []}
    facts = dict(cost.facts({**COST, "copies": copies, "cold_start_s": None, "delivered": None, "comparison": None}))
    assert facts["Copies"] == "2 or more, ModelCopy from CloudWatch"
    assert facts["This run"] == ("$1.715 to $3.431, or more if there were more copies: 3 to 6 windows of five minutes")
    assert "the next caller waits for a cold start, and" in facts["Warm or cold"]
    assert "An hour of this load" not in facts
    billed = dict(cost.facts({**COST, "copies": copies, "cost": None, "projection": None}))["Billed"]
    assert billed == "3 to 6 windows of five minutes or more"


def test_a_bill_that_is_known_is_one_figure() -> None:
    windows = {**COST["windows"], "low": 3, "high": 3}
    exact = {**COST["cost"], "run_high": "1.7154", "tail_low": "0.5", "tail_high": "0.5"}
    facts = dict(cost.facts({**COST, "windows": windows, "cost": exact}))
    assert facts["This run"] == "$1.715: 3 windows of five minutes"
    assert facts["Idle tail"] == (
        "copies were paid for 4.2 min after their last calls: $0.50 of the above; $0.572 more if windows without a "
        "call are billed too (unconfirmed)"
    )


def test_what_rests_on_which_copy_took_a_call_says_so() -> None:
    windows = {**COST["windows"], "low": 3, "high": 3, "idle": 0}
    shared = {**COST["cost"], "tail": "0.5", "tail_low": "0", "tail_high": "1.1436"}
    assert dict(cost.facts({**COST, "windows": windows, "cost": shared}))["Idle tail"] == (
        "copies were paid for 4.2 min after their last calls: $0.50 of the above, if the least busy copy took each "
        "call ($1.144 at most)"
    )


def test_a_range_that_reads_as_its_middle_is_not_shown() -> None:
    near = {**COST["delivered"], "copies": 1.7599, "copies_low": 1.7557, "copies_high": 1.7615}
    wider = {**near, "copies_low": 1.7}
    hours = [dict(cost.facts({**COST, "delivered": one}))["An hour of this load"] for one in (near, wider)]
    assert [hour.split(" for ")[1].split(",")[0] for hour in hours] == ["1.76 copies", "1.76 copies (1.70 to 1.76)"]


def test_copies_that_came_after_each_other_are_not_taken_for_several_at_a_time() -> None:
    """A model that scaled to zero and came back: the 2nd copy was never beside the 1st."""
    copies = {**COST["copies"], "most": 1, "possible": []}
    assert dict(cost.facts({**COST, "copies": copies}))["Copies"].startswith(
        "1 at a time and 2 in all, ModelCopy from CloudWatch; the 2nd came between 93 s and 118 s"
    )
    shown = drawn(lambda page: cost.show({**COST, "copies": copies}, page, Path("runs/x")))
    assert "which copy took a call" not in shown
    possible = {**COST["copies"], "most": 1}
    assert dict(cost.facts({**COST, "copies": possible}))["Copies"].startswith(
        "1 that the load needed at a time and 2 in all, ModelCopy from CloudWatch; more may have been there; the 2nd"
    )


def test_a_report_of_an_earlier_version_is_shown() -> None:
    """It has no bounds of moments, and no copies that may have been there."""
    old = {"from_s": 5.0, "to_s": None, "first_success_s": 6.25, "last_s": 1234.5, "calls": 1200, "windows": [0, 1]}
    copies = {**COST["copies"], "each": [old]}
    for name in ("carries", "possible", "round_trip_s"):
        del copies[name]
    earlier = {**COST, "copies": copies, "windows": {**COST["windows"], "low": 2, "high": 3}}
    shown = drawn(lambda page: cost.show(earlier, page, Path("runs/x"))).splitlines()
    assert shown[9] == "1       5.0    1,234.5  1,200        2   $1.144"
    assert dict(cost.facts(earlier))["Copies"] == (
        "2 at most, ModelCopy from CloudWatch; one copy carried 4 calls at once when it refused more"
    )


def shown_facts(**changes: dict[str, Any]) -> dict[str, str]:
    """The facts of a report without a projection, in which some keys of its parts are changed."""
    parts = {name: {**COST[name], **changed} for name, changed in changes.items()}
    return dict(cost.facts({**COST, "projection": None, **parts}))


def test_rates_of_a_short_window_are_marked_with_its_length() -> None:
    window = {"from_s": 60.0, "length_s": 104.0, "steady": True, "short": True}
    assert shown_facts(delivered={"window": window})["An hour of this load"].endswith(
        "; from 1.7 min of steady load, which is SHORT: less than one billing window of five minutes"
    )
    almost = {**window, "length_s": 299.8}
    assert (
        "; from 4.9 min of steady load, which is SHORT"
        in (shown_facts(delivered={"window": almost})["An hour of this load"])
    )
    whole = {**window, "length_s": 400.0, "steady": False, "short": False}
    assert shown_facts(delivered={"window": whole})["An hour of this load"].endswith("; from 6.7 min of the whole run")


def test_rates_of_copies_that_are_not_known_to_the_second_are_ranges() -> None:
    """Half a copy to one and a half: each rate has the range of the hour."""
    found = shown_facts(
        delivered={"copies_low": 0.5, "copies_high": 1.5}, cost={"hour_low": "3.4308", "hour_high": "10.2924"}
    )
    assert found["An hour of this load"].startswith("$6.862 ($3.431 to $10.29) for 1.00 copies (0.50 to 1.50), 3,600")
    assert found["A million tokens out"] == "$19.06 ($9.53 to $28.59)"
    assert found["A million tokens in"].startswith("$38.12 ($19.06 to $57.18) (each of these rates")
    assert found["A thousand requests"] == "$1.906 ($0.953 to $2.859)"
    more = shown_facts(delivered={"copies_high": None}, cost={"hour_high": None})
    assert more["An hour of this load"].startswith("$6.862 or more for 1.00 copies or more, 3,600 requests")
    assert more["A thousand requests"] == "$1.906 or more"


def test_a_rate_of_nothing_is_unknown() -> None:
    nothing = dict.fromkeys(("million_output_tokens", "million_input_tokens", "thousand_requests"))
    assert shown_facts(cost=nothing)["A thousand requests"] == "unknown"
    free = shown_facts(cost={"hour": "0", "hour_low": "0", "hour_high": "0", "thousand_requests": "0"})
    assert free["A thousand requests"] == "$0.00"


def test_wake_ups_that_there_can_be() -> None:
    often = shown_facts(cost={"wakes_a_day": "288", "most_wakes_a_day": 864})["Warm or cold"]
    assert often.endswith("Waking costs as much as keeping it warm from 288 wake-ups a day on")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {},
            "not reachable: a full copy carries 4,500 requests an hour at most, worth $0.90 by the token, and costs "
            "$6.862. With more copies, the same holds for each",
        ),
        ({"needed_requests_per_hour": None}, "not reachable: by the token, these requests cost nothing"),
        (
            {"break_even": "not shown", "full_copy_requests_per_hour": ["3600", None], "find_with": "llmdyno capacity"},
            "not shown: a copy costs $6.862, and would have to carry 34,308 requests an hour to be worth it. This run "
            "shows that one carries 3,600 or more (find it: llmdyno capacity)",
        ),
        (
            {"break_even": "not shown", "full_copy_requests_per_hour": ["3600", "40000"]},
            "not shown: a copy costs $6.862, and would have to carry 34,308 requests an hour to be worth it. This run "
            "shows that one carries 3,600 to 40,000",
        ),
        (
            {"break_even": "reached", "needed_requests_per_hour": "3000"},
            "a copy pays from 3,000 requests an hour on, and carries 3,600 or more. With more copies, each one needs "
            "as many",
        ),
        (
            {
                "break_even": "reached",
                "needed_requests_per_hour": "3000",
                "always_from_copies": 5,
                "always_from_requests_per_hour": "15000",
            },
            "a copy pays from 3,000 requests an hour on, and carries 3,600 or more. With n copies it takes n times as "
            "many; from 5 copies and 15,000 requests an hour on, copies are always cheaper",
        ),
        (
            {
                "break_even": "reached",
                "needed_requests_per_hour": "300",
                "always_from_copies": 1,
                "always_from_requests_per_hour": "300",
            },
            "a copy pays from 300 requests an hour on, and carries 3,600 or more. From there on, copies are "
            "always cheaper",
        ),
    ],
)
def test_where_a_copy_pays(changed: dict[str, Any], said: str) -> None:
    assert shown_facts(comparison=changed)["Break-even"] == said


def test_hundreds_of_copies_are_not_named() -> None:
    reached = {"break_even": "reached", "needed_requests_per_hour": "3000"}
    many = {**reached, "always_from_copies": 11, "always_from_requests_per_hour": "33000"}
    assert shown_facts(comparison=many)["Break-even"].endswith("With more copies, each one needs as many")


def test_what_is_cheaper_for_this_load() -> None:
    assert shown_facts(comparison={"cheaper_here": True})["By the token"].endswith("$0.72: copies are cheaper")
    assert shown_facts(comparison={"cheaper_here": None})["By the token"].endswith(
        "$0.72; how many copies it had is not known well enough to say which is cheaper"
    )


def test_a_report_of_an_earlier_version() -> None:
    """Its break-even knew no limit of a copy, and is not shown; all else is."""
    new = {
        "delivered": ("copies_low", "copies_high", "window", "input_tokens_per_hour"),
        "cost": ("hour_low", "hour_high", "million_input_tokens", "warm_month_with_storage", "even_wakes_a_day"),
        "comparison": ("break_even", "hour_by_token"),
    }
    old = {part: {key: value for key, value in COST[part].items() if key not in keys} for part, keys in new.items()}
    old["cost"] |= {"wakes_a_day": "288"}
    found = dict(cost.facts({**COST, **old, "projection": None}))
    assert found["An hour of this load"] == "$6.862 for 1.00 copies, 3,600 requests, 360,000 output tokens"
    assert found["A thousand requests"] == "$1.906"
    assert "A million tokens in" not in found
    assert found["Warm or cold"].endswith("from 288 wake-ups a day on")
    assert found["By the token"].endswith("a thousand of these requests cost $0.20")
    assert "Break-even" not in found


def test_a_projected_day_in_short() -> None:
    traffic = "1000 requests an hour, flat; arrivals within an hour are Poisson"
    assert cost.facts(COST)[-2:] == [
        ("Projected day", f"{traffic}: $6.862 ($6.862 to $8.005): 12 windows (12 to 14), without storage"),
        (
            "Projected month",
            "$209.75 ($209.75 to $244.06): 30 such days and $3.90 for storing the model",
        ),
    ]
