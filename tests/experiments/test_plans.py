"""The plans of the experiments: which phases a resolved spec gets, and how many requests each has."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno.errors import InputError
from llmdyno.experiments.capacity import CAPACITY
from llmdyno.experiments.check import CHECK, questions_of
from llmdyno.experiments.coldstart import COLDSTART, announce, check_wakes
from llmdyno.experiments.experiment import Experiment, Options
from llmdyno.experiments.load import LOAD
from llmdyno.experiments.scaling import SCALING
from llmdyno.experiments.warm import WARM_UP
from llmdyno.spec.readers import duration_s
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import resolve
from llmdyno.workload.plan import Plan
from llmdyno.workload.session import WHOLE

SERVER = {"base_url": "http://h:1/v1", "model": "m"}
IMPORTED = {"api": "bedrock", "model": "m"}
ASKED: Options = {"prompts": 6, "kinds": ("number", "echo"), "answer_tokens": 64, "alone": True}


def spec(**keys: Any) -> Spec:
    return resolve(Spec(**keys), {}, lambda: 42)


def plan(experiment: Experiment, options: Options | None = None, **keys: Any) -> Plan:
    return experiment.plan(spec(**keys), options or {})


def phases(found: Plan) -> list[tuple[str, int | None, float | None, int]]:
    """Each phase: its name, its requests, its bound in seconds, how many are prepared ahead."""
    return [(phase.name, phase.total, phase.bound_s, phase.ahead) for phase in found.phases]


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"requests": 5}, [("measured", 5, None, 5)]),
        ({"requests": 5, "warmup": 3}, [("warmup", 3, None, 3), ("measured", 5, None, 5)]),
        ({"duration_s": 10, "concurrency": 2}, [("measured", None, 10.0, 84)]),  # two users, four requests a second
        ({"duration_s": 10, "requests": 20}, [("measured", 20, 10.0, 20)]),
        ({"rate": 2, "requests": 5}, [("measured", 5, None, 5)]),
        ({"rate": 2, "duration_s": 3}, [("measured", 6, 3.0, 6)]),
        ({"stages": [{"concurrency": 2, "duration": 5}]}, [("measured", None, None, 44)]),
    ],
)
def test_the_phases_of_a_load(keys: dict[str, Any], found: list[tuple[str, int | None, float | None, int]]) -> None:
    planned = phases(plan(LOAD, **SERVER, **keys))
    assert [(name, total, bound_s) for name, total, bound_s, _ in planned] == [one[:3] for one in found]
    assert planned[-1][3] == found[-1][3]


def test_a_model_that_scales_to_zero_is_woken_first() -> None:
    assert [phase.name for phase in plan(LOAD, **IMPORTED, requests=5).phases] == ["warm", "measured"]
    assert [phase.name for phase in plan(LOAD, **IMPORTED, requests=5, warm=False).phases] == ["measured"]
    through = {"api": "litellm", "model": "bedrock/llama/arn:aws:bedrock:us-east-1:123456789012:imported-model/a"}
    assert [phase.name for phase in plan(LOAD, **through, requests=5).phases] == ["warm", "measured"]


def test_a_load_of_no_request_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        plan(LOAD, **SERVER, rate=0.1, duration_s=1, arrivals="poisson", seed=1)
    assert caught.value.where == "--rate, --duration"


def test_the_same_seed_gives_the_same_turns() -> None:
    def turns(seed: int) -> list[Any]:
        [measured] = plan(LOAD, **SERVER, requests=4, seed=seed).phases
        return [session.next(None) for session in measured.sessions(WHOLE)]

    assert turns(1) == turns(1)
    assert turns(1) != turns(2)
    assert [turn.number for turn in turns(1)] == [0, 1, 2, 3]


# --- waking


def test_waking_is_one_phase_and_measures_no_load() -> None:
    for found in (plan(WARM_UP, **IMPORTED, requests=1), plan(COLDSTART, {"repeat": 3, "idle": 330.0}, speed=10)):
        assert phases(found) == [("warm", None, None, 2)]
        assert found.measures is False


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ({**SERVER, "requests": 1}, "--api openai --route chat has no cold start to measure"),
        ({"route": "chat"}, "--api emulator --route chat has no cold start to measure"),
        ({"api": "litellm", "model": "openai/m", "requests": 1}, "--api litellm has no cold start to measure"),
        (
            {"api": "bedrock", "model": "us.amazon.nova-lite-v1:0", "requests": 1},
            "--api bedrock --route converse has no cold start to measure",
        ),
    ],
)
def test_only_a_model_that_scales_to_zero_can_be_woken(keys: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError) as caught:
        check_wakes(spec(**keys), {})
    assert str(caught.value) == f"--api: {what}; use --api bedrock with an imported model"
    check_wakes(spec(**IMPORTED, requests=1), {})


def test_how_long_a_series_takes_is_told_beforehand() -> None:
    options = {"repeat": 3, "idle": 330.0}
    assert announce(spec(**IMPORTED, requests=1), options) == "3 cold starts, about 14.0 minutes"
    assert announce(spec(speed=10), options) == "3 cold starts, about 1.4 minutes"
    assert (COLDSTART.rounds(options), WARM_UP.rounds({}), LOAD.rounds({})) == (3, 1, None)


# --- questions


def test_questions_are_asked_alone_first_and_then_under_load() -> None:
    keys = {**SERVER, "requests": 6}
    both = plan(CHECK, ASKED, **keys)
    assert [(name, total) for name, total, _, _ in phases(both)] == [("warmup", 6), ("measured", 6)]
    assert both.keep_text is True
    loaded = plan(CHECK, {**ASKED, "alone": False}, **keys)
    assert [(name, total) for name, total, _, _ in phases(loaded)] == [("measured", 6)]
    assert both.workload == "6 questions, each alone first and then under load"
    assert loaded.workload == "6 questions"


def test_both_times_the_same_is_asked() -> None:
    found = plan(CHECK, ASKED, **SERVER, requests=6)
    turns = [[session.next(None) for session in phase.sessions(WHOLE)] for phase in found.phases]
    assert [turn.messages for turn in turns[0] if turn] == [turn.messages for turn in turns[1] if turn]
    assert [turn.number for phase in turns for turn in phase if turn] == list(range(12))


def test_the_questions_are_the_seeds() -> None:
    one, same, other = (questions_of(spec(**SERVER, requests=6, seed=seed), ASKED) for seed in (1, 1, 2))
    assert one == same != other
    assert len(one) == 6


def test_every_duration_of_a_command_is_at_real_speed() -> None:
    experiments = (LOAD, WARM_UP, COLDSTART, CHECK, SCALING, CAPACITY)
    found = {(one.name, flag.name) for one in experiments for flag in one.flags if flag.read is duration_s}
    assert found == {
        ("coldstart", "idle"),
        ("capacity", "hold"),
        *(("scaling", name) for name in ("before", "hold", "after")),
    }
    assert all(one.paces for one in experiments if one.name in {name for name, _ in found})
