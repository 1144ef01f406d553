"""``llmdyno cost``: what its flags know better than the run."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path

import pytest

from llmdyno.cli import cost, main
from llmdyno.errors import InputError
from llmdyno.services.service import NO_OVERRIDES, Inquiry, Overrides, ScalingOverrides, TokenPrices


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    cost.add_arguments(parser)
    return parser.parse_args(["r", *line])


def test_nothing_given_is_nothing_known_better() -> None:
    found = parsed()
    assert cost.overrides_of(found) == NO_OVERRIDES
    assert cost._scaling(found) == ScalingOverrides()
    assert (cost._traffic(found), cost._prices(None)) == (None, None)


def test_the_copies_and_their_price() -> None:
    line = ["--copies", "2", "--units", "4", "--units-version", "v1.0", "--region", "us-east-1", "--rate", "$0.05718"]
    assert cost.overrides_of(parsed(*line)) == Overrides(2, 4, "v1.0", "us-east-1", Decimal("0.05718"))
    assert cost._prices("0.22,0.88") == TokenPrices(Decimal("0.22"), Decimal("0.88"))


def test_how_copies_scale() -> None:
    line = ["--calls-per-copy", "4", "--max-copies", "5", "--cold-start", "1m", "--scale-up", "90", "--idle", "300"]
    assert cost._scaling(parsed(*line)) == ScalingOverrides(4, 5, 60.0, 90.0, 300.0)


def test_how_the_service_is_asked() -> None:
    line = ["--wait", "1m", "--refresh", "--region", "r", "--profile", "p", "--endpoint-url", "http://h:1"]
    found = cost._inquiry(parsed(*line))
    assert (found.wait_s, found.refresh, found.ask) == (60.0, True, True)
    assert (found.region, found.profile, found.endpoint_url) == ("r", "p", "http://h:1")
    assert cost._inquiry(parsed()).wait_s == Inquiry().wait_s


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e"])
def test_what_is_no_amount_of_money(text: str) -> None:
    with pytest.raises(InputError) as caught:
        cost.money(text, "--rate", "dollars")
    assert str(caught.value) == f"--rate: {text!r} does not fit; what fits: dollars"


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (["--copies", "0"], "--copies"),
        (["--units", "x"], "--units"),
        (["--units-version", "1"], "--units-version"),
        (["--rate", "x"], "--rate"),
        (["--compare-price", "1"], "--compare-price"),
        (["--wait", "x"], "--wait"),
        (["--endpoint-url", "x"], "--endpoint-url"),
        (["--calls-per-copy", "0"], "--calls-per-copy"),
        (["--max-copies", "0"], "--max-copies"),
        (["--cold-start", "x"], "--cold-start"),
        (["--scale-up", "x"], "--scale-up"),
        (["--idle", "x"], "--idle"),
        (["--requests-per-hour", "0"], "--requests-per-hour"),
        (["--requests-per-hour", "5", "--shape", "x"], "--shape"),
        (["--requests-per-hour", "5", "--seed", "x"], "--seed"),
        (["--shape", "flat"], "--shape"),
        (["--traffic", "f", "--shape", "flat"], "--traffic"),
    ],
)
def test_every_error_names_its_flag_before_the_run_is_read(
    line: list[str], where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["cost", "absent", *line]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.startswith(f"llmdyno: {where}: "), errors.count("\n")) == ("", True, 1)


def test_no_run_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cost", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"llmdyno: {tmp_path}: ")
