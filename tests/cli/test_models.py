"""``llmdyno models``, ``llmdyno import`` and the flags of AWS that they share, up to the first call."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from tests.model_folder import make_folder

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


IMPORT = ["import", "folder", "--bucket", "bucket", "--name", "n"]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (["--poll", "x"], "--poll: 'x' does not fit; "),
        (["--tag", "x"], "--tag: 'x' does not fit; what fits: KEY=VALUE: a key of 1 to 128 and a value of up to 256 "),
        (["--model-tag", "a=b", "--model-tag", "a=c"], "--model-tag: the key 'a' is given twice; give each key once"),
    ],
)
def test_what_an_import_refuses_first(line: list[str], error: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*IMPORT, "--create-role", *line]) == 2
    out, errors = capsys.readouterr()
    assert (out, errors.startswith(f"llmdyno: {error}"), errors.count("\n")) == ("", True, 1)


@pytest.mark.usefixtures("_no_region")
def test_all_that_is_wrong_with_an_import_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path / "m", {"tokenizer.json": None, "adapter_config.json": {}})
    line = ["import", str(folder), "--bucket", "B", "--name", "a b", "--role", "nonsense", "--vpc-subnet", "subnet-1"]
    assert main([*line, "--kms-key", "mine", "--client-request-token", "-"]) == 2
    out, errors = capsys.readouterr()
    told = [text.partition(";")[0].replace(str(folder), "FOLDER") for text in out.splitlines()]
    assert told == [
        "refused: --name: 'a b' does not fit",
        "refused: --role: 'nonsense' does not fit",
        "refused: --bucket, --prefix: 's3://B/model/' does not fit",
        "refused: --kms-key: 'mine' does not fit",
        "refused: --client-request-token: '-' does not fit",
        "refused: --vpc-security-group: not given, and --vpc-subnet needs it",
        "refused: --region: not given",
        "refused: FOLDER: holds an adapter",
        "refused: FOLDER: has neither tokenizer.json nor tokenizer.model",
    ]
    begin = "llmdyno: import: 9 things are wrong: (1) --name: 'a b' does not fit, (2) --role: 'nonsense' does not fit, "
    end = "; each is printed above with what to do, and --force passes over the folder's check\n"
    assert (errors.startswith(begin), errors.endswith(end), errors.count("\n")) == (True, True, 1)


def test_doubts_are_told_beside_a_refusal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path, {"adapter_config.json": {}, "tokenizer_config.json": {}})
    assert (
        main(["import", str(folder), "--bucket", "bucket", "--name", "n", "--create-role", "--region", "us-east-1"])
        == 2
    )
    out, errors = capsys.readouterr()
    assert (out.startswith(f"warning: {folder}: has no chat template"), out.count("\n")) == (True, 1)
    assert (errors.startswith(f"llmdyno: {folder}: holds an adapter; merge it"), errors.count("\n")) == (True, 1)


def test_a_key_of_another_region(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = "arn:aws:kms:eu-central-1:123456789012:alias/mine"
    line = ["import", str(make_folder(tmp_path)), "--bucket", "bucket", "--name", "n", "--create-role", "--dry-run"]
    assert main([*line, "--region", "us-east-1", "--kms-key", key]) == 2
    said = "--kms-key: is a key of 'eu-central-1'; use a key of us-east-1, as the import"
    assert capsys.readouterr() == ("", f"llmdyno: {said}\n")
    assert main([*line, "--region", "eu-central-1", "--kms-key", key]) == 0
    assert f'"importedModelKmsKeyId": "{key}"' in capsys.readouterr().out


def test_a_forced_import_tells_what_it_passes_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(tmp_path, {"adapter_config.json": {}})
    line = ["import", str(folder), "--bucket", "bucket", "--name", "n", "--create-role", "--region", "us-east-1"]
    assert main([*line, "--dry-run", "--force"]) == 0
    out, errors = capsys.readouterr()
    assert errors.startswith(f"llmdyno: warning: {folder}: holds an adapter; merge it")
    assert out.endswith("nothing was sent\n")


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
