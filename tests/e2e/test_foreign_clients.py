"""The emulator as others see it: the AWS CLI, LiteLLM, clients of Bedrock's runtime and Anthropic's own client."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest
from benchmarks import clients
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


# --- LangChain's classes for Bedrock, in a process of their own


def test_langchain(tmp_path: Path) -> None:
    """Whole and streamed, Converse and InvokeModel, tools, stops, errors, retries: what the script tries."""
    with clients.emulators() as places:
        rows = clients.run_script([sys.executable, str(clients.SCRIPTS / "langchain_aws_client.py")], places, tmp_path)
    assert [(row["operation"], row["problem"]) for row in rows if not row["ok"]] == []
    assert len(rows) == 9


# --- Anthropic's own client

KEY = "secret"
ONE_TWO: Any = [{"role": "user", "content": "one two"}]
WEATHER: Any = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"days": {"type": "integer"}, "city": {"type": "string"}}},
}
WHOLE = {"ignore_eos": True}


@contextlib.contextmanager
def anthropic_client(*more: str, api_key: str = KEY) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client of an emulator of its own, which wants a key."""
    flags = ["--api-key", KEY, *more]
    with (
        EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=flags) as running,
        anthropic.Anthropic(base_url=running.ready()["root"], api_key=api_key, max_retries=0, timeout=20) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def claude() -> Iterator[anthropic.Anthropic]:
    with anthropic_client() as client:
        yield client


def test_the_anthropic_client_reads_a_text_stream(claude: anthropic.Anthropic) -> None:
    asked: Any = {"model": DEFAULT_PROFILE, "max_tokens": 12, "messages": ONE_TWO, "system": "be brief"}
    with claude.messages.stream(**asked, extra_body=WHOLE) as stream:
        events = [event.type for event in stream if event.type != "text"]
        message = stream.get_final_message()
    assert events == [
        "message_start", "content_block_start", *["content_block_delta"] * 12, "content_block_stop", "message_delta",
        "message_stop",
    ]  # fmt: skip
    assert [block.type for block in message.content] == ["text"]
    assert len(message.content[0].text.split(" ")) >= 10
    assert (message.usage.input_tokens, message.usage.output_tokens) == (5, 12)
    assert (message.stop_reason, message.role, message.model) == ("max_tokens", "assistant", DEFAULT_PROFILE)


def test_the_anthropic_client_reads_thinking(claude: anthropic.Anthropic) -> None:
    thinking: Any = {"type": "enabled", "budget_tokens": 1024}
    asked: Any = {"model": DEFAULT_PROFILE, "max_tokens": 1100, "messages": ONE_TWO, "thinking": thinking}
    with claude.messages.stream(**asked, extra_body=WHOLE) as stream:
        message = stream.get_final_message()
    thought, said = message.content
    assert (thought.type, said.type) == ("thinking", "text")
    assert thought.thinking.strip()
    assert thought.signature.startswith("llmdyno-emulator-")
    assert said.text.strip()
    assert message.usage.output_tokens == 1100
    assert message.usage.output_tokens_details.thinking_tokens == 275
    again: Any = [*ONE_TWO, {"role": "assistant", "content": message.content}, {"role": "user", "content": "go on"}]
    second = claude.messages.create(model=DEFAULT_PROFILE, max_tokens=3, messages=again)
    assert second.usage.input_tokens > 800


def test_the_anthropic_client_reads_a_tool_call(claude: anthropic.Anthropic) -> None:
    choice: Any = {"type": "tool", "name": "weather"}
    asked: Any = {"model": DEFAULT_PROFILE, "max_tokens": 100, "messages": ONE_TWO, "tools": [WEATHER]}
    with claude.messages.stream(**asked, tool_choice=choice) as stream:
        message = stream.get_final_message()
    [call] = message.content
    assert (call.type, call.name, call.input["days"]) == ("tool_use", "weather", 1)
    assert call.input["city"].strip()
    assert (message.stop_reason, message.usage.output_tokens) == ("tool_use", 24)
    [whole] = claude.messages.create(**asked, tool_choice=choice).content
    assert sorted(whole.input) == ["city", "days"]


def test_the_anthropic_client_reads_a_whole_answer(claude: anthropic.Anthropic) -> None:
    blocks: Any = [{"role": "user", "content": [{"type": "text", "text": "Write this number in digits: forty-two"}]}]
    message = claude.messages.create(model=DEFAULT_PROFILE, max_tokens=50, messages=blocks)
    assert [block.text for block in message.content] == ["42"]
    assert (message.stop_reason, message.usage.output_tokens) == ("end_turn", 1)
    assert message._request_id is not None
    assert message._request_id.startswith("req_")
    assert [model.id for model in claude.models.list()] == [DEFAULT_PROFILE]


def test_the_anthropic_client_sees_errors(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError) as missing:
        claude.messages.create(model="other", max_tokens=3, messages=ONE_TWO)
    assert missing.value.request_id is not None
    assert missing.value.body["error"] == {"type": "not_found_error", "message": "model: other"}
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        claude.messages.create(model=DEFAULT_PROFILE, max_tokens=-1, messages=ONE_TWO)
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="wrong").messages.create(model=DEFAULT_PROFILE, max_tokens=3, messages=ONE_TWO)


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("throttle", 429, "rate_limit_error"),
        ("unavailable", 529, "overloaded_error"),
        ("error", 500, "api_error"),
        ("stream_unavailable", 200, "overloaded_error"),
    ],
)
def test_the_anthropic_client_sees_faults(fault: str, status: int, kind: str) -> None:
    with anthropic_client("--fault", f"{fault}=1") as client:
        with pytest.raises(anthropic.APIStatusError) as caught:
            list(client.messages.create(model=DEFAULT_PROFILE, max_tokens=8, messages=ONE_TWO, stream=True))
        assert caught.value.body["error"]["type"] == kind
        assert caught.value.response.status_code == status
