"""Printed secrets: argparse's errors, our own, tracebacks, warnings; streams stay streams."""

from __future__ import annotations

import io
import sys
import traceback
from pathlib import Path
from typing import TextIO, cast

import pytest

from llmdyno.cli import main
from llmdyno.cli.masked import MaskedStream, masked_output, shown
from llmdyno.spec.masking import Masker

KEY = "sk-proj-Ab3dEf5hIj7lMn9p"
MASK = Masker([KEY])


def printed(line: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit code of a command, and all that it printed."""
    try:
        code: object = main(line)
    except SystemExit as left:
        code = left.code
    out, errors = capsys.readouterr()
    return code, out + errors


@pytest.mark.parametrize(
    "line",
    [
        ["run", "--api-key", KEY, "--concurrency", KEY],
        ["run", f"--apikey={KEY}"],
        ["run", "--apikey", KEY],
        ["run", "a.toml", KEY],
        ["run", KEY],
        [KEY],
        ["run", "--header", KEY],
        ["run", "--header", f"X-Team: {KEY}", "--rate", KEY],
        ["run", "--extra-body", f'{{"api_key": "{KEY}"'],
        ["run", "--litellm-param", KEY],
        ["run", "--base-url", f"http://me:{KEY}@h/v1"],
        ["run", "--base-url", f"http://h/v1?x=1&key={KEY}"],
        ["run", "--endpoint-url", f"ftp://{KEY}@h"],
        ["llmperf", "correctness", "--model", "m", "--metadata", f"token={KEY},a"],
        ["llmperf", "correctness", "--model", "m", "--additional-sampling-params", f'{{"key": "{KEY}"'],
        ["models", "--region", "us-east-1", "--endpoint-url", f"http://me:{KEY}@h"],
    ],
)
def test_bad_input_shows_no_secret(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, text = printed(line, capsys)
    assert code == 2
    assert text.startswith("llmdyno: ")
    assert KEY[8:] not in text


@pytest.mark.parametrize(
    "text", [f'endpoint = "{KEY}"', f'[endpoint]\nbase_url = "http://{KEY}@h/v1"', f"[endpoint]\napi_key = {KEY}"]
)
def test_a_spec_file_shows_no_secret(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.toml").write_text(text, encoding="utf-8")
    code, said = printed(["run", str(tmp_path / "s.toml")], capsys)
    assert code == 2
    assert KEY not in said


def test_a_variable_is_masked_wherever_it_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTHER_API_KEY", "a-key-of-another-1")
    assert printed(["run", "--model", "a-key-of-another-1", "--rate", "a-key-of-another-1"], capsys) == (
        2,
        "llmdyno: --rate: '***' does not fit; what fits: a number of requests a second above 0\n",
    )


def test_output_is_masked_and_the_stream_stays_a_stream(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with masked_output(MASK):
        print("key", KEY)
        print("key", KEY, file=sys.stderr)
        traceback.print_exception(ValueError(KEY))
        sys.stdout.writelines([KEY, "\n"])
    assert (sys.stdout, sys.stderr) == before
    out, errors = capsys.readouterr()
    assert out == "key ***\n***\n"
    assert errors == "key ***\nValueError: ***\n"
    stream = io.StringIO()
    masked = cast(TextIO, MaskedStream(stream, MASK))
    assert masked.write(f"a {KEY}") == len(KEY) + 2
    assert (masked.getvalue(), masked.isatty(), masked.closed) == ("a ***", False, False)  # type: ignore[attr-defined]


def test_a_fault_of_ours_is_printed_behind_the_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "llmdyno.cli.compare", cast("object", KEY))  # no module: an AttributeError
    code, text = printed(["compare", "--token", KEY], capsys)
    assert code == 1
    assert text.startswith("Traceback (most recent call last):\n")
    assert text.endswith("AttributeError: 'str' object has no attribute 'DESCRIPTION'\n")
    assert KEY not in text


def test_an_argument_as_an_error_quotes_it() -> None:
    assert shown("--apikey=abc") == "--apikey"
    assert shown("--concurency") == "--concurency"
    assert shown(KEY) == "***"
