"""argv to a command: names, near names, and what is printed where there is none."""

from __future__ import annotations

import pytest

from llmdyno import __version__
from llmdyno.cli import _joined, main


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["rum"], "rum: there is no such command; did you mean run?"),
        (["run", "--concurency", "3"], "--concurency: there is no such flag; did you mean --concurrency?"),
        (["run", "--zzzzzz"], "--zzzzzz: there is no such flag; see llmdyno run --help"),
        (["show", "a", "b"], "b: there is no such argument; see llmdyno show --help"),
        (["run", "--conc", "3"], "--conc: there is no such flag; did you mean --concurrency?"),
        (["llmperf", "token-benchmark", "--model", "m", "--timout", "3"], None),
    ],
)
def test_what_is_not_known_gets_the_nearest(
    line: list[str], error: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code: object = main(line)
    except SystemExit as left:
        code = left.code
    assert code == 2
    out, errors = capsys.readouterr()
    expected = error or "--timout: there is no such flag; did you mean --timeout?"
    assert (out, errors) == ("", f"llmdyno: {expected}\n")


def test_an_unknown_command_without_a_near_name_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zzzzzz"]) == 2
    assert capsys.readouterr().err.startswith("llmdyno: zzzzzz: there is no such command; commands: run, warm, ")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert (left.value.code, capsys.readouterr().out) == (0, f"llmdyno {__version__}\n")


@pytest.mark.parametrize(
    ("line", "joined"),
    [
        (["--arrivals", "replay", "f", "--seed", "1"], ["--arrivals", "replay f", "--seed", "1"]),
        (["--arrivals", "poisson", "f"], ["--arrivals", "poisson", "f"]),
        (["--arrivals", "replay"], ["--arrivals", "replay"]),
    ],
)
def test_a_trace_is_one_value_of_two_words(line: list[str], joined: list[str]) -> None:
    assert _joined(line) == joined
