"""Measures a series of cold starts: wake the model, wait until it has scaled to zero, wake it again."""

from __future__ import annotations

from llmdyno.errors import InputError
from llmdyno.experiments.experiment import SPEED, Experiment, Flag, Options
from llmdyno.experiments.load import wake_phase
from llmdyno.runs.counter import load_counter
from llmdyno.runs.run import Run
from llmdyno.spec.readers import duration_s, whole_number
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import scales_to_zero
from llmdyno.timeline.emulated import shortened
from llmdyno.workload.plan import Plan
from llmdyno.workload.sources.drawn import Drawn

_MOST_ROUNDS = 100_000
_USUAL_COLD_START_S = 60


def plan(spec: Spec, options: Options) -> Plan:
    """Plan the series as one phase."""
    counter = load_counter(spec.tokenizer)
    phase = wake_phase(spec, counter, options.get("repeat", 1), options.get("idle", 0.0))
    return Plan((phase,), Drawn(spec, counter), counter, "how it wakes")


def check_wakes(spec: Spec, options: Options) -> None:
    """Check that the model of a resolved spec scales to zero.

    Raises:
        InputError: it does not.
    """
    if not scales_to_zero(spec):
        route = f" --route {spec.route}" if spec.route else ""
        fits = "use --api bedrock with an imported model"
        raise InputError("--api", f"--api {spec.api}{route} has no cold start to measure", fits)


def announce(spec: Spec, options: Options) -> str | None:
    """A line that says how long the series takes."""
    repeat, idle_s = options["repeat"], options["idle"]
    speed = float(options.get(SPEED) or spec.speed or 1.0)
    total_s = shortened(repeat * _USUAL_COLD_START_S + (repeat - 1) * idle_s, speed)
    return f"{repeat} cold starts, about {total_s / 60:.1f} minutes"


def cold_starts_missing(run: Run, options: Options) -> bool:
    """Whether the run saw fewer cold starts than it was asked for."""
    seen = sum(bool(one["cold"]) for one in run.summary["cold_starts"])
    return seen < int(options.get("repeat", 1))


COLDSTART = Experiment(
    "coldstart",
    plan,
    flags=(
        Flag("repeat", "measure this many cold starts", whole_number(1, _MOST_ROUNDS), "3", "N"),
        Flag(
            "idle",
            "wait this long for the model to scale to zero; the service takes 300 s",
            duration_s,
            "330",
            "S",
        ),
    ),
    keys=lambda options, speed: {"requests": 1},
    paces=True,
    check=check_wakes,
    announce=announce,
    rounds=lambda options: int(options["repeat"]),
    doubts=cold_starts_missing,
    needs_answers=False,
)
