"""The service's clock: ours for a real endpoint, a faster one for an emulator."""

from __future__ import annotations

from pathlib import Path

from tests.services.runs import ONE_USER, ORIGIN_S, make_run

from llmdyno.services.clock import ServiceClock


def test_a_real_service_has_our_clock(tmp_path: Path) -> None:
    clock = ServiceClock.of(make_run(tmp_path, ONE_USER))
    assert clock == ServiceClock(ORIGIN_S, 1.0, ORIGIN_S)
    assert clock.at_wall(ORIGIN_S + 7.5) == ORIGIN_S + 7.5


def test_an_emulator_may_run_faster(tmp_path: Path) -> None:
    clock = ServiceClock.of(make_run(tmp_path, ONE_USER, speed=20.0))
    assert clock.speed == 20.0
    assert clock.at_wall(ORIGIN_S + 3.0) == ORIGIN_S + 60.0
