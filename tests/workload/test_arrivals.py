"""Planned instants: their distribution, their course, traces; and what does not fit."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from llmdyno import InputError, Spec
from llmdyno.workload.arrivals import Segment, offsets_ns, segments
from llmdyno.workload.plan import MEASURED, Plan
from llmdyno.workload.sources.traces import Entry, read_trace
from llmdyno.workload.tokens import load_counter

ENDLESS = float("inf")


def spec(**keys: object) -> Spec:
    return Spec(base_url="http://h/v1", model="m", seed=7, **keys)  # type: ignore[arg-type]


def offsets_s(arrivals: str, course: list[Segment], count: int = 20_000, seed: str = "1") -> np.ndarray:
    return np.array(list(islice(offsets_ns(course, arrivals, seed), count))) / 1e9


def test_constant_arrivals_are_exact() -> None:
    course = [Segment(0.0, ENDLESS, 8.0, 8.0)]
    assert offsets_s("constant", course, 5).tolist() == [0.0, 0.125, 0.25, 0.375, 0.5]


@pytest.mark.parametrize(
    ("arrivals", "cv"), [("poisson", 1.0), ("gamma(0.5)", 0.5), ("gamma(1)", 1.0), ("gamma(3)", 3.0)]
)
def test_the_steps_have_their_mean_and_spread(arrivals: str, cv: float) -> None:
    steps = np.diff(offsets_s(arrivals, [Segment(0.0, ENDLESS, 50.0, 50.0)], 40_000))
    assert steps.mean() == pytest.approx(0.02, rel=0.05)
    assert steps.std() / steps.mean() == pytest.approx(cv, rel=0.06)
    assert (steps >= 0).all()


def test_the_same_seed_gives_the_same_instants_and_another_does_not() -> None:
    course = [Segment(0.0, ENDLESS, 5.0, 5.0)]
    first, again, other = (offsets_s("poisson", course, 50, seed).tolist() for seed in ("a", "a", "b"))
    assert first == again
    assert first != other


def test_a_ramp_sends_as_many_as_its_integral_has() -> None:
    course = segments(spec(ramp="10:50:60s"))
    moments = offsets_s("constant", course)
    assert len(moments) == 1800  # 60 s × 30 on average
    for at_s in (15.0, 30.0, 45.0):
        expected = 10 * at_s + (50 - 10) / 60 * at_s**2 / 2
        assert (moments < at_s).sum() == pytest.approx(expected, abs=1)
    falling = offsets_s("constant", segments(spec(ramp="50:10:60s")))
    assert (falling < 30).sum() == pytest.approx(1200, abs=1)


def test_stages_follow_one_another_with_their_pauses() -> None:
    course = segments(spec(stages=["rate=10,duration=2", "rate=40,duration=1,start=5"]))
    moments = offsets_s("constant", course)
    assert ((moments < 2).sum(), ((moments >= 2) & (moments < 5)).sum(), (moments >= 5).sum()) == (20, 0, 40)
    assert moments.max() < 6


def test_the_plan_ends_with_the_count_or_the_duration() -> None:
    counter = load_counter(None)
    for keys, count in (({"requests": 7}, 7), ({"duration_s": 2.0}, 20), ({"requests": 50, "duration_s": 2.0}, 20)):
        plan = Plan(spec(rate=10.0, input_tokens=10, output_tokens=3, **keys), counter)
        assert sum(1 for _ in plan.offsets_ns()) == count
        planned = list(plan.requests(MEASURED, 0, 2**53))
        assert [request.request for request in planned] == list(range(count))
        assert [request.offset_ns for request in planned] == list(plan.offsets_ns())
        assert list(plan.requests(MEASURED, 3, 5)) == planned[3:5]  # a slice is the same anywhere


# --- traces


def trace(tmp_path: Path, text: str, name: str = "t") -> str:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return str(tmp_path / name)


OURS = (
    '{"timestamp": 3.5, "input_tokens": 5, "output_tokens": 6}\n\n'
    '{"timestamp": 4, "input_tokens": 7, "output_tokens": 8}\n'
)
# One line each as the public traces have them.
MOONCAKE = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
AZURE = (
    "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:17:03.9799600,374,44\n2023-11-16 18:17:04.0319600,396,109\n"
)
BURST = (
    "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "5,ChatGPT,472,18,490,Conversation log\n45,ChatGPT,1087,0,1087,Conversation log\n118,GPT-4,417,276,693,API log\n"
)


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        (OURS, [Entry(0, 5, 6), Entry(500_000_000, 7, 8)]),
        (MOONCAKE + MOONCAKE.replace("27482", "30535"), [Entry(0, 6955, 52), Entry(3_053_000_000, 6955, 52)]),
        (AZURE, [Entry(0, 374, 44), Entry(52_000_000, 396, 109)]),
        (BURST, [Entry(0, 472, 18), Entry(113_000_000_000, 417, 276)]),  # without the one that had no answer
    ],
)
def test_public_traces(tmp_path: Path, text: str, entries: list[Entry]) -> None:
    found = read_trace(trace(tmp_path, text), 1.0)
    assert [(e.input_tokens, e.output_tokens) for e in found] == [(e.input_tokens, e.output_tokens) for e in entries]
    assert [e.offset_ns for e in found] == pytest.approx([e.offset_ns for e in entries], abs=200)


def test_a_scaled_trace_and_its_plan(tmp_path: Path) -> None:
    path = trace(tmp_path, OURS)
    plan = Plan(spec(arrivals=f"replay {path}", time_scale=0.1), load_counter(None))
    assert list(plan.offsets_ns()) == [0, 50_000_000]
    planned = list(plan.requests(MEASURED, 0, 2**53))
    assert [(one.input_tokens, one.max_tokens) for one in planned] == [(5, 6), (7, 8)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OURS + '{"timestamp": 1, "input_tokens": 5, "output_tokens": 6}\n', "line 4: its time goes back by 3 s"),
        (OURS + "nonsense\n", "line 4: it is no JSON object"),
        ('{"timestamp": "soon", "input_tokens": 5, "output_tokens": 6}\n', "line 1: {'timestamp': 'soon'"),
        (AZURE + "never,1,2\n", "line 4"),
        (BURST.replace("417", "many"), "line 4"),
        ("a,b\n1,2\n", "line 1: its columns are a, b"),
        ("", "its columns are nothing"),
        (AZURE.splitlines()[0] + "\n", "holds no request"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        read_trace(trace(tmp_path, text), 1.0)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"rate": 1.0, "ramp": "1:2:3s", "requests": 1}, "--rate and --ramp"),
        ({"rate": 1.0, "arrivals": "replay x", "requests": 1}, "--arrivals replay"),
        ({"arrivals": "poisson", "requests": 1}, "nothing says how fast"),
        ({"max_concurrency": 3, "requests": 1}, "--max-concurrency"),
        ({"rate": 1.0, "time_scale": 2.0, "requests": 1}, "--time-scale"),
        ({"rate": 1.0}, "neither --requests nor --duration"),
        ({"stages": ["rate=1,duration=5"], "duration_s": 3.0}, "each stage has its own"),
        ({"insecure": True, "ca_file": "x", "requests": 1}, "--insecure and --ca-file"),
        ({"client_key": "x", "requests": 1}, "--client-key: stands alone"),
    ],
)
def test_loads_that_contradict_themselves(keys: dict[str, object], words: str) -> None:
    with pytest.raises(InputError) as refused:
        spec(**keys).resolved({}, lambda: 1)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("stages", ["rate=1,duration=5,start=1", "rate=2,duration=3,start=4"], "stage 2 starts at 4 s, before 6 s"),
        ("stages", ["rate=1,duration=5", "concurrency=2,duration=4"], "stages of one kind"),
        ("stages", ["rate=1,concurrency=2,duration=5"], "either rate or concurrency in stage 1"),
        ("stages", ["rate=1"], "stages with duration"),
        ("stages", [{"rate": 1, "duration": "long"}], "in stage 1"),
        ("ramp", "1:2", "FROM:TO:DURATION"),
        ("arrivals", "gamma(11)", "up to 10"),
        ("arrivals", "replay", "replay FILE"),
        ("rate", 0, "above 0"),
        ("http_version", "2", "HTTP/2 puts many streams on one connection"),
        ("duration_s", "10 parsecs", "such as 90, 90s, 10m or 1h"),
    ],
)
def test_values_that_do_not_fit(key: str, value: object, words: str) -> None:
    with pytest.raises(InputError) as refused:
        spec(**{key: value})
    assert words in str(refused.value)


def test_a_load_reads_back_from_its_toml(tmp_path: Path) -> None:
    from llmdyno.spec.spec import build
    from llmdyno.spec.toml import read_toml

    for keys in (
        {"ramp": "1:50:1m", "arrivals": "gamma(0.5)", "max_concurrency": 9},
        {"stages": [{"rate": 1.5, "duration": "10m"}, {"rate": 2, "duration": 3, "start": 700}]},
        {"stages": [{"concurrency": 8, "duration": 3}]},
        {"arrivals": "replay some file.jsonl", "time_scale": 0.5},
    ):
        asked = spec(**keys)
        (tmp_path / "s.toml").write_text(asked.to_toml(), encoding="utf-8")
        back = build([read_toml(tmp_path / "s.toml")])
        assert (back.ramp, back.stages, back.arrivals, back.time_scale) == (
            asked.ramp,
            asked.stages,
            asked.arrivals,
            asked.time_scale,
        )
        assert back.load.words() == asked.load.words()
