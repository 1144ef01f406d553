"""``llmdyno serve``: its flags, and what it refuses before it listens."""

from __future__ import annotations

import argparse
import socket

import pytest

from llmdyno.cli import main, serve
from llmdyno.emulator.copies import Scaling
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.spec.keys import shown_value

NAMES = "an address or a name, such as 127.0.0.1, ::1 or localhost"
NINES, EIGHTS = shown_value("9" * 400), shown_value("8" * 5000)
A_YEAR = "a duration of at most 31,536,000 s, which is 365 days"
NO_PORT = "an address or a name such as 127.0.0.1, ::1 or localhost; the port has a flag of its own, --port"


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
        (["--idle", "1e10"], f"--idle: '1e10' does not fit; what fits: {A_YEAR}"),
        (
            ["--max-copies", "9" * 400],
            f"--max-copies: {NINES} does not fit; what fits: a whole number from 1 up",
        ),
        (["--port", "٨٠"], "--port: '٨٠' does not fit; what fits: a whole number from 0 to 65535"),
        (["--port", ""], "--port: '' does not fit; what fits: a whole number from 0 to 65535"),
        (
            ["--port", "8" * 5000],
            f"--port: {EIGHTS} does not fit; what fits: a whole number from 0 to 65535",
        ),
        (["--speed", "1e-300"], "--speed: '1e-300' does not fit; what fits: at least 0.001 times real time"),
        (["--speed", "1e300"], "--speed: '1e300' does not fit; what fits: at most 1,000,000 times real time"),
        *(
            (["--host", host], f"--host: {host!r} does not fit; what fits: {NAMES}")
            for host in ("", " ", "a b", "http//x")
        ),
        *(
            (["--host", host], f"--host: {host!r} does not fit; what fits: {NO_PORT}")
            for host in ("http://x", "x:80", ":")
        ),
        (["--allow-host", ""], f"--allow-host: '' does not fit; what fits: {NAMES}"),
        (["--allow-host", "x:80"], f"--allow-host: 'x:80' does not fit; what fits: {NO_PORT}"),
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
        (["--model-quota", "0"], "--model-quota"),
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


@pytest.mark.parametrize("host", ["a..b", "192.0.2.1", "x" * 200])
def test_an_address_that_this_machine_does_not_have(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--host", host, "--port", "0", "--no-aws-services"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"llmdyno: --host: cannot listen on {host} port 0 (")
    assert errors.endswith("); name an address of this machine\n")


@pytest.mark.parametrize(
    ("given", "host"), [("[::1]", "::1"), ("::1", "::1"), ("localhost", "localhost"), ("0.0.0.0", "0.0.0.0")]
)
def test_addresses_and_names(given: str, host: str) -> None:
    assert serve._host(given, "--host") == host


def test_hosts_that_are_allowed() -> None:
    options = serve._options(parsed("--allow-host", "box.example", "--allow-host", "[::5]", "--allow-host", "*"))
    assert options["allowed_hosts"] == ["box.example", "::5", "*"]
