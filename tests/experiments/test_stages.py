"""What a run in stages shows: its stages, its figures and its copies, at real speed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.services.runs import COLD_START, NOT_READY, ONE_USER, THROTTLED, Sent, make_run

from llmdyno.experiments.stages import StageSpan, deployment_of, figures_of, stage_spans
from llmdyno.services.copies import NO_COPIES

RUN = [*COLD_START, *ONE_USER]


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_the_stages_and_the_figures_are_at_real_speed(tmp_path: Path, speed: float) -> None:
    stages = [
        {"concurrency": 2, "duration": 40 / speed},
        {"concurrency": 8, "duration": 60 / speed, "start": 100 / speed},
    ]
    run = make_run(tmp_path, RUN, speed=speed, stages=stages)
    assert stage_spans(run, speed) == [
        StageSpan(pytest.approx(100.0), pytest.approx(140.0), 2),
        StageSpan(pytest.approx(200.0), pytest.approx(260.0), 8),
    ]
    figures = figures_of(run, speed)
    assert figures.sent_s == pytest.approx(np.arange(100.0, 500.0, 10.0))
    assert figures.values["ttft_s"] == pytest.approx(np.full(40, 5.0))
    assert figures.values["end_to_end_latency_s"] == pytest.approx(np.full(40, 10.0))


def test_figures_are_by_ascending_send_and_none_is_nan(tmp_path: Path) -> None:
    calls = [Sent(200.0, 201.0), Sent(100.0, 100.1, THROTTLED), Sent(150.0, 152.0)]
    figures = figures_of(make_run(tmp_path, calls), 1.0)
    assert figures.sent_s.tolist() == [100.0, 150.0, 200.0]
    assert np.isnan(figures.values["ttft_s"]).tolist() == [True, False, False]
    assert figures.values["end_to_end_latency_s"][1:].tolist() == [2.0, 1.0]


def test_a_managed_model_that_ended_with_its_run_is_not_asked(tmp_path: Path) -> None:
    said: list[str] = []
    found = deployment_of(make_run(tmp_path, RUN, speed=4.0, embedded=True), said.append)
    assert (found.speed, len(found.calls), found.copies.most(), found.by_load.most()) == (4.0, 42, 1, 1)
    assert found.notes == (
        "copies are inferred from the load, because CloudWatch has no count",
        "no call was throttled, so the run does not show whether there was more than one copy",
    )
    assert said == []


def test_another_endpoint_has_no_known_copies_and_the_load_still_shows_some(tmp_path: Path) -> None:
    run = make_run(tmp_path, RUN, facts=None, api="openai", model="m", speed=4.0)
    found = deployment_of(run)
    assert (found.copies, found.notes, found.speed) == (NO_COPIES, (), 4.0)
    assert found.by_load.steps() == [(60.0, 1)]
    assert found.calls.throttled.sum() == 1  # it has no name for "not ready": a 429 is a 429
    assert {call.error for call in RUN} == {None, NOT_READY}
