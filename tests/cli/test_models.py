"""``llmdyno models``, ``llmdyno import`` and the flags of AWS that they share, up to the first call."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from llmdyno.cli import aws_flags, main

NAMELESS = "llmdyno: NAME: not given, and {} needs it; llmdyno models shows the names\n"


def parsed(*line: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    aws_flags.add_aws_arguments(parser)
    return parser.parse_args(line)


@pytest.fixture
def _no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")


@pytest.mark.parametrize("action", ["show", "delete"])
def test_a_model_is_needed(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", action]) == 2
    assert capsys.readouterr() == ("", NAMELESS.format(action))


@pytest.mark.usefixtures("_no_region")
@pytest.mark.parametrize(
    ("line", "error"),
    [
        ([], "--region: not given; give it, or set AWS_REGION"),
        (["--profile", "absent"], "AWS: The config profile (absent) could not be found; "),
        (["--region", "us-east-1", "--endpoint-url", "x"], "--endpoint-url: 'x' does not fit; "),
    ],
)
def test_what_aws_needs(line: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *line]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.startswith(f"llmdyno: {error}"), errors.count("\n")) == ("", True, 1)


@pytest.mark.usefixtures("_no_region")
def test_the_clients_are_of_the_flags_region() -> None:
    with aws_flags.aws_of(parsed("--region", "eu-west-1", "--endpoint-url", "http://h:1")) as aws:
        assert aws.region == "eu-west-1"
        assert aws.client("bedrock").meta.endpoint_url == "http://h:1"
    assert aws_flags.endpoint_url_of(parsed()) is None


IMPORT = ["import", "folder", "--bucket", "b", "--name", "n"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ([*IMPORT, "--create-role", "--poll", "x"], "--poll: 'x' does not fit; "),
        ([*IMPORT, "--create-role", "--name", "a b"], "--name: 'a b' does not fit; what fits: up to 63 letters, "),
        ([*IMPORT, "--create-role", "--name", "a" * 64], f"--name: '{'a' * 64}' does not fit; what fits: up to 63 "),
    ],
)
def test_what_an_import_refuses(line: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.startswith(f"llmdyno: {error}"), errors.count("\n")) == ("", True, 1)


@pytest.mark.parametrize("roles", [[], ["--role", "arn:r", "--create-role"]])
def test_an_import_has_one_role(roles: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([*IMPORT, *roles])
    assert left.value.code == 2
    assert "--create-role" in capsys.readouterr().err


def test_a_folder_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "absent")
    assert main(["import", folder, "--bucket", "b", "--name", "n", "--create-role"]) == 2
    assert folder in capsys.readouterr().err
