"""Wakes a model: sends one request at a time until an imported model answers. This measures its cold start."""

from __future__ import annotations

from llmdyno.experiments.coldstart import check_wakes, cold_starts_missing, plan
from llmdyno.experiments.experiment import Experiment

WARM_UP = Experiment(
    "warm",
    plan,
    keys=lambda options, speed: {"requests": 1},
    check=check_wakes,
    rounds=lambda options: 1,
    doubts=cold_starts_missing,
    needs_answers=False,
)
