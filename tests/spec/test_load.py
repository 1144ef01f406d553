"""Loads: their readers, what they know of themselves, and which keys contradict each other."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec import load
from llmdyno.spec.load import Ramp, Stage, placed


def spec(**keys: Any) -> Spec:
    return Spec(base_url="http://h/v1", model="m", seed=7, **keys)


@pytest.mark.parametrize(
    ("given", "value", "back"),
    [
        ("1:50:60s", Ramp(1, 50, 60), "1:50:60s"),
        ("0.5:1e2:1m", Ramp(0.5, 100, 60), "0.5:100:60s"),
        ("1:1234567:2", Ramp(1, 1_234_567, 2), "1:1234567:2s"),
        ("1:2:1e-7", Ramp(1, 2, 1e-7), "1:2:1e-07s"),
    ],
)
def test_a_ramp_reads_and_prints_itself(given: str, value: Ramp, back: str) -> None:
    assert load.ramp(given) == value
    assert str(value) == back
    assert load.ramp(back) == load.ramp(value) == value


@pytest.mark.parametrize("given", ["1:2", "1:2:3:4", "0:1:60s", "1:2:0", "a:b:c", "1:1e400:5", 5, None])
def test_a_ramp_that_does_not_fit(given: object) -> None:
    with pytest.raises(ValueError, match="FROM:TO:DURATION, requests a second, such as 1:50:60s"):
        load.ramp(given)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("constant", "constant"),
        (" poisson ", "poisson"),
        ("gamma( 0.50 )", "gamma(0.5)"),
        ("gamma(10)", "gamma(10)"),
        ("replay  some file.jsonl ", "replay some file.jsonl"),
    ],
)
def test_arrivals(given: str, value: str) -> None:
    assert load.arrivals(given) == load.arrivals(value) == value


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        *((bad, "constant, poisson, gamma") for bad in ("replay", "replay ", "uniform", "", 5, None, "replay a\nb")),
        *((bad, "above 0 and up to 10") for bad in ("gamma(11)", "gamma(0)", "gamma(x)", "gamma()", "gamma(1e400)")),
    ],
)
def test_arrivals_that_do_not_fit(given: object, fits: str) -> None:
    with pytest.raises(ValueError, match=fits):
        load.arrivals(given)


def test_stages_from_text_tables_and_values() -> None:
    wanted = (Stage(30.0, rate=10.0), Stage(60.0, rate=40.0, start_s=45.0))
    assert load.stages(["rate=10,duration=30s", "rate=40, duration=1m, start=45s"]) == wanted
    assert load.stages([{"rate": 10, "duration": "30s"}, {"rate": 40, "duration": 60, "start": 45}]) == wanted
    assert load.stages(wanted) == wanted
    assert load.stages("concurrency=8,duration=3") == (Stage(3.0, concurrency=8),)
    assert [stage.values() for stage in wanted] == [
        {"rate": 10.0, "duration": 30.0},
        {"rate": 40.0, "duration": 60.0, "start": 45.0},
    ]
    assert [(start_s, end_s) for start_s, end_s, _ in placed(wanted)] == [(0.0, 30.0), (45.0, 105.0)]


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        (["rate=1,duration=5,start=1", "rate=2,duration=3,start=4"], "stage 2 starts at 4 s, before 6 s"),
        (["rate=1,duration=5", "concurrency=2,duration=4"], "stages of one kind"),
        (["rate=1,concurrency=2,duration=5"], "either rate or concurrency in stage 1"),
        (["duration=5"], "either rate or concurrency in stage 1"),
        (["rate=1,duration=5,rate=2"], "each key once in stage 1"),
        (["rate=1"], "stages with duration"),
        ([{"rate": 1, "duration": 1, "pace": 3}], "stages with duration"),
        ([{"rate": 1, "duration": "long"}], "in stage 1 a number of seconds above 0"),
        ([{"rate": "1e400", "duration": 1}], "in stage 1 a number of requests a second above 0"),
        ([{"concurrency": 1.5, "duration": 1}], "in stage 1 a whole number from 1 up"),
        ([{"rate": 1, "duration": 1, "start": -1}], "in stage 1 a number of seconds from 0 up"),
        ([], "stages with duration"),
        ([5], "stages with duration"),
        (5, "stages with duration"),
        (None, "stages with duration"),
    ],
)
def test_stages_that_do_not_fit(given: object, fits: str) -> None:
    with pytest.raises(ValueError, match=fits):
        load.stages(given)


@pytest.mark.parametrize(
    ("keys", "said", "sends_for_s", "open_loop"),
    [
        ({"requests": 1, "concurrency": 1}, "1 user, closed loop, 1 request", None, False),
        ({"requests": 9, "duration_s": "1m"}, "2 users, closed loop, 9 requests or 60 s", 60.0, False),
        ({"stages": ["concurrency=1,duration=3", "concurrency=8,duration=4"]}, "1 user for 3 s, 8 users for 4 s", 7.0,
         False),
        ({"rate": 2.5, "requests": 3}, "open loop, 2.5 requests/s, 3 requests", None, True),
        ({"ramp": "1:50:1m", "arrivals": "gamma(0.5)", "max_concurrency": 9},
         "open loop, 1 to 50 requests/s over 60 s (gamma(0.5)), at most 9 in flight", 60.0, True),
        ({"stages": ["rate=1,duration=3,start=2"], "arrivals": "poisson"},
         "open loop, 1 requests/s for 3 s (poisson)", 5.0, True),
        ({"arrivals": "replay a file", "time_scale": 0.5}, "open loop, replay of a file × 0.5", None, True),
    ],
)  # fmt: skip
def test_a_load_describes_itself(keys: Any, said: str, sends_for_s: float | None, open_loop: bool) -> None:
    found = spec(**keys).load
    assert (found.describe(), found.sends_for_s, found.open_loop) == (said, sends_for_s, open_loop)
    assert found.ends
    found.check()


def test_a_load_that_nothing_ends() -> None:
    assert not spec().load.ends
    assert not spec(rate=1.0).load.ends


def test_the_users_of_a_load_are_its_largest_stage() -> None:
    assert spec(concurrency=5).users == 5
    assert spec(concurrency=50, stages=["concurrency=8,duration=3", "concurrency=2,duration=3"]).users == 8


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"rate": 1.0, "ramp": "1:2:3s"}, "--rate and --ramp: each of them is the whole load; give one"),
        ({"rate": 1.0, "arrivals": "replay x"},
         "--rate and --arrivals replay: each of them is the whole load; give one"),
        ({"arrivals": "poisson"},
         "--arrivals: is for an open loop, and nothing says how fast; add --rate, --ramp or stages with a rate"),
        ({"max_concurrency": 3},
         "--max-concurrency: is for an open loop, and nothing says how fast; add --rate, --ramp or stages with a rate"),
        ({"rate": 1.0, "time_scale": 2.0}, "--time-scale: is for --arrivals replay; leave it out"),
        ({"stages": ["rate=1,duration=5"], "duration_s": 3.0}, "--duration: each stage has its own; leave it out"),
    ],
)  # fmt: skip
def test_loads_that_contradict_themselves(keys: Any, message: str) -> None:
    with pytest.raises(InputError) as refused:
        spec(**keys).load.check()
    assert str(refused.value) == message
