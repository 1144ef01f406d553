"""What ``reports/cost.py`` shows of a report made by hand."""

from __future__ import annotations

from pathlib import Path

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
An hour of this load  $6.862 for 1.00 copies, 3,600 requests and 360,000 output
                      tokens
A million tokens out  $19.06
A thousand requests   $1.906
Warm or cold          a copy kept warm costs $6.862 an hour, $164.68 a day,
                      $4,940.35 in 30 days. If it goes cold, the next caller
                      waits for 62.7 s (measured), and each wake-up bills $0.572
                      or more. Both cost the same at 288 wake-ups a day
Storage               $3.90 a month for keeping the model
By the token          at $0.22 in and $0.88 out per million tokens, a thousand
                      of these requests cost $0.20. Copies cost the same at
                      34,308 requests an hour; this load is below that

A day: 100 requests in the busiest hour, flat

hour  requests  copies  windows  dollars  throttled  waited  lost
   9     1,000    1.00       12   $6.862          3       2     0
throttled: attempts that were refused; waited: calls that met a cold model

A day                 $6.862 ($6.862 to $8.005): 12 windows (12 to 14)
A month               price unknown: 30 such days
A thousand requests   $6.862
Copies                1 at most; 1 cold start, and 2 calls waited for one; 0 of
                      1,000 lost
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
    assert facts["This run"] == "$1.715 to $3.431 or more: 3 to 6 windows of five minutes"
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


def test_a_load_beyond_the_break_even() -> None:
    comparison = {**COST["comparison"], "cheaper_here": True}
    assert cost.facts({**COST, "comparison": comparison, "projection": None})[-1][1].endswith(
        "this load is above that, where copies are cheaper"
    )
    without = {**COST["comparison"], "break_even_requests_per_hour": None}
    assert cost.facts({**COST, "comparison": without, "projection": None})[-1][1].endswith(
        "a thousand of these requests cost $0.20"
    )


def test_a_projected_day_in_short() -> None:
    assert cost.facts(COST)[-2:] == [
        ("Projected day", "100 requests in the busiest hour, flat: $6.862 ($6.862 to $8.005): 12 windows (12 to 14)"),
        ("Projected month", "price unknown: 30 such days"),
    ]
