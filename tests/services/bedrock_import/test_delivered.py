"""What a load delivers by the hour: one window, figures that agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.services.runs import COLD_START, NOT_READY, ONE_USER, Sent, make_run

from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.cost import Stretch
from llmdyno.services.bedrock_import.delivered import delivered_of
from llmdyno.services.clock import ServiceClock
from llmdyno.services.copies import GIVEN, INFERRED, Copies, CopyLifetime


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """One user from 100 s to 500 s: 0.1 requests a second, each with 500 tokens in and 100 out."""
    return make_run(tmp_path, [*COLD_START, *ONE_USER], speed=2.0)


def test_all_figures_are_of_one_window_at_real_speed(run: Run) -> None:
    found = delivered_of(run, Copies((CopyLifetime(60.0),), GIVEN), ServiceClock.of(run))
    assert found is not None
    assert found.window == Stretch(100.0, 400.0, True)
    assert (found.copies, found.copies_span) == (1.0, (1.0, 1.0))
    assert found.requests_per_hour == pytest.approx(360)
    assert found.input_tokens_per_hour == pytest.approx(180_000)
    assert found.output_tokens_per_hour == pytest.approx(36_000)


def test_requests_are_counted_by_their_tokens(run: Run) -> None:
    """The window has 12 tokens a second, and a request of this run has 100: 432 an hour, though only 360 ended in it.
    A tenth of all tokens are of requests that failed, and count as nothing delivered."""
    run.summary["throughput"]["whole_run"]["output_token_per_s"] = 24.0
    run.summary["tokens"] |= {"output_tokens": {"mean": 100.0}, "total_output_tokens": 4000}
    found = delivered_of(run, Copies((CopyLifetime(60.0),), GIVEN), ServiceClock.of(run))
    assert found is not None
    assert found.requests_per_hour == pytest.approx(432)
    assert found.output_tokens_per_hour == pytest.approx(43_200)
    run.summary["tokens"]["total_output_tokens"] = 5000
    fewer = delivered_of(run, Copies((CopyLifetime(60.0),), GIVEN), ServiceClock.of(run))
    assert fewer is not None
    assert fewer.requests_per_hour == pytest.approx(345.6)


def test_copies_whose_ends_are_not_known_to_the_second_are_a_range(run: Run) -> None:
    """The second copy comes between 200 and 300 of the window from 100 to 500, and the first goes from 400 on."""
    lives = (CopyLifetime(60.0, 450.0, None, (400.0, 500.0)), CopyLifetime(250.0, None, (200.0, 300.0)))
    found = delivered_of(run, Copies(lives, "test", 4), ServiceClock.of(run))
    assert found is not None
    assert found.copies == pytest.approx((350 + 250) / 400)
    assert found.copies_span == pytest.approx(((300 + 200) / 400, (400 + 300) / 400))


def test_copies_without_a_refusal_may_be_more(run: Run) -> None:
    found = delivered_of(run, Copies((CopyLifetime(60.0),), INFERRED, at_least=True), ServiceClock.of(run))
    assert found is not None
    assert found.copies_span == (1.0, None)


def test_a_run_that_delivered_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, [Sent(0.0, 0.1, NOT_READY)])
    assert delivered_of(run, Copies((), GIVEN), ServiceClock.of(run)) is None
