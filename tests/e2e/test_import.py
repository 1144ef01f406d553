"""A model folder to an answer: checked, uploaded, imported, listed, measured, deleted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.support import command

import llmdyno
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE

KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_EC2_METADATA_DISABLED": "true"}
NO_FILES = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """An emulator with S3 and IAM, a bucket in it."""
    more = ["--aws-services", "--import-time", "30", "--cold-start", "20"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as running:
        url = running.ready()["root"]
        with contextlib.closing(client("s3", url)) as s3:
            s3.create_bucket(Bucket="weights")
        yield url


def client(service: str, url: str) -> Any:
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y"}
    return boto3.client(service, endpoint_url=url, region_name="us-east-1", **keys)


def aws(url: str, *arguments: str, cwd: Path) -> Any:
    return command(*arguments, cwd=cwd, **KEYS, **NO_FILES, AWS_ENDPOINT_URL=url)


def make_folder(path: Path, **files: str | None) -> Path:
    content: dict[str, str | None] = {
        "config.json": json.dumps({"architectures": ["LlamaForCausalLM"]}),
        "model-00001-of-00002.safetensors": "a" * 3000,
        "model-00002-of-00002.safetensors": "b" * 2000,
        "tokenizer.json": "{}",
        "tokenizer_config.json": "{}",
        ".cache": "hidden",
        **files,
    }
    path.mkdir()
    for name, text in content.items():
        if text is not None:
            (path / name).write_text(text, encoding="utf-8")
    return path


def test_from_a_folder_to_a_measured_model(root: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "my-model")
    line = ["import", str(folder), "--bucket", "weights", "--name", "my-model", "--create-role", "--poll", "0.1"]
    result = aws(root, *line, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "LlamaForCausalLM, 5 files" in result.stdout
    assert "s3://weights/my-model: 5 files uploaded, 0 there already" in result.stdout
    assert "2 CMU a copy (v1.0), architecture llama" in result.stdout
    assert "InProgress after" in result.stderr
    arn = next(text.split()[1] for text in result.stdout.splitlines() if text.startswith("model "))

    with contextlib.closing(client("s3", root)) as s3:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket="weights")["Contents"]]
    assert "my-model/config.json" in keys
    assert not any("cache" in key for key in keys)
    with contextlib.closing(client("iam", root)) as iam:
        role = iam.get_role(RoleName="llmdyno-model-import")["Role"]
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "bedrock.amazonaws.com"}
    assert trust["Condition"]["StringEquals"] == {"aws:SourceAccount": "123456789012"}

    (folder / "tokenizer.json").write_text('{"changed": true}', encoding="utf-8")
    line = ["import", str(folder), "--bucket", "weights", "--prefix", "my-model", "--name", "again", "--create-role"]
    again = aws(root, *line, "--poll", "0.1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert "s3://weights/my-model: 1 files uploaded, 4 there already" in again.stdout

    listed = aws(root, "models", cwd=tmp_path).stdout
    assert [text.split()[0] for text in listed.splitlines()] == ["again", "my-model", DEFAULT_PROFILE]
    shown = aws(root, "models", "show", "my-model", cwd=tmp_path).stdout
    assert arn in shown
    assert "2 CMU a copy (v1.0)" in shown

    line = ["run", "--api", "bedrock", "--model", "my-model", "--requests", "4", "--output-tokens", "20"]
    measured = aws(root, *line, "--warm-interval", "2", "--out", "r", cwd=tmp_path)
    assert measured.returncode == 0, measured.stderr
    run = llmdyno.load(tmp_path / "r")
    assert run.succeeded == 4
    assert run.summary["cold_starts"][0]["cold"]

    full = aws(root, *["third" if text == "again" else text for text in line_of(folder)], cwd=tmp_path)
    assert full.returncode == 2
    assert "ServiceQuotaExceededException" in full.stderr
    assert "Service Quotas" in full.stderr

    unsure = aws(root, "models", "delete", "again", cwd=tmp_path)
    assert (unsure.returncode, unsure.stderr) == (1, "nothing was deleted\n")
    for name in ("again", "my-model"):
        assert aws(root, "models", "delete", name, "--yes", cwd=tmp_path).returncode == 0
    assert "my-model" not in aws(root, "models", cwd=tmp_path).stdout
    gone = aws(root, "models", "show", "my-model", cwd=tmp_path)
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    assert "ResourceNotFoundException" in gone.stderr


def test_converse_on_a_model_without_it(root: str, tmp_path: Path) -> None:
    qwen = json.dumps({"architectures": ["Qwen3ForCausalLM"]})
    folder = make_folder(tmp_path / "qwen", **{"config.json": qwen})
    line = ["import", str(folder), "--bucket", "weights", "--name", "qwen", "--create-role", "--poll", "0.1"]
    assert aws(root, *line, cwd=tmp_path).returncode == 0
    line = ["run", "--api", "bedrock", "--model", "qwen", "--requests", "2", "--route", "converse", "--out", "r"]
    refused = aws(root, *line, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--route: this model has no chat template, and Converse needs one; use --route invoke" in refused.stderr
    assert aws(root, "models", "delete", "qwen", "--yes", cwd=tmp_path).returncode == 0


def line_of(folder: Path) -> list[str]:
    return ["import", str(folder), "--bucket", "weights", "--name", "again", "--create-role", "--poll", "0.1"]


def test_what_a_service_refuses(root: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    role = ["--role", "arn:aws:iam::123456789012:role/x", "--poll", "0.1"]
    line = ["import", str(folder), "--bucket", "no-such-bucket", "--name", "m", *role]
    absent = aws(root, *line, cwd=tmp_path)
    assert absent.returncode == 2
    assert absent.stderr.startswith("llmdyno: s3://no-such-bucket/m: ")
    assert "Traceback" not in absent.stderr
    wrong = aws(root, "import", str(folder), "--bucket", "weights", "--name", "m", "--role", "nonsense", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "ValidationException" in wrong.stderr


def test_a_folder_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", **{"adapter_config.json": "{}"})
    line = ["import", str(folder), "--bucket", "b", "--name", "m", "--create-role"]
    result = command(*line, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"llmdyno: {folder}: holds an adapter; merge it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "x", "--bucket", "b", "--name", "n", "--create-role"], "x: is no folder"),
        (["import", "x", "--bucket", "b", "--name", "a--b", "--create-role"], "--name: 'a--b' does not fit"),
        (["import", "x", "--bucket", "b", "--name", "n"], "--role or --create-role: not given; give one"),
        (["models", "show"], "NAME: not given, and show needs it"),
        (["models", "--profile", "nobody"], "nobody"),
        (["models", "--endpoint-url", "nonsense"], "--endpoint-url: 'nonsense' does not fit"),
    ],
)
def test_bad_input(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = command(*arguments, cwd=tmp_path, **KEYS, **NO_FILES)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1), result.stderr
    assert message in result.stderr
