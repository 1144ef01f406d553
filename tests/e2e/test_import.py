"""A model folder to an answer: checked, uploaded, imported, listed, measured, deleted."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.model_folder import LLAMA, make_folder
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


def test_from_a_folder_to_a_measured_model(root: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "my-model")
    line = ["import", str(folder), "--bucket", "weights", "--name", "my-model", "--create-role", "--poll", "0.1"]
    result = aws(root, *line, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "LlamaForCausalLM, 6 files, 0.000 GB, chat template: tokenizer_config.json" in result.stdout
    assert "s3://weights/my-model: 6 files uploaded, 0 there already" in result.stdout
    assert "warning" not in result.stderr
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
    assert "s3://weights/my-model: 1 files uploaded, 5 there already" in again.stdout

    listed = aws(root, "models", cwd=tmp_path)
    assert [text.split()[0] for text in listed.stdout.splitlines()] == ["again", "my-model", DEFAULT_PROFILE]
    assert listed.stderr == "quotas: 3 imported models (3 in use), 1 import job at once, 3 model copies\n"
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
    warned, refused = full.stderr.splitlines()
    assert warned == (
        "llmdyno: warning: 3 of 3 imported models are in use, so the service will refuse another; delete one (llmdyno "
        "models delete NAME), or raise the quota L-45B04988 in Service Quotas"
    )
    assert "ServiceQuotaExceededException" in refused
    taken = aws(root, *line_of(folder), cwd=tmp_path)
    assert (taken.returncode, taken.stderr) == (
        2,
        "llmdyno: --name: an imported model is named again already; choose another, or delete that one (llmdyno models "
        "delete NAME)\n",
    )

    unsure = aws(root, "models", "delete", "again", cwd=tmp_path)
    assert (unsure.returncode, unsure.stderr) == (1, "nothing was deleted\n")
    for name in ("again", "my-model"):
        assert aws(root, "models", "delete", name, "--yes", cwd=tmp_path).returncode == 0
    assert "my-model" not in aws(root, "models", cwd=tmp_path).stdout
    gone = aws(root, "models", "show", "my-model", cwd=tmp_path)
    assert (gone.returncode, gone.stderr.count("\n")) == (2, 1)
    assert "ResourceNotFoundException" in gone.stderr


def test_converse_on_a_model_without_it(root: str, tmp_path: Path) -> None:
    qwen = {**LLAMA, "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
    folder = make_folder(tmp_path / "qwen", {"config.json": qwen})
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


KEY = "12345678-1234-1234-1234-123456789012"


def test_a_job_with_a_key_a_network_tags_and_a_token(root: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m")
    line = ["import", str(folder), "--bucket", "weights", "--name", "tagged", "--create-role", "--poll", "0.1"]
    more = ["--kms-key", KEY, "--vpc-subnet", "subnet-1", "--vpc-subnet", "subnet-2", "--vpc-security-group", "sg-1"]
    more += ["--tag", "team=a=b", "--tag", "empty=", "--model-tag", "cost=7", "--client-request-token", "once-only"]
    dry = aws(root, *line, *more, "--dry-run", cwd=tmp_path)
    assert (dry.returncode, dry.stderr) == (0, "")
    assert dry.stdout.endswith("\nnothing was sent\n")
    request = json.loads(dry.stdout[dry.stdout.index("{") : dry.stdout.rindex("}") + 1])
    assert request == {
        "jobName": request["jobName"],
        "importedModelName": "tagged",
        "roleArn": "(the ARN of llmdyno-model-import)",
        "modelDataSource": {"s3DataSource": {"s3Uri": "s3://weights/tagged/"}},
        "importedModelKmsKeyId": KEY,
        "vpcConfig": {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]},
        "jobTags": [{"key": "team", "value": "a=b"}, {"key": "empty", "value": ""}],
        "importedModelTags": [{"key": "cost", "value": "7"}],
        "clientRequestToken": "once-only",
    }
    with contextlib.closing(client("bedrock", root)) as bedrock:
        assert not bedrock.list_model_import_jobs(nameContains="tagged")["modelImportJobSummaries"]
        first = aws(root, *line, *more, cwd=tmp_path)
        assert first.returncode == 0, first.stderr
        arn = f"arn:aws:kms:us-east-1:123456789012:key/{KEY}"
        model = bedrock.get_imported_model(modelIdentifier="tagged")
        job = bedrock.get_model_import_job(jobIdentifier=model["jobArn"])
        assert (job["vpcConfig"], job["importedModelKmsKeyArn"]) == (request["vpcConfig"], arn)
        assert (job["jobName"], model["modelKmsKeyArn"]) == (request["jobName"], arn)
        assert bedrock.list_tags_for_resource(resourceARN=job["jobArn"])["tags"] == request["jobTags"]
        assert bedrock.list_tags_for_resource(resourceARN=model["modelArn"])["tags"] == request["importedModelTags"]
        again = aws(root, *line, *more, cwd=tmp_path)
        assert again.returncode == 0, again.stderr
        assert first.stdout.splitlines()[2:] == again.stdout.splitlines()[2:]  # the same job, the same model
        assert len(bedrock.list_model_import_jobs(nameContains="tagged")["modelImportJobSummaries"]) == 1
        bedrock.delete_imported_model(modelIdentifier="tagged")
    with contextlib.closing(client("iam", root)) as iam:
        names = iam.list_role_policies(RoleName="llmdyno-model-import")["PolicyNames"]
        assert sorted(names) == ["read-model", "use-key", "use-vpc"]


def test_a_failed_job_says_why(root: str, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", {"config.json": {**LLAMA, "architectures": ["PhiForCausalLM"]}})
    line = ["import", str(folder), "--bucket", "weights", "--name", "phi", "--create-role", "--poll", "0.1"]
    refused = aws(root, *line, cwd=tmp_path)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    forced = aws(root, *line, "--force", "--client-request-token", "phi", cwd=tmp_path)
    assert forced.returncode == 2
    warned, *_, failed = forced.stderr.splitlines()
    assert warned == refused.stderr.strip().replace("llmdyno: ", "llmdyno: warning: ", 1)
    assert failed.startswith("llmdyno: import: Amazon Bedrock does not support the architecture (llama) of the model")
    assert failed.endswith("; correct the cause, and import again with another --client-request-token")


def test_a_folder_that_cannot_be_imported_is_one_line(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "m", {"adapter_config.json": "{}"})
    line = ["import", str(folder), "--bucket", "bucket", "--name", "m", "--create-role", "--region", "us-east-1"]
    result = command(*line, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"llmdyno: {folder}: holds an adapter; merge it")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "x", "--bucket", "bucket", "--name", "n", "--create-role"], "x: is no folder"),
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
