"""The emulated Bedrock runtime, driven by boto3."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

from llmdyno.emulator.bedrock import BedrockAnswer, ImportedModel, ServiceError, model_arn
from llmdyno.emulator.bedrock_request import read_call
from llmdyno.emulator.dialect import Ending
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY, check
from llmdyno.protocols.bedrock import InvokeDecoder

ABSENT = "arn:aws:bedrock:us-east-1:123456789012:imported-model/000000000000"
FAST = ["--cold-start", "0", "--first-inference", "0", "--verify-signatures"]


def boto_client(root: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> Any:
    return aws_client(root, "bedrock-runtime", "us-east-1", access_key, secret_key)


def aws_client(root: str, service: str, region: str, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY) -> Any:
    return boto3.client(
        service,
        endpoint_url=root,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=10),
    )


class Running:
    def __init__(self, facts: dict[str, str]) -> None:
        self.root, self.arn = facts["root"], facts["model"]
        self.client = boto_client(self.root)

    def warm(self) -> Running:
        """Call until the model answers."""
        for _ in range(200):
            try:
                self.client.invoke_model(modelId=self.arn, body=json.dumps({"prompt": "x", "max_gen_len": 1}))
            except self.client.exceptions.ModelNotReadyException:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError("never warm")

    def stream(self, body: dict[str, Any], model: str | None = None) -> list[dict[str, Any]]:
        answer = self.client.invoke_model_with_response_stream(modelId=model or self.arn, body=json.dumps(body))
        assert answer["contentType"] == "application/json"
        return [json.loads(event["chunk"]["bytes"]) for event in answer["body"]]

    def truth(self, what: str) -> bytes:
        with urllib.request.urlopen(f"{self.root}/{what}") as answer:
            return bytes(answer.read())


@contextlib.contextmanager
def started(*more: str) -> Iterator[Running]:
    """An emulator of its own, and a client that is closed behind it."""
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as emulator:
        endpoint = Running(emulator.ready())
        with contextlib.closing(endpoint.client):
            yield endpoint


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started(*FAST) as endpoint:
        yield endpoint.warm()


def test_invoke_model_in_each_format(running: Running) -> None:
    def invoke(**body: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        answer = running.client.invoke_model(modelId=running.arn, body=json.dumps({**body, "ignore_eos": True}))
        return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]

    value, headers = invoke(prompt="one two", max_gen_len=5)
    assert list(value) == ["generation", "prompt_token_count", "generation_token_count", "stop_reason", "logprobs"]
    assert (value["prompt_token_count"], value["generation_token_count"], value["stop_reason"]) == (2, 5, "length")
    assert headers["x-amzn-bedrock-output-token-count"] == "5"
    assert headers["x-amzn-requestid"]
    value, _ = invoke(prompt="one two", max_tokens=5)
    assert (value["object"], value["usage"]["total_tokens"]) == ("text_completion", 7)
    value, _ = invoke(messages=[{"role": "user", "content": "one"}], max_tokens=5)
    assert (value["object"], value["choices"][0]["message"]["role"]) == ("chat.completion", "assistant")


def test_invoke_with_response_stream_in_each_format(running: Running) -> None:
    chunks = running.stream({"prompt": "one two", "max_gen_len": 5, "ignore_eos": True})
    assert [chunk["generation_token_count"] for chunk in chunks] == [1, 2, 3, 4, 5, 5]
    assert [chunk["prompt_token_count"] for chunk in chunks] == [2, None, None, None, None, None]
    assert [chunk["stop_reason"] for chunk in chunks] == [None] * 5 + ["length"]
    metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
    assert (metrics["inputTokenCount"], metrics["outputTokenCount"]) == (2, 5)
    assert 0 < metrics["firstByteLatency"] <= metrics["invocationLatency"]
    text = running.stream({"prompt": "one", "max_tokens": 3, "ignore_eos": True}, DEFAULT_PROFILE)
    assert "".join(chunk["choices"][0]["text"] for chunk in text).strip()
    chat = running.stream({"messages": [{"role": "user", "content": "x"}], "max_tokens": 3, "ignore_eos": True})
    assert chat[-1]["usage"]["completion_tokens"] == 3
    assert chat[-1]["choices"][0]["finish_reason"] == "length"


def test_a_mistral_import_from_before_the_openai_formats() -> None:
    model = ImportedModel(model_arn("m"), "m", mistral=True)
    body = b'{"prompt":"one two","max_tokens":2}'
    answer = BedrockAnswer(read_call("invoke", body, model), 0, 0)
    answer.token(0, " a"), answer.token(1, " b")
    assert json.loads(answer.end(Ending(2, "length", 1, 1))) == {"outputs": [{"text": " a b", "stop_reason": "length"}]}
    stream = BedrockAnswer(read_call("invoke-with-response-stream", body, model), 0, 0)
    frames = InvokeDecoder().feed(stream.token(0, " a") + stream.end(Ending(1, "stop", 5, 2)))
    assert [(event.text, event.finish_reason) for event in frames] == [(" a", None), ("", "stop")]


def test_converse_and_its_stream(running: Running) -> None:
    question: dict[str, Any] = {
        "modelId": running.arn,
        "messages": [{"role": "user", "content": [{"text": "one two"}]}],
        "inferenceConfig": {"maxTokens": 1},
    }
    answer = running.client.converse(**question)
    assert answer["stopReason"] == "max_tokens"
    assert answer["usage"] == {"inputTokens": 2, "outputTokens": 1, "totalTokens": 3}
    assert answer["output"]["message"]["content"][0]["text"]
    events = list(running.client.converse_stream(**question)["stream"])
    assert [next(iter(event)) for event in events] == [
        "messageStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata",
    ]  # fmt: skip
    assert events[-1]["metadata"]["usage"]["totalTokens"] == 3


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        (
            "arn:aws:bedrock:us-east-1:123456789012:imported-model/000000000000",
            "{}",
            ("ResourceNotFoundException", 404),
        ),
        ("nonsense", "{}", ("ValidationException", 400)),
        (None, "{}", ("ValidationException", 400)),
        (None, "[]", ("ValidationException", 400)),
        (None, '{"prompt":"x","max_gen_len":0}', ("ValidationException", 400)),
        (None, '{"prompt":"x","max_gen_len":1000000}', ("ValidationException", 400)),
        (None, '{"messages":[]}', ("ValidationException", 400)),
    ],
)
def test_refusals(running: Running, model: str | None, body: str, expected: tuple[str, int]) -> None:
    with pytest.raises(ClientError) as caught:
        running.client.invoke_model_with_response_stream(modelId=model or running.arn, body=body)
    assert code_of(caught) == expected


def test_a_raw_slash_in_the_path_is_an_unknown_operation(running: Running) -> None:
    url = f"{running.root}/model/{running.arn}/invoke-with-response-stream"
    with urllib.request.urlopen(urllib.request.Request(url, data=b"{}", method="POST")) as answer:
        assert json.loads(answer.read())["Output"]["__type"].endswith("UnknownOperationException")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(f"{running.root}/model/x/invoke", data=b"{}"))
    with caught.value as refused:
        assert refused.code == 403
        assert refused.headers["x-amzn-errortype"].startswith("MissingAuthenticationTokenException")


def test_colons_may_be_raw(running: Running) -> None:
    encoded = running.arn.replace("/", "%2F")  # colons left raw, as another client does
    url = f"{running.root}/model/{encoded}/invoke"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(url, data=b'{"prompt":"x","max_gen_len":1}'))
    with caught.value as refused:  # the operation is known; only the signature is missing
        assert refused.code == 403


@pytest.mark.parametrize(
    ("keys", "code"),
    [((ACCESS_KEY, "wrong"), "InvalidSignatureException"), (("AKIDOTHER", SECRET_KEY), "UnrecognizedClientException")],
)
def test_signatures_that_are_wrong(running: Running, keys: tuple[str, str], code: str) -> None:
    with contextlib.closing(boto_client(running.root, *keys)) as client, pytest.raises(ClientError) as caught:
        client.invoke_model(modelId=running.arn, body="{}")
    assert code_of(caught) == (code, 403)


def test_a_signature_of_another_time() -> None:
    headers = {
        "authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders=host, Signature={'0' * 64}",
        "x-amz-date": "20260101T000000Z",
    }
    with pytest.raises(ServiceError, match="Signature expired"):
        check("POST", "/", headers, b"", datetime(2026, 1, 1, 0, 6, tzinfo=UTC))
    with pytest.raises(ServiceError, match="does not match"):
        check("POST", "/", headers, b"", datetime(2026, 1, 1, 0, 4, tzinfo=UTC))
    with pytest.raises(ServiceError, match="cannot be read"):
        check("POST", "/", {"authorization": "nonsense"}, b"", datetime.now(UTC))


def test_from_cold_to_throttled_and_the_truth_about_copies() -> None:
    more = ["--cold-start", "30", "--requests-per-copy", "1", "--max-copies", "1", "--idle", "100"]
    with started(*more) as endpoint:
        began = time.monotonic()
        endpoint.warm()
        assert 0.3 <= time.monotonic() - began < 2
        held = endpoint.client.invoke_model_with_response_stream(
            modelId=endpoint.arn, body=json.dumps({"prompt": "x", "max_gen_len": 5000})
        )
        with pytest.raises(ClientError) as caught:
            endpoint.stream({"prompt": "x", "max_gen_len": 1})
        assert code_of(caught) == ("ThrottlingException", 429)
        held["body"].close()
        time.sleep(1.3)
        [truth] = json.loads(endpoint.truth("truth/copies")).values()
        assert [count for _, count in truth["changes"]] == [1, 0]
        assert truth["billed_windows"] == 1
        statuses = [json.loads(line)["status"] for line in endpoint.truth("truth").splitlines()]
        assert statuses[0] == 429
        assert statuses.count(200) == 1


def test_a_cold_call_that_waits() -> None:
    with started("--cold-start", "30", "--hold") as endpoint:
        began = time.monotonic()
        assert endpoint.stream({"prompt": "x", "max_gen_len": 3})
        assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("throttle", "ThrottlingException"),
        ("error", "InternalServerException"),
        ("unavailable", "ServiceUnavailableException"),
        ("denied", "AccessDeniedException"),
        ("timeout", "ModelTimeoutException"),
        ("model_error", "ModelErrorException"),
        ("quota", "ServiceQuotaExceededException"),
    ],
)
def test_faults_before_the_stream(fault: str, code: str) -> None:
    with started(*FAST, "--fault", f"{fault}=1") as endpoint:
        with pytest.raises(ClientError) as caught:
            endpoint.stream({"prompt": "x", "max_gen_len": 3})
        assert code_of(caught)[0] == code


@pytest.mark.parametrize(
    ("fault", "problem"),
    [("stream_error", EventStreamError), ("cut", Exception), ("crc", Exception)],
)
def test_faults_in_mid_stream(fault: str, problem: type[Exception]) -> None:
    more = ["--cold-start", "0", "--hold", "--fault", f"{fault}=1"]
    with started(*more) as endpoint:
        answer = endpoint.client.invoke_model_with_response_stream(
            modelId=endpoint.arn, body=json.dumps({"prompt": "x", "max_gen_len": 20, "ignore_eos": True})
        )
        seen = 0
        with pytest.raises(problem) as caught:  # noqa: PT012  how far it comes is the point
            for _ in answer["body"]:
                seen += 1
        answer["body"].close()
        assert seen == 10
        if fault == "stream_error":
            assert caught.value.response["Error"]["Code"] == "modelStreamErrorException"  # type: ignore[attr-defined]


def test_stop_sequences_in_each_format(running: Running) -> None:
    running.warm()

    def invoke(**body: Any) -> dict[str, Any]:
        answer = running.client.invoke_model(modelId=running.arn, body=json.dumps(body))
        return dict(json.loads(answer["body"].read()))

    count = "please count upwards"
    value = invoke(prompt=count, max_gen_len=50, stop=["4 "])
    assert (value["generation"], value["stop_reason"], value["generation_token_count"]) == ("1 2 3 ", "stop", 4)
    value = invoke(prompt=count, max_tokens=50, stop="5")
    assert (value["choices"][0]["text"], value["choices"][0]["finish_reason"]) == ("1 2 3 4 ", "stop")
    value = invoke(messages=[{"role": "user", "content": count}], max_completion_tokens=50, stop=["9 1", "3 "])
    assert (value["choices"][0]["message"]["content"], value["usage"]["completion_tokens"]) == ("1 2 ", 3)
    config = {"maxTokens": 50, "stopSequences": ["3 4"]}
    ask = {"messages": [{"role": "user", "content": [{"text": count}]}], "inferenceConfig": config}
    whole = running.client.converse(modelId=running.arn, **ask)
    assert whole["output"]["message"]["content"] == [{"text": "1 2 "}]
    assert (whole["stopReason"], whole["usage"]["outputTokens"]) == ("stop_sequence", 4)
    events = list(running.client.converse_stream(modelId=running.arn, **ask)["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas) == "1 2 "
    assert {"messageStop": {"stopReason": "stop_sequence"}} in events


def test_a_forced_tool_in_a_stream(running: Running) -> None:
    running.warm()
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
    tools = [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}]
    config: dict[str, Any] = {"tools": tools, "toolChoice": {"tool": {"name": "weather"}}}
    ask: dict[str, Any] = {"modelId": running.arn, "toolConfig": config}
    ask["messages"] = [{"role": "user", "content": [{"text": "x"}]}]
    events = list(running.client.converse_stream(**ask)["stream"])
    started = next(event["contentBlockStart"]["start"]["toolUse"] for event in events if "contentBlockStart" in event)
    parts = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "contentBlockDelta" in e]
    given = json.loads("".join(parts))
    assert (started["name"], sorted(given), given["days"]) == ("weather", ["city", "days"], 1)
    assert {"messageStop": {"stopReason": "tool_use"}} in events
    answer = {"role": "assistant", "content": [{"toolUse": {**started, "input": given}}]}
    result = {"toolUseId": started["toolUseId"], "content": [{"text": "rain"}]}
    ask["messages"] += [answer, {"role": "user", "content": [{"toolResult": result}]}]
    ask["toolConfig"] = {"tools": tools}
    assert running.client.converse(**ask)["output"]["message"]["content"][0]["text"].strip()


def test_every_answer_has_an_id_of_its_own_and_a_true_date(running: Running) -> None:
    running.warm()
    before = int(time.time())
    seen = set()
    for body in ("{}", '{"prompt":"x","max_tokens":1}', '{"prompt":"x","max_tokens":1}'):
        try:
            answer = running.client.invoke_model(modelId=running.arn, body=body)
            assert before <= json.loads(answer["body"].read())["created"] <= time.time()
        except ClientError as refused:
            answer = refused.response
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        seen.add(headers["x-amzn-requestid"])
        assert before <= parsedate_to_datetime(headers["date"]).timestamp() <= time.time()
    assert len(seen) == 3


def test_regions_are_kept_apart(running: Running) -> None:
    control, there = (aws_client(running.root, "bedrock", region) for region in ("us-east-1", "eu-central-1"))
    runtime = aws_client(running.root, "bedrock-runtime", "eu-central-1")
    with contextlib.closing(control), contextlib.closing(there), contextlib.closing(runtime):
        assert [model["modelArn"] for model in control.list_imported_models()["modelSummaries"]] == [running.arn]
        assert there.list_imported_models()["modelSummaries"] == []
        source = {"s3DataSource": {"s3Uri": "s3://weights/m/"}}
        made = there.create_model_import_job(
            jobName="j", importedModelName="m", roleArn="arn:aws:iam::123456789012:role/r", modelDataSource=source
        )
        assert made["jobArn"].startswith("arn:aws:bedrock:eu-central-1:123456789012:model-import-job/")
        assert control.list_model_import_jobs()["modelImportJobSummaries"] == []
        with pytest.raises(ClientError) as caught:
            runtime.invoke_model(modelId=running.arn, body="{}")
        assert code_of(caught) == ("ValidationException", 400)
        with pytest.raises(ClientError) as caught:
            runtime.invoke_model(modelId=running.arn.replace("us-east-1", "eu-central-1"), body="{}")
        assert code_of(caught) == ("ResourceNotFoundException", 404)


def test_operations_that_are_not_emulated(running: Running) -> None:
    control = aws_client(running.root, "bedrock", "us-east-1")
    with contextlib.closing(control):
        for call in (
            lambda: running.client.count_tokens(modelId=running.arn, input={"invokeModel": {"body": b"{}"}}),
            running.client.list_async_invokes,
            control.list_guardrails,
        ):
            with pytest.raises(ClientError) as caught:
                call()
            assert code_of(caught) == ("UnknownOperationException", 404)


def test_a_signature_of_a_client_that_speaks_http_2() -> None:
    headers = {"host": "h:1", "x-amz-date": "20260101T000000Z"}
    request = AWSRequest("POST", "http://h:1/model/x/invoke", headers={":authority": "h:1", **headers}, data=b"{}")
    signer = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "bedrock", "us-east-1")
    del request.headers["host"]
    request.context["timestamp"] = headers["x-amz-date"]
    signed = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    scope = f"Credential={ACCESS_KEY}/20260101/us-east-1/bedrock/aws4_request"
    given = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders={{}}, Signature={signed}"
    names = signer.signed_headers(signer.headers_to_sign(request))
    check(
        "POST",
        "/model/x/invoke",
        {**headers, "authorization": given.format(names)},
        b"{}",
        datetime(2026, 1, 1, tzinfo=UTC),
    )
