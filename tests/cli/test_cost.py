"""The flags of ``llmdyno cost``: what they mean, and which are refused before a run is read."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path

import pytest

from llmdyno.cli.cost import add_arguments, call, overrides_of
from llmdyno.errors import InputError
from llmdyno.services.service import NO_OVERRIDES, Overrides


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["nowhere", *line])


def test_what_the_flags_know_better() -> None:
    line = ["--copies", "2", "--units", "8", "--units-version", "v9.0", "--region", "r", "--rate", "$0.1000"]
    found = overrides_of(parsed(*line))
    assert found == Overrides(2, 8, "v9.0", "r", Decimal("0.1"))
    assert str(found.dollars_per_cmu_minute) == "0.1000"  # exactly as written
    assert overrides_of(parsed()) == NO_OVERRIDES


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (["--copies", "0"], "--copies: '0' does not fit; what fits: "),
        (["--units", "many"], "--units: 'many' does not fit; what fits: "),
        (["--units-version", "1"], "--units-version: '1' does not fit; what fits: a version such as v1.0"),
        (["--rate", "-1"], "--rate: '-1' does not fit; what fits: dollars a unit and minute, such as 0.05718"),
        (["--wait", "soon"], "--wait: 'soon' does not fit; what fits: a number of seconds"),
        (["--endpoint-url", "nonsense"], "--endpoint-url: 'nonsense' does not fit"),
        (["--compare-price", "1"], "--compare-price: '1' does not fit"),
        (["--price", "1"], "--price: '1' does not fit; what fits: dollars for a million input and output tokens"),
        (["--price-hour", "x"], "--price-hour: 'x' does not fit; what fits: dollars a model unit and hour"),
        (["--model-units", "0"], "--model-units: '0' does not fit"),
        (["--commitment", "2-months"], "--commitment: '2-months' does not fit; what fits: one of none, 1-month"),
        (["--compare-hour", "-1"], "--compare-hour: '-1' does not fit; what fits: dollars an hour, such as 6.86"),
        (["--calls-per-copy", "0.5"], "--calls-per-copy: '0.5' does not fit"),
        (["--max-copies", "-1"], "--max-copies: '-1' does not fit"),
        (["--cold-start", "0"], "--cold-start: '0' does not fit"),
        (["--scale-up", "x"], "--scale-up: 'x' does not fit"),
        (["--idle", "0"], "--idle: '0' does not fit"),
        (
            ["--requests-per-hour", "0"],
            "--requests-per-hour: '0' does not fit; what fits: a number of requests an hour",
        ),
        (["--requests-per-hour", "5", "--seed", "-1"], "--seed: '-1' does not fit"),
        (
            ["--requests-per-hour", "5", "--shape", "round"],
            "--shape: 'round' does not fit; one of flat, business-hours",
        ),
        (["--shape", "flat"], "--shape: needs the number of requests; add --requests-per-hour N"),
        (
            ["--traffic", "f", "--shape", "flat"],
            "--traffic: already gives the whole day; leave out --requests-per-hour and --shape",
        ),
        (["--day", "2026-03-02"], "--day: is for a file of traffic; leave it out, or give --traffic FILE"),
        (["--requests-per-hour", "5", "--day", "2026-03-02"], "--day: is for a file of traffic; leave it out"),
        (["--traffic", "nowhere.csv"], "--traffic: nowhere.csv cannot be read"),
        ([], "nowhere: is not a run directory"),
    ],
)
def test_what_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str], problem: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        call(parsed(*line))
    assert str(caught.value).startswith(problem)
