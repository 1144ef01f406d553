"""What a run costs, and how a step of load is answered, against the emulator's own record; CloudWatch is moto's."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.support import AWS_KEYS, command

import llmdyno
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.reports import text
from llmdyno.reports.text import between

pytestmark = pytest.mark.alone

SPEED = 20.0
KEYS = {**AWS_KEYS, "COLUMNS": "200"}
WINDOW = Decimal("0.57180")
BASE = ["--output-tokens", "200", "--warm-interval", "1", "--throttle-pause", "1", "--quiet"]


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    """An emulator with CloudWatch whose copies carry four calls."""
    more = ["--aws-services", "--requests-per-copy", "4", "--max-copies", "2", "--cold-start", "30"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=SPEED, seed=3, more=more) as running:
        yield running.ready()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def llmdyno_(facts: dict[str, Any], folder: Path, *line: str) -> subprocess.CompletedProcess[str]:
    return command(*line, cwd=folder, **KEYS, AWS_ENDPOINT_URL=facts["root"])


def truth(facts: dict[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(facts["root"] + "/truth/copies") as answer:
        return dict(json.loads(answer.read())[facts["model"]])


@pytest.fixture(scope="module")
def step(facts: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A step from 2 to 8 users and back, as a user drives it; the emulator's record of it."""
    line = ["scaling", "--api", "bedrock", "--model", facts["model"], "--from", "2", "--to", "8"]
    # On a busy machine, figures at twenty times real speed vary: the bounds leave room for that.
    line += [
        "--before",
        "90s",
        "--hold",
        "270s",
        "--after",
        "390s",
        "--slo",
        "ttft_s=10",
        "--slo",
        "end_to_end_latency_s=60",
    ]
    result = llmdyno_(facts, folder, *line, "--out", "step", *BASE)
    assert result.returncode == 0, result.stderr
    return {"printed": result.stdout, "truth": truth(facts), **json.loads((folder / "step/scaling.json").read_text())}


def test_the_recovery_is_within_a_twentieth_of_the_truth(step: dict[str, Any], folder: Path) -> None:
    run = llmdyno.load(folder / "step")
    origin_ns = run.environment.clock.origin_monotonic_ns
    ready_s = (step["truth"]["each"][1]["ready_ns"] - origin_ns) / 1e9 * SPEED
    true_s = ready_s - step["step"]["at_s"]
    assert 80 < true_s < 130
    assert step["recovery_s"] == pytest.approx(true_s, rel=0.05)
    ((low, high),) = step["copies"]["came_span_s"]
    assert low <= true_s <= high
    assert high - low < 60.0  # narrower than the gauge's minute alone
    low, high = step["copies"]["inferred_came_span_s"][1]
    assert low <= true_s <= high
    assert step["copies"]["source"] == "ModelCopy from CloudWatch"
    assert step["copies"]["carries"][0] <= 4 <= step["copies"]["carries"][1]
    assert step["meanwhile"]["throttled"] > 50
    assert len(step["copies"]["went_s"]) == 1
    at = {row["start_s"]: row for row in step["series"]}
    assert at[0]["throttled"] > 0
    assert max(row["copies"] for row in step["series"]) == 2.0


def test_the_step_is_printed(step: dict[str, Any]) -> None:
    printed = step["printed"]
    assert "A step from 2 to 8 users" in printed
    assert "EMULATED" in printed.partition("A step from")[2]
    assert "latency was back within bounds" in printed
    assert "2 at most (ModelCopy from CloudWatch)" in printed
    assert "copies went" in printed


def test_the_cost_is_the_emulators_bill(step: dict[str, Any], facts: dict[str, Any], folder: Path) -> None:
    """With a scale-up, a scale-down and the tail of both copies in it."""
    result = llmdyno_(facts, folder, "cost", "step", "--compare-price", "0.22,0.88")
    assert result.returncode == 0, result.stderr
    report = json.loads((folder / "step/cost.json").read_text())
    windows, cost = report["windows"], report["cost"]
    assert windows["low"] <= step["truth"]["billed_windows"] <= windows["high"]
    assert windows["low"] <= windows["billed"] <= windows["high"]
    dollars = [Decimal(cost[name]) for name in ("run_low", "run", "run_high")]
    assert dollars == [WINDOW * windows[name] for name in ("low", "billed", "high")]
    firsts = [one["first_success_ns"] for one in step["truth"]["each"]]
    origin_ns = llmdyno.load(folder / "step").environment.clock.origin_monotonic_ns
    true_s = [(first - origin_ns) / 1e9 * SPEED for first in firsts]
    assert [one["first_success_s"] for one in report["copies"]["each"]] == pytest.approx(true_s, abs=6.0)
    assert report["copies"]["most"] == 2
    assert [note for note in report["notes"] if not note.startswith("one copy carries ")] == []
    assert f"This run              {between(text.dollars(dollars[0]), text.dollars(dollars[2]))}: " in result.stdout
    assert "EMULATED: nothing is billed" in result.stdout
    assert "Storage               $3.90 a month" in result.stdout
    assert "By the token" in result.stdout


def test_it_is_shown_again_from_the_files(step: dict[str, Any], facts: dict[str, Any], folder: Path) -> None:
    assert llmdyno_(facts, folder, "cost", "step").returncode == 0
    shown = command("show", "step", cwd=folder, COLUMNS="200")
    assert shown.returncode == 0, shown.stderr
    assert "A step from 2 to 8 users" in shown.stdout
    assert "An hour of this load" in shown.stdout


def test_readings_are_kept_and_read_again_on_request(step: dict[str, Any], facts: dict[str, Any], folder: Path) -> None:
    kept = json.loads((folder / "step/cloudwatch.json").read_text())
    assert set(kept["series"]) >= {"ModelCopy", "Invocations", "InvocationThrottles", "InvocationLatency"}
    assert set(kept["series"]) >= {"TimeToFirstToken", "InputTokenCount", "OutputTokenCount"}
    invocations = sum(value for _, value in kept["series"]["Invocations"]["Sum"])
    ok = int((llmdyno.load(folder / "step").timeline.requests["state"] == "ok").sum())
    assert invocations == pytest.approx(ok, abs=2)
    before = (folder / "step/cloudwatch.json").stat().st_mtime_ns
    assert llmdyno_(facts, folder, "cost", "step").returncode == 0
    assert (folder / "step/cloudwatch.json").stat().st_mtime_ns == before
    assert llmdyno_(facts, folder, "cost", "step", "--refresh").returncode == 0
    assert (folder / "step/cloudwatch.json").stat().st_mtime_ns > before


def test_copies_are_shown_while_the_run_goes_on(facts: dict[str, Any], folder: Path) -> None:
    line = ["run", "--api", "bedrock", "--model", facts["model"], "--duration", "8", "--output-tokens", "200"]
    result = llmdyno_(facts, folder, *line, "--warm-interval", "1", "--out", "live")
    assert result.returncode == 0, result.stderr
    assert re.search(r"in flight · \d cop(y|ies) · ~", result.stderr), result.stderr
    kept = json.loads((folder / "live/cloudwatch.json").read_text())
    assert kept["series"]["ModelCopy"]["Maximum"]  # read at the run's end, without waiting


def test_a_day_of_traffic(step: dict[str, Any], facts: dict[str, Any], folder: Path) -> None:
    (folder / "day.csv").write_text("time,requests\n09:00,3000\n10:00,6000\n12:00,500\n", encoding="utf-8")
    result = llmdyno_(facts, folder, "cost", "step", "--traffic", "day.csv")
    assert result.returncode == 0, result.stderr
    found = json.loads((folder / "step/cost.json").read_text())["projection"]
    assert found["expected_requests"] == 9500
    assert 9000 < found["requests"] < 10_000
    assert found["peak"] == {"when": "09:00 to 10:00", "requests": 3000.0}
    assert found["capacity"]["known"]
    assert found["model"]["calls_per_copy"] == 4
    assert found["windows"]["low"] <= found["windows"]["billed"] <= found["windows"]["high"]
    assert Decimal(found["day"]["dollars"]) == WINDOW * found["windows"]["billed"]
    assert Decimal(found["month"]["dollars"]) == 30 * Decimal(found["day"]["dollars"]) + Decimal("3.90")
    assert found["cold_starts"] >= 1
    assert len(found["assumptions"]) == 8
    assert "A day: day.csv, every day; arrivals within an hour are Poisson" in result.stdout
    assert "the busiest hour is 09:00 to 10:00, with 3,000" in result.stdout
    bad = folder / "bad.csv"
    bad.write_text("time,requests\n09:00,3000\nnoon,5\n", encoding="utf-8")
    refused = llmdyno_(facts, folder, "cost", "step", "--traffic", "bad.csv")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "bad.csv, line 3" in refused.stderr


def test_the_report_says_what_is_missing_and_has_the_rest(
    step: dict[str, Any], facts: dict[str, Any], folder: Path
) -> None:
    line = ["cost", "step", "--copies", "2", "--region", "eu-central-1"]
    unpriced = llmdyno_(facts, folder, *line)
    assert unpriced.returncode == 0
    assert "no price of units of version v1.0 in eu-central-1" in unpriced.stdout
    assert "Billed" in unpriced.stdout
    priced = llmdyno_(facts, folder, *line, "--rate", "0.1", "--units", "8", "--units-version", "v9.0")
    assert "$4.00 a window" in priced.stdout
    # Nobody listens there: the earlier reading is used, and a note says so.
    alone = llmdyno_(facts, folder, "cost", "step", "--refresh", "--endpoint-url", "http://127.0.0.1:9", "--wait", "1")
    assert alone.returncode == 0
    assert "CloudWatch was not read" in alone.stdout
    (folder / "step/cloudwatch.json").unlink()
    blind = llmdyno_(facts, folder, "cost", "step", "--endpoint-url", "http://127.0.0.1:9", "--wait", "1")
    assert "inferred from the load" in blind.stdout
    windows = json.loads((folder / "step/cost.json").read_text())["windows"]
    assert windows["low"] <= step["truth"]["billed_windows"] <= windows["high"]


def test_a_bad_flag_is_one_line(tmp_path: Path) -> None:
    result = command("cost", "r", "--compare-price", "1", cwd=tmp_path, **KEYS)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "--compare-price: '1' does not fit" in result.stderr


def test_the_bill_of_two_bursts_between_which_the_model_went(tmp_path: Path) -> None:
    more = ["--aws-services", "--cold-start", "30", "--requests-per-copy", "4"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as running:
        facts = running.ready()
        line = ["run", "--api", "bedrock", "--model", facts["model"], "--stage", "concurrency=2,duration=1.8"]
        line += ["--stage", "concurrency=2,duration=3.6,start=6", "--out", "bursts", *BASE]
        result = llmdyno_(facts, tmp_path, *line)
        assert result.returncode == 0, result.stderr
        assert llmdyno_(facts, tmp_path, "cost", "bursts").returncode == 0
        found = truth(facts)
    assert len(found["each"]) == 2  # it had gone cold in between
    report = json.loads((tmp_path / "bursts/cost.json").read_text())
    true = [len(one["windows"]) for one in found["each"]]
    each = report["copies"]["each"]
    assert [one["windows_low"] <= count <= one["windows_high"] for one, count in zip(each, true, strict=True)] == [
        True
    ] * 2
    assert found["billed_windows"] == 3
    assert report["windows"]["low"] <= 3 <= report["windows"]["high"]
    assert Decimal(report["cost"]["run"]) == WINDOW * report["windows"]["billed"]


def test_the_embedded_emulators_run_has_a_cost_too(tmp_path: Path) -> None:
    run = command("run", "--requests", "6", "--speed", "100", "--quiet", "--out", "r", cwd=tmp_path, **KEYS)
    assert run.returncode == 0, run.stderr
    result = command("cost", "r", "--requests-per-hour", "500", "--shape", "business-hours", cwd=tmp_path, **KEYS)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "r/cost.json").read_text())
    assert report["windows"]["billed"] >= 1
    assert report["model"]["units"] == 2
    assert "no CloudWatch to ask" in result.stdout
    assert "on 22 days of a month" in result.stdout
    # The run was refused nothing: nobody knows what a copy carries, and the way to find it is named.
    assert "What a copy carries is unknown" in result.stdout
    assert "llmdyno capacity r/spec.toml --users " in result.stdout
    assert "throttled" not in result.stdout.partition("A day: ")[2].partition("Assumed")[0]
    projection = report["projection"]
    assert (projection["day"]["dollars"], projection["lost"], projection["throttled_attempts"]) == (None, None, None)
    assert Decimal(projection["day"]["low"]) <= Decimal(projection["day"]["high"])


def test_a_series_of_cold_starts_has_a_cost_and_no_load_to_project(tmp_path: Path) -> None:
    line = ["coldstart", "--repeat", "2", "--idle", "320", "--speed", "200", "--quiet", "--out", "r"]
    assert command(*line, cwd=tmp_path, **KEYS).returncode == 0
    result = command("cost", "r", "--requests-per-hour", "500", cwd=tmp_path, **KEYS)
    assert result.returncode == 0, result.stderr
    assert "$1.144 or more: 2 windows" in result.stdout
    assert "no projection: no request succeeded" in result.stdout


def test_a_run_of_no_imported_model_says_so(emulator: str, tmp_path: Path) -> None:
    line = ["run", "--base-url", emulator, "--requests", "4", "--output-tokens", "20", "--quiet", "--out", "r"]
    assert command(*line, cwd=tmp_path).returncode == 0
    result = command("cost", "r", cwd=tmp_path, **KEYS)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "did not measure a model whose bill is known; add --price IN,OUT" in result.stderr
    line = ["cost", "r", "--copies", "1", "--units", "2", "--units-version", "v1.0", "--region", "us-east-1"]
    known = command(*line, cwd=tmp_path, **KEYS)
    assert known.returncode == 0, known.stderr
    assert "$0.572" in known.stdout


def test_a_price_by_the_token_prices_a_run_on_any_endpoint(emulator: str, tmp_path: Path) -> None:
    line = ["run", "--base-url", emulator, "--requests", "4", "--output-tokens", "20", "--quiet", "--out", "r"]
    assert command(*line, cwd=tmp_path).returncode == 0
    result = command("cost", "r", "--price", "0.50,1.50", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "EMULATED: nothing was billed" in result.stdout
    requests = llmdyno.load(tmp_path / "r").timeline.requests
    inputs, outputs = (int(requests[f"server_{name}_tokens"].sum()) for name in ("input", "output"))
    report = json.loads((tmp_path / "r/cost.json").read_text())
    due = (inputs * Decimal("0.50") + outputs * Decimal("1.50")) / 1_000_000
    assert {Decimal(bound) for bound in report["cost"]["run"].values()} == {due}


def test_a_step_on_another_endpoint_has_no_copies(emulator: str, tmp_path: Path) -> None:
    line = ["scaling", "--base-url", emulator, "--from", "1", "--to", "3", "--before", "100s", "--hold", "200s"]
    line += ["--after", "100s", "--output-tokens", "50", "--slo", "ttft_s=100", "--out", "r", "--quiet"]
    result = command(*line, cwd=tmp_path, **KEYS)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "r/scaling.json").read_text())
    assert report["recovery_s"] == pytest.approx(0.0, abs=5.0)
    assert report["first_refusal_s"] is None
    assert report["copies"]["most"] == 0
    assert "unknown: the endpoint is no imported model" in result.stdout
    assert "nothing was refused" in result.stdout


def test_the_capacity_of_a_copy(facts: dict[str, Any], folder: Path) -> None:
    line = ["capacity", "--api", "bedrock", "--model", facts["model"], "--users", "1,2,4,6", "--hold", "40s"]
    line += ["--slo", "ttft_s=20", "--out", "sweep", *BASE]
    result = llmdyno_(facts, folder, *line)
    assert result.returncode == 0, result.stderr
    report = json.loads((folder / "sweep/capacity.json").read_text())
    assert (report["users"], report["beyond"], report["limited_by"]) == (4, 6, "throttling")
    assert report["per_copy"] == pytest.approx(4.0, rel=0.3)
    assert "4 users within bounds" in result.stdout
    missing = llmdyno_(facts, folder, *line[:-11], "--out", "other", *BASE)
    assert missing.returncode == 2
    assert "--slo: not given" in missing.stderr


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (["scaling", "--from", "8", "--to", "4"], "--to: 4 is not more than 8"),
        (["scaling", "--concurrency", "8"], "--concurrency: is not for llmdyno scaling"),
        (["scaling", "--hold", "long"], "--hold: 'long' does not fit"),
        (["capacity", "--users", "4,2"], "--users: '4,2' does not fit"),
        (["capacity", "--percentile", "100", "--slo", "ttft_s=1"], "--percentile"),
    ],
)
def test_bad_steps(tmp_path: Path, line: list[str], problem: str) -> None:
    result = command(*line, cwd=tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert problem in result.stderr
