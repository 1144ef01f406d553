"""``llmdyno cost`` by the token and by the hour: which price fits which run, and what is printed and kept."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.services.runs import ONE_USER, make_run
from tests.services.tokens import answered, token_run

from llmdyno.cli import main
from llmdyno.cli.cost import add_arguments, overrides_of
from llmdyno.cli.prices import COMMITMENTS, service_for
from llmdyno.errors import InputError
from llmdyno.runs.directory import RunDirectory
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_hours import cost as hours
from llmdyno.services.service import NO_OVERRIDES, Overrides, ScalingOverrides, TokenPrices

UNITS_ARN = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"
PRICES = TokenPrices(Decimal(1), Decimal(2))
TOKENS, HOURS = Overrides(prices=PRICES), Overrides(dollars_per_hour=Decimal(1))


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(["nowhere", *line])


def plain() -> Run:
    """A run whose bill nobody knows."""
    return token_run(answered(0), api="openai", base_url="http://h/v1", model="m")


def test_what_the_flags_say() -> None:
    found = overrides_of(parsed("--price", "0.5,$1.50,0.05", "--compare-hour", "6.86"))
    assert found.prices == TokenPrices(Decimal("0.5"), Decimal("1.50"), Decimal("0.05"))
    assert found.compare_hour == Decimal("6.86")
    found = overrides_of(parsed("--price-hour", "39.60", "--model-units", "2", "--commitment", "6-months"))
    assert (found.dollars_per_hour, found.model_units, found.commitment) == (Decimal("39.60"), 2, "6-months")
    assert set(COMMITMENTS) == set(hours.COMMITMENTS)


@pytest.mark.parametrize(
    ("overrides", "service"),
    [(TOKENS, "bedrock_tokens"), (HOURS, "bedrock_hours"), (Overrides(copies=1, units=2), "bedrock_import")],
)
def test_the_price_that_the_user_gives_says_how_any_run_is_billed(overrides: Overrides, service: str) -> None:
    assert service_for(plain(), overrides, ScalingOverrides()).name == service


def test_without_a_price_it_is_asked_for() -> None:
    with pytest.raises(InputError) as caught:
        service_for(plain(), NO_OVERRIDES, ScalingOverrides())
    assert str(caught.value) == (
        "runs/x: this run did not measure a model whose bill is known; add --price IN,OUT to price its tokens, "
        "--price-hour DOLLARS --model-units N, or --copies N --units N"
    )
    with pytest.raises(InputError) as caught:
        service_for(plain(), Overrides(prices=PRICES, copies=2), ScalingOverrides())
    assert str(caught.value) == "--copies and --price: each of them is another way to bill; give one of them"


@pytest.mark.parametrize(
    ("billed", "overrides", "better", "problem"),
    [
        (
            "copies", TOKENS, {},
            "--price: is for a run that is billed by the token, and this one is billed by the copy; compare with these "
            "prices: --compare-price IN,OUT",
        ),
        (
            "copies", HOURS, {},
            "--price-hour: is for a run that is billed by the hour, and this one is billed by the copy; leave it out",
        ),
        (
            "tokens", HOURS, {},
            "--price-hour: is for a run that is billed by the hour, and this one is billed by the token; compare with "
            "this price: --compare-hour DOLLARS",
        ),
        (
            "tokens", Overrides(copies=1), {},
            "--copies: is for a run that is billed by the copy, and this one is billed by the token; leave it out",
        ),
        (
            "tokens", Overrides(dollars_per_cmu_minute=Decimal(1)), {},
            "--rate: is for a run that is billed by the copy, and this one is billed by the token; leave it out",
        ),
        (
            "tokens", NO_OVERRIDES, {"cold_start_s": 1.0},
            "--cold-start: is for a run that is billed by the copy, and this one is billed by the token; leave it out",
        ),
        (
            "hours", TOKENS, {},
            "--price: is for a run that is billed by the token, and this one is billed by the hour; compare with these "
            "prices: --compare-price IN,OUT",
        ),
        (
            "hours", Overrides(compare_hour=Decimal(1)), {"calls_per_copy": 2},
            "--compare-hour: is for a run that is billed by the token, and this one is billed by the hour; leave it "
            "out",
        ),
    ],
)  # fmt: skip
def test_a_flag_of_another_bill_is_refused(
    tmp_path: Path, billed: str, overrides: Overrides, better: dict[str, Any], problem: str
) -> None:
    runs = {
        "copies": lambda: make_run(tmp_path, ONE_USER),
        "tokens": lambda: token_run(answered(0)),
        "hours": lambda: token_run(answered(0), model=UNITS_ARN),
    }
    with pytest.raises(InputError) as caught:
        service_for(runs[billed](), overrides, ScalingOverrides(**better))
    assert str(caught.value) == problem


def kept(run: Run, path: Path) -> Path:
    """The run, in a run directory."""
    with RunDirectory.create(str(path), "x", 0.0) as directory:
        directory.begin(run.spec, run.environment)
        directory.finish(Run(directory.path, run.spec, run.environment, run.timeline, run.summary), ())
    return path


def test_a_run_is_priced_printed_and_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(kept(token_run(*(answered(number) for number in range(3)), tokenizer=None), tmp_path / "run"))
    assert main(["cost", path, "--requests-per-hour", "10", "--compare-price", "1,2"]) == 0
    printed = capsys.readouterr().out
    assert "A thousand requests   $4.50\n" in printed
    assert "A day: 10 requests an hour, the same in every hour of every day; arrivals within" in printed
    report = json.loads((tmp_path / "run/cost.json").read_text(encoding="utf-8"))
    assert (report["billing"], report["cost"]["run"]["dollars"]) == ("tokens", "0.0135")
    assert main(["show", path]) == 0
    assert "Cost by the token" in capsys.readouterr().out
    assert main(["show", path, "--format", "md"]) == 0
    assert "A thousand requests" in capsys.readouterr().out
    assert main(["cost", path, "--json", "--price", "1,2"]) == 0
    assert json.loads(capsys.readouterr().out)["price"]["source"] == "the price given"
    assert main(["cost", path, "--copies", "1"]) == 2
    assert main(["cost", path, "--region", "eu-north-1", "--requests-per-hour", "10"]) == 0
    assert "no projection: there is no price of a token; give --price IN,OUT" in capsys.readouterr().out
