"""argparse's errors in our form: which argument, what is wrong with it, what fits."""

from __future__ import annotations

import argparse

import pytest

from llmdyno.cli.parser import Parser


def parser() -> Parser:
    found = Parser(prog="llmdyno made", allow_abbrev=False)
    found.add_argument("action", choices=["list", "show"], nargs="?")
    found.add_argument("--model", metavar="NAME", help="ask for this model (default: the only one)")
    found.add_argument("--bucket", required=True, metavar="B", help="upload to this bucket; it must exist")
    found.add_argument("--quiet", action="store_true", help="show 100%% less")
    found.add_argument("--warm", action=argparse.BooleanOptionalAction)
    role = found.add_mutually_exclusive_group(required=True)
    role.add_argument("--role", metavar="ARN")
    role.add_argument("--create-role", action="store_true")
    return found


GOOD = ["--bucket", "b", "--role", "r"]
MODEL = "what fits: --model NAME (ask for this model); a value that begins with - follows an =, as in --model=-1"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ([*GOOD, "--model"], f"--model: has no value; {MODEL}"),
        ([*GOOD, "--model", "--quiet"], f"--model: has no value; {MODEL}"),
        ([*GOOD, "--quiet=sk-1"], "--quiet: takes no value; what fits: --quiet alone"),
        ([*GOOD, "--no-warm=1"], "--warm/--no-warm: takes no value; what fits: --warm or --no-warm alone"),
        ([*GOOD, "lst"], "action: 'lst' does not fit; what fits: list, show"),
        ([*GOOD, "a\nb\udcff"], "action: 'a\\nb\\udcff' does not fit; what fits: list, show"),
        (["--role", "r"], "--bucket: not given; give --bucket B (upload to this bucket)"),
        (["--bucket", "b"], "--role or --create-role: not given; give one"),
        ([*GOOD, "--create-role"], "--create-role and --role: one excludes the other; give one"),
        ([*GOOD, "list", "more"], "more: there is no such argument; see llmdyno made --help"),
        ([*GOOD, "list", ""], "'': there is no such argument; see llmdyno made --help"),
        ([*GOOD, "--modl=sk-1"], "--modl: there is no such flag; did you mean --model?"),
        ([*GOOD, "--" + "z" * 5000], f"--{'z' * 198}…{'z' * 100}: there is no such flag; see llmdyno made --help"),
    ],
)
def test_an_error_says_what_fits(line: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(line)
    assert left.value.code == 2
    assert capsys.readouterr() == ("", f"llmdyno: {error}\n")
