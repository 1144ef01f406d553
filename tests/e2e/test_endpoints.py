"""With AWS_ENDPOINT_URL set, every command goes there or refuses: nothing is looked up, and no credentials leave."""

from __future__ import annotations

import itertools
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from tests.model_folder import make_folder
from tests.offline import Offline
from tests.support import AWS_KEYS, clean_environ

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE

KEYS = {**AWS_KEYS, "AWS_REGION": "us-east-1", "PYTHONWARNINGS": "ignore"}
SMALL = ["--input-tokens", "20", "--output-tokens", "5"]
TWO = ["--requests", "2", *SMALL]
LEVELS = ["--users", "1,2", "--hold", "5s", "--slo", "ttft_s=100"]
STAGES = ["--before", "5s", "--hold", "5s", "--after", "5s"]
PERF = ["--mean-input-tokens", "20", "--stddev-input-tokens", "1", "--mean-output-tokens", "5"]
PERF += ["--stddev-output-tokens", "1", "--num-concurrent-requests", "2", "--max-num-completed-requests", "2"]

BEDROCK = ["--api", "bedrock", "--model", "{arn}"]
LITELLM = ["--api", "litellm", "--model", "bedrock/llama/{arn}"]
CONVERSE = ["--api", "litellm", "--model", "bedrock/converse/{arn}"]
PERF_BEDROCK = ["--llm-api", "bedrock", "--model", "{arn}"]
PERF_LITELLM = ["--llm-api", "litellm", "--model", "bedrock/llama/{arn}"]
RUNTIME = {
    "run": ["run", *BEDROCK, *TWO, "--out", "run"],
    "run, converse": ["run", *BEDROCK, "--route", "converse", *TWO, "--out", "converse"],
    "warm": ["warm", *BEDROCK, *SMALL, "--out", "warm"],
    "coldstart": ["coldstart", *BEDROCK, "--repeat", "1", "--idle", "1", "--out", "cold"],
    "check": ["check", *BEDROCK, "--prompts", "2", "--out", "check"],
    "scaling": ["scaling", *BEDROCK, *STAGES, *SMALL, "--out", "scaling"],
    "capacity": ["capacity", *BEDROCK, *LEVELS, *SMALL, "--out", "capacity"],
    "llmperf token-benchmark": ["llmperf", "token-benchmark", *PERF_BEDROCK, *PERF],
    "llmperf correctness": ["llmperf", "correctness", *PERF_BEDROCK, *PERF[8:]],
    # In auto mode our own sockets and LiteLLM both send a request.
    "run, litellm": ["run", *LITELLM, *TWO, "--out", "litellm"],
    "run, litellm alone": ["run", *CONVERSE, "--litellm-mode", "sdk", *TWO, "--out", "sdk"],
    "llmperf token-benchmark, litellm": ["llmperf", "token-benchmark", *PERF_LITELLM, *PERF],
    "llmperf correctness, litellm": ["llmperf", "correctness", *PERF_LITELLM, *PERF[8:]],
}
CONTROL = {
    "models": (["models"], DEFAULT_PROFILE),
    "models show": (["models", "show", DEFAULT_PROFILE], "customModelUnits"),
    "import": (
        ["import", "folder", "--bucket", "weights", "--name", "mine", "--create-role", "--poll", "0.05"],
        "mine",
    ),
}


class Place:
    """An emulator, a folder, and children that find nothing else."""

    def __init__(self, facts: dict[str, Any], folder: Path) -> None:
        self.facts, self.folder, self._number = facts, folder, itertools.count()

    def call(self, *line: str, **environ: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        """Run a command; what it said, and what it looked up."""
        private = self.folder / f"child-{next(self._number)}"
        private.mkdir()
        offline = Offline(private)
        given = {**KEYS, "AWS_ENDPOINT_URL": self.facts["root"], **offline.environ, **environ}
        words = [word.format(arn=self.facts["model"]) for word in line]
        result = subprocess.run(
            [sys.executable, "-m", "llmdyno", *words],
            cwd=self.folder,
            env=clean_environ(**given),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,  # LiteLLM's import takes long on a busy machine
            check=False,
        )
        return result, offline.looked_up

    def asked(self) -> int:
        """How many requests the emulator's runtime got."""
        with urllib.request.urlopen(self.facts["root"] + "/truth") as answer:
            return len(answer.read().splitlines())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    more = ["--aws-services", "--cold-start", "20", "--import-time", "5", "--idle", "1000000"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as running:
        facts = running.ready()
        # With a name for its host, a bucket would become a name of its own.
        facts["root"] = facts["root"].replace("127.0.0.1", "localhost")
        keys = {"aws_access_key_id": "x", "aws_secret_access_key": "y", "region_name": "us-east-1"}
        s3 = boto3.client("s3", endpoint_url=facts["root"].replace("localhost", "127.0.0.1"), **keys)
        s3.create_bucket(Bucket="weights")
        s3.close()
        yield Place(facts, tmp_path_factory.mktemp("offline"))


@pytest.fixture(scope="module")
def loads(place: Place) -> dict[str, tuple[subprocess.CompletedProcess[str], list[str]]]:
    """What came of each load. Two go at a time, since LiteLLM's import takes seconds."""
    before = place.asked()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda line: place.call(*line, "--quiet", "--yes"), RUNTIME.values()))
    assert place.asked() >= before + 2 * len(RUNTIME)
    return dict(zip(RUNTIME, found, strict=True))


@pytest.mark.parametrize("name", RUNTIME)
def test_a_load_goes_to_the_variable_s_endpoint(
    loads: dict[str, tuple[subprocess.CompletedProcess[str], list[str]]], name: str
) -> None:
    result, looked_up = loads[name]
    assert looked_up == []
    assert result.returncode == 0, result.stderr  # some request succeeded, and nothing but the emulator is in reach
    assert "EMULATED" in result.stdout or "llmperf" in name


@pytest.mark.parametrize("name", CONTROL)
def test_the_control_plane_is_the_variable_s_endpoint(place: Place, name: str) -> None:
    if not (place.folder / "folder").exists():
        make_folder(place.folder / "folder")
    line, words = CONTROL[name]
    result, looked_up = place.call(*line)
    assert looked_up == []
    assert result.returncode == 0, result.stderr
    assert words in result.stdout


def test_cost_asks_the_emulator_and_show_asks_nobody(place: Place) -> None:
    line = ["run", *BEDROCK, *TWO, "--out", "billed", "--yes"]
    ran, looked_up = place.call(*line)  # with its progress, it watches the copies too
    assert (ran.returncode, looked_up) == (0, []), ran.stderr
    cost, looked_up = place.call("cost", "billed", "--wait", "1")
    assert (cost.returncode, looked_up) == (0, []), cost.stderr
    assert "CloudWatch was not read" not in cost.stdout
    assert (place.folder / "billed" / "cloudwatch.json").exists()
    for line in (["show", "billed"], ["compare", "billed", "billed"]):
        shown, looked_up = place.call(*line)
        assert (shown.returncode, looked_up) == (0, []), shown.stderr
    # Without the variable, AWS is not asked about an emulator's run.
    later, looked_up = place.call("cost", "billed", "--refresh", AWS_ENDPOINT_URL="")
    assert (later.returncode, looked_up) == (0, []), later.stderr
    assert "the run measured an emulator" in " ".join(later.stdout.split())


def test_the_runtime_s_own_variable_keeps_the_credentials_here_too(place: Place) -> None:
    """The control plane and the metrics of an emulator's model are not AWS's."""
    own = {"AWS_ENDPOINT_URL": "", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": place.facts["root"]}
    theirs = {"AWS_ENDPOINT_URL": "", "AWS_BEDROCK_RUNTIME_ENDPOINT": place.facts["root"]}
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(place.call, "run", *BEDROCK, *TWO, "--out", "own", "--yes", **own),
            pool.submit(
                place.call, "run", *LITELLM, *TWO, "--litellm-mode", "sdk", "--out", "theirs", "--yes", **theirs
            ),
        ]
        for result, looked_up in (call.result() for call in calls):
            assert (result.returncode, looked_up) == (0, []), result.stderr


def test_what_litellm_cannot_send_there_is_refused(place: Place) -> None:
    result, looked_up = place.call("llmperf", "token-benchmark", "--llm-api", "sagemaker", "--model", "mine", *PERF)
    assert (result.returncode, looked_up) == (2, [])
    assert result.stderr.count("\n") == 1
    assert "LiteLLM's sagemaker_chat does not read them; give --litellm-param sagemaker_base_url=URL" in result.stderr


def test_without_an_endpoint_the_service_s_name_is_looked_up(place: Place) -> None:
    """So that the tests above would see it."""
    line = ["run", *BEDROCK, *TWO, "--yes", "--quiet", "--out", "real"]
    result, looked_up = place.call(*line, AWS_ENDPOINT_URL="")
    assert result.returncode == 2
    assert {"bedrock.us-east-1.amazonaws.com", "bedrock-runtime.us-east-1.amazonaws.com"} <= set(looked_up)


def test_the_embedded_emulator_looks_nothing_up(place: Place) -> None:
    ran, looked_up = place.call("run", "--speed", "100", *TWO, "--quiet", "--out", "embedded")
    assert (ran.returncode, looked_up) == (0, []), ran.stderr
