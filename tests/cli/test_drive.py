"""What every command that drives load does with its flags, its run and its exit code."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from tests.support import make_record, make_timeline

from llmdyno.cli import drive, main
from llmdyno.cli.drive import DOUBTED, FAILED, INTERRUPTED, Manner, asked_of, conclude, exit_code, manner_of, print_plan
from llmdyno.errors import InputError
from llmdyno.experiments.capacity import CAPACITY
from llmdyno.experiments.check import CHECK
from llmdyno.experiments.coldstart import COLDSTART
from llmdyno.experiments.experiment import Experiment
from llmdyno.experiments.load import LOAD
from llmdyno.experiments.scaling import SCALING
from llmdyno.experiments.warm import WARM_UP
from llmdyno.protocols.events import TEXT
from llmdyno.runs.environment import Environment
from llmdyno.runs.run import COMPLETE, Run, conclude_run
from llmdyno.runs.run import INTERRUPTED as STOPPED
from llmdyno.spec.spec import Spec
from llmdyno.targets.target import resolve
from llmdyno.timeline.record import RequestRecord

EXPERIMENTS = {one.name: one for one in (LOAD, WARM_UP, COLDSTART, CHECK, SCALING, CAPACITY)}
BASE = ["--base-url", "http://h:1/v1"]


def parsed(experiment: Experiment, *line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    drive.add_arguments(parser, experiment)
    return parser.parse_args(line)


def options(experiment: Experiment, **given: Any) -> Experiment:
    """An experiment with its options as its flags' defaults give them, and those given."""
    read = {flag.name: drive._read_own(flag, flag.default) for flag in experiment.flags}
    return experiment._replace(options={**read, **given})


# --- flags


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_command_takes_the_common_flags(name: str) -> None:
    line = ["--dry-run", "--strict", "--quiet", "--budget", "7", "--yes", "--seed", "3"]
    found = parsed(EXPERIMENTS[name], *line)
    assert manner_of(found) == Manner(True, True, True, "7", True)
    assert found.seed == "3"
    assert manner_of(parsed(EXPERIMENTS[name])) == Manner(False, False, False, "5", False)


BAD = {
    ("check", "--prompts", "0"): "a whole number from 1 up",
    ("check", "--kinds", "riddle"): "one or more of number, echo, json, stop, separated by commas",
    ("check", "--answer-tokens", "many"): "a whole number from 1 up",
    ("coldstart", "--repeat", "0"): "a whole number from 1 up",
    ("coldstart", "--idle", "long"): "seconds",
    ("scaling", "--from", "-1"): "a whole number from 1 up",
    ("scaling", "--to", "1.5"): "a whole number from 1 up",
    ("scaling", "--before", "x"): "seconds",
    ("scaling", "--hold", "0"): "seconds",
    ("scaling", "--after", "x"): "seconds",
    ("capacity", "--users", "4,2"): "rising",
    ("capacity", "--hold", "x"): "seconds",
    ("capacity", "--percentile", "abc"): "a percentile above 0 and below 100",
    ("capacity", "--percentile", "0"): "a percentile above 0 and below 100",
    ("capacity", "--percentile", "100"): "a percentile above 0 and below 100",
}


def test_every_flag_with_a_reader_has_a_bad_value_here() -> None:
    flags = {(one.name, flag.option) for one in EXPERIMENTS.values() for flag in one.flags if flag.read is not None}
    assert {(name, flag) for name, flag, _ in BAD} == flags


@pytest.mark.parametrize(("name", "flag", "value"), BAD)
def test_a_commands_own_flag_is_named_in_its_error(
    name: str, flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, f"{flag}={value}"]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith(f"llmdyno: {flag}: {value!r} does not fit; what fits: ")
    assert BAD[name, flag, value] in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_a_key_that_a_command_sets_itself_is_refused(name: str) -> None:
    experiment = options(EXPERIMENTS[name])
    for key, flag, value in (("requests", "--requests", "5"), ("duration_s", "--duration", "5")):
        given = parsed(experiment, flag, value)
        if key not in experiment.owns:
            assert getattr(asked_of(given, experiment)[0], key) == 5
            continue
        with pytest.raises(InputError) as caught:
            asked_of(given, experiment)[0]
        assert caught.value.where == flag
        assert caught.value.problem == f"is not for llmdyno {name}, which sets it"
        assert caught.value.fits == experiment.instead


def test_flags_go_before_the_file_and_the_file_before_the_experiment(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text("name = 'filed'\n[load]\nconcurrency = 5\nrequests = 99\n", encoding="utf-8")
    check = options(CHECK, prompts=7)
    plain = asked_of(parsed(check), check)[0]
    assert (plain.concurrency, plain.name, plain.requests, plain.temperature) == (8, "check", 7, 0.0)
    filed = asked_of(parsed(check, str(file)), check)[0]
    assert (filed.concurrency, filed.name, filed.requests) == (5, "filed", 7)  # requests are the command's own
    flagged = asked_of(parsed(check, str(file), "--concurrency", "3"), check)[0]
    assert (flagged.concurrency, flagged.name) == (3, "filed")


@pytest.mark.parametrize(
    ("line", "duration_s"),
    [
        ([], 12.0),  # the embedded emulator runs ten times as fast
        (["--speed", "20"], 6.0),
        (["--api", "emulator", "--speed", "60"], 2.0),
        (BASE, 120.0),
    ],
)
def test_stages_are_paced_for_an_emulators_speed(line: list[str], duration_s: float) -> None:
    scaling = options(SCALING)
    spec = asked_of(parsed(scaling, "--dry-run", *line), scaling)[0]
    assert [stage.concurrency for stage in spec.stages] == [2, 16, 2]
    assert [stage.duration_s for stage in spec.stages] == [duration_s, 5 * duration_s, 3.5 * duration_s]
    assert spec.throttle_pause_s == 1.0  # at real speed: it is converted when it is used


# --- the dry run


def planned(capsys: pytest.CaptureFixture[str], experiment: Experiment, **keys: Any) -> str:
    """What a dry run prints after the spec."""
    spec = resolve(Spec(**keys), {}, lambda: 1)
    assert print_plan(spec, options(experiment)) == 0
    return capsys.readouterr().out.partition("\n# ")[2]


def test_the_plan_of_a_load(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"input_tokens": "50", "output_tokens": "30"}
    text = planned(capsys, LOAD, base_url="http://h:1/v1", requests=1000, warmup=3, **sizes)
    assert text.splitlines() == [
        "Plan (prompt tokens by built-in approximation); nothing was sent.",
        "# warmup: 3 requests, 150 tokens in, at most 90 tokens out",
        "# measured: 1,000 requests, 50,000 tokens in, at most 30,000 tokens out",
    ]


def test_the_plan_of_a_timed_load(capsys: pytest.CaptureFixture[str]) -> None:
    text = planned(capsys, LOAD, base_url="http://h:1/v1", duration_s=9, input_tokens="50", output_tokens="30")
    assert text.splitlines()[1:] == [
        "# measured: as many requests as fit into 9 s,",
        "#   about 50 tokens in and at most 30 out each",
    ]


def test_the_plan_of_a_brief_load_of_one_user(capsys: pytest.CaptureFixture[str]) -> None:
    text = planned(capsys, LOAD, base_url="http://h:1/v1", duration_s=0.2, concurrency=1)
    assert text.splitlines()[1] == "# measured: as many requests as fit into 0.2 s,"


def test_the_plan_of_cold_starts_on_the_emulator(capsys: pytest.CaptureFixture[str]) -> None:
    text = planned(capsys, COLDSTART, speed=20)
    assert text.splitlines() == [
        "EMULATED endpoint: profile deepseek-r1-distill-llama-8b, at 20× real speed.",
        "# Plan (prompt tokens by built-in approximation); nothing was sent.",
        "# warm: one request at a time until the model answers",
    ]


# --- what a run exits with


def run_of(path: Path, *records: RequestRecord, status: str = COMPLETE) -> Run:
    spec = Spec(api="openai", base_url="http://h/v1", model="m", requests=9, seed=1)
    return conclude_run(path, spec, Environment(), make_timeline(*records), status)


def good(number: int) -> RequestRecord:
    sent_s = 0.05 * number
    chunks = [(sent_s + 0.25 + 0.01 * n, TEXT, 4) for n in range(20)]
    return make_record(number, sent_s, chunks, server_output_tokens=20, server_input_tokens=10)


def bad(number: int) -> RequestRecord:
    return make_record(number, 0.1 * number, [], state="failed", error_kind="http_status", error_code=404)


STRICT = Manner(strict=True)


def test_a_run_that_was_stopped_is_130_whatever_else_it_is(tmp_path: Path) -> None:
    for records in ((), (good(0),), (bad(0),)):
        run = run_of(tmp_path, *records, status=STOPPED)
        assert exit_code(run, None, LOAD, STRICT) == INTERRUPTED == 130


def test_a_run_without_an_answer_is_1_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = run_of(tmp_path, bad(0), bad(1))
    assert exit_code(run, None, LOAD, STRICT) == FAILED == 1
    assert capsys.readouterr().err == "llmdyno: every request failed\n"


def test_waking_needs_no_measured_answer(tmp_path: Path) -> None:
    run = run_of(tmp_path)
    assert exit_code(run, None, options(WARM_UP), Manner()) == 0
    assert exit_code(run, None, options(COLDSTART), STRICT) == DOUBTED == 3  # no cold start was seen


def test_a_doubt_is_an_exit_code_for_the_strict_only(tmp_path: Path) -> None:
    few = run_of(tmp_path, good(0), good(1))
    assert few.summary["verdict"]["trustworthy"] is False
    assert (exit_code(few, None, LOAD, Manner()), exit_code(few, None, LOAD, STRICT)) == (0, 3)


def test_an_experiments_own_judgement_goes_before_a_doubt(tmp_path: Path) -> None:
    few = run_of(tmp_path, good(0))
    assert exit_code(few, {"wrong": 2}, CHECK, STRICT) == 1
    assert exit_code(few, {"wrong": 0}, CHECK, STRICT) == 3


# --- what an experiment concludes


def concluding(report: dict[str, Any] | None) -> Experiment:
    return Experiment("made", LOAD.plan, conclude=lambda run, options, say: report)


def test_a_report_is_the_experiments_own(tmp_path: Path) -> None:
    assert conclude(run_of(tmp_path, good(0)), concluding({"a": 1})) == {"a": 1}


def test_a_run_that_cannot_answer_leaves_no_report(tmp_path: Path) -> None:
    made = concluding({"a": 1})
    assert conclude(run_of(tmp_path, bad(0)), made) is None
    assert conclude(run_of(tmp_path, good(0), status=STOPPED), made) is None
    assert conclude(run_of(tmp_path, good(0)), concluding(None)) is None
    assert list(tmp_path.iterdir()) == []
