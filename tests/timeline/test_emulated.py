"""The label of an emulator, read from a text."""

from __future__ import annotations

from llmdyno.timeline.emulated import Emulated, read_label


def test_the_label() -> None:
    assert read_label("profile=p; speed=10; since=100.5") == Emulated("p", 10.0, 100.5)
    assert read_label("profile=p") == Emulated("p", 1.0, None)
    assert read_label("speed=fast") == Emulated("unknown", 1.0, None)
    assert read_label("") is None
    assert read_label(None) is None


def test_its_clock_runs_at_its_speed() -> None:
    assert Emulated("p", 10.0, 100.0).now(105.0) == 150.0
    assert Emulated("p", 10.0).now(105.0) == 105.0
