"""The emulator as others see it: the AWS CLI and LiteLLM, programs that know nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import clean_environ

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY

KEYS = {
    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "PYTHONWARNINGS": "ignore",
}


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, str]]:
    more = ["--aws-services", "--import-time", "10", "--cold-start", "0", "--first-inference", "0", "--hold"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=[*more, "--verify-signatures"]) as running:
        yield running.ready()


def cli(facts: dict[str, str], *arguments: str, cwd: Path) -> Any:
    line = [str(Path(sys.executable).with_name("aws")), *arguments, "--output", "json"]
    environ = clean_environ(**KEYS, AWS_ENDPOINT_URL=facts["root"])
    return subprocess.run(line, cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_the_aws_cli(facts: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["LlamaForCausalLM"]}', encoding="utf-8")
    for name in ("a.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert cli(facts, "s3", "mb", "s3://weights", cwd=tmp_path).returncode == 0
    copied = cli(facts, "s3", "cp", "--recursive", ".", "s3://weights/m/", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    source = json.dumps({"s3DataSource": {"s3Uri": "s3://weights/m/"}})
    line = ["bedrock", "create-model-import-job", "--job-name", "j", "--imported-model-name", "m"]
    line += ["--role-arn", "arn:aws:iam::123456789012:role/r", "--model-data-source", source]
    made = cli(facts, *line, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    job = json.loads(made.stdout)["jobArn"]
    for _ in range(40):
        state = json.loads(cli(facts, "bedrock", "get-model-import-job", "--job-identifier", job, cwd=tmp_path).stdout)
        if state["status"] != "InProgress":
            break
    assert state["status"] == "Completed"
    listed = json.loads(cli(facts, "bedrock", "list-imported-models", cwd=tmp_path).stdout)["modelSummaries"]
    assert {model["modelName"] for model in listed} == {"m", DEFAULT_PROFILE}
    line = ["bedrock-runtime", "invoke-model", "--model-id", state["importedModelArn"], "--cli-binary-format"]
    body = json.dumps({"prompt": "x", "max_gen_len": 3, "ignore_eos": True})
    invoked = cli(facts, *line, "raw-in-base64-out", "--body", body, "answer.json", cwd=tmp_path)
    if "cli-binary-format" in invoked.stderr:  # version 1 knows no such flag, and takes the body as it is
        line = line[:-1]
        invoked = cli(facts, *line, "--body", body, "answer.json", cwd=tmp_path)
    assert invoked.returncode == 0, invoked.stderr
    assert json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))["generation_token_count"] == 3
    assert cli(facts, "bedrock", "delete-imported-model", "--model-identifier", "m", cwd=tmp_path).returncode == 0


LITELLM = """
import json, sys, litellm
model, root = sys.argv[1:]
def text(part):
    return (part.content or "") + (getattr(part, "reasoning_content", "") or "")
ask = dict(model=model, messages=[{"role": "user", "content": "one two"}], max_tokens=40, api_base=None,
           aws_bedrock_runtime_endpoint=root, timeout=20)
whole = litellm.completion(**ask)
chunks = list(litellm.completion(**ask, stream=True))
deltas = [chunk.choices[0].delta for chunk in chunks]
print(json.dumps({
    "whole": text(whole.choices[0].message),
    "stream": "".join(map(text, deltas)),
    "chunks": len(chunks),
}))
"""


@pytest.mark.parametrize("route", ["llama", "deepseek_r1"])
def test_litellm(facts: dict[str, str], tmp_path: Path, route: str) -> None:
    line = [sys.executable, "-c", LITELLM, f"bedrock/{route}/{facts['model']}", facts["root"]]
    result = subprocess.run(
        line, cwd=tmp_path, env=clean_environ(**KEYS), capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    found = json.loads(result.stdout.splitlines()[-1])
    assert found["whole"].strip()
    assert found["stream"].strip()
    assert found["chunks"] > 10
