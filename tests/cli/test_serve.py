"""``llmdyno serve``: its flags, and what it refuses before it listens."""

from __future__ import annotations

import argparse
import socket

import pytest

from llmdyno.cli import main, serve
from llmdyno.emulator.copies import Scaling
from llmdyno.emulator.model import DEFAULT_PROFILE


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args(line)


def test_the_defaults_listen_on_this_machine_only() -> None:
    found = parsed()
    assert (found.host, found.port, found.speed, found.deployment) == ("127.0.0.1", "8080", "1", DEFAULT_PROFILE)
    assert (found.api_key, found.fault, found.garble_above, found.aws_services) == (None, [], None, None)


def test_every_setting_of_scaling_has_a_flag_and_its_own_default() -> None:
    found = parsed()
    scaling = Scaling(**{name: serve._scaling_value(found, name) for name in serve._SCALING})
    assert scaling == Scaling()
    given = parsed("--idle", "9", "--cold-start", "8.5", "--max-copies", "7", "--hold")
    values = [serve._scaling_value(given, name) for name in ("idle_s", "cold_start_s", "max_copies", "hold")]
    assert values == [9.0, 8.5, 7, True]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--deployment", "x"], f"--deployment: 'x' is not known; deployments: {DEFAULT_PROFILE}"),
        (["--port", "65536"], "--port: '65536' does not fit; what fits: a whole number from 0 to 65535"),
        (["--port", "-1"], "--port: '-1' does not fit; what fits: a whole number from 0 to 65535"),
        (["--idle", "-1"], "--idle: '-1' does not fit; what fits: a number of seconds from 0 up"),
        (["--cold-start", "inf"], "--cold-start: 'inf' does not fit; what fits: a number of seconds from 0 up"),
        (["--max-copies", "0"], "--max-copies: '0' does not fit; what fits: a whole number from 1 up"),
        (
            ["--requests-per-copy", "1.5"],
            "--requests-per-copy: '1.5' does not fit; what fits: a whole number from 1 up",
        ),
        (["--garble-above", "0"], "--garble-above: '0' does not fit; what fits: a whole number from 1 up"),
    ],
)
def test_what_does_not_fit(line: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = [f"{line[0]}={line[1]}"]
    assert main(["serve", *given]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.startswith(f"llmdyno: {error}"), errors.count("\n")) == ("", True, 1)


@pytest.mark.parametrize(
    ("line", "where"),
    [
        (["--speed", "0"], "--speed"),
        (["--seed", "x"], "--seed"),
        (["--import-time", "x"], "--import-time"),
        (["--api-key", "two\nlines"], "--api-key"),
        (["--fault", "fire=0.5"], "--fault"),
        (["--fault", "throttle=2"], "--fault"),
        (["--fault", "throttle=nan"], "--fault"),
        (["--host", ""], "--host"),
        (["--host", "a..b"], "--host"),
        (["--host", "a\0b"], "--host"),
        (["--port", "9" * 5000], "--port"),
        (["--max-copies", "9" * 400], "--max-copies"),
        (["--idle", "1e400"], "--idle"),
        (["--speed", "1e300"], "--speed"),
    ],
)
def test_every_error_names_its_flag(line: list[str], where: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *line]) == 2
    assert capsys.readouterr().err.startswith(f"llmdyno: {where}: ")


def test_a_port_that_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--no-aws-services"]) == 2
    errors = capsys.readouterr().err
    assert f"--port: cannot listen on 127.0.0.1 port {port} (Address already in use" in errors
    assert "free port, or --port 0" in errors
    assert errors.count("\n") == 1
