"""``--api bedrock``: what it settles and refuses, where the runtime is, which body format is chosen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support import GOLDEN, ScriptedServer, chunk, stream_head
from tests.targets.helpers import ARN, AWS, FOREIGN, look, refusal, refused_look, send, settled

from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.spec.spec import Spec
from llmdyno.targets import bedrock

REFUSED = {
    "base_url": ("--base-url", "is for OpenAI-compatible servers", "leave it out, and use --endpoint-url"),
    "unix_socket": (
        "--unix-socket",
        "is for --api openai and anthropic, and this is bedrock",
        "leave it out, or use one of them with --base-url",
    ),
    "deployment": ("--deployment", "is for the embedded emulator", "leave it out, or leave out --api"),
    "speed": ("--speed", "is for the embedded emulator", "leave it out, or leave out --api"),
    "litellm_param": ("--litellm-param", "is for --api litellm, and this is bedrock", "use --extra-body"),
    "litellm_mode": ("--litellm-mode", "is for --api litellm, and this is bedrock", "leave it out"),
    "route": ("--route", "'chat' is no route of --api bedrock", "what fits: invoke, converse, openai"),
}


@pytest.fixture
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


def spec(**keys: Any) -> Spec:
    return settled(api="bedrock", model=keys.pop("model", ARN), requests=1, **keys)


@pytest.mark.parametrize("key", REFUSED)
def test_another_apis_key_is_refused_with_a_remedy(key: str) -> None:
    assert refusal(api="bedrock", model="m", requests=1, **{key: FOREIGN[key]}) == REFUSED[key]


def test_a_model_is_needed() -> None:
    assert refusal(api="bedrock", requests=1) == ("--model", "not given", "give the model's ID or ARN")


def test_its_service_and_its_routes() -> None:
    assert (spec().route, spec(route="converse").route) == ("invoke", "converse")
    assert bedrock.service(spec()) == "bedrock_import"


@pytest.mark.parametrize(
    ("environ", "given", "url"),
    [
        ({}, None, None),
        ({"AWS_ENDPOINT_URL": "http://a:1"}, None, "http://a:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://b:1"}, None, "http://b:1"),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://b:1"}, "http://c:1", "http://c:1"),
        ({"AWS_ENDPOINT_URL": "http://a:1", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None, None),
        ({"AWS_BEDROCK_RUNTIME_ENDPOINT": "http://d:1"}, None, None),  # LiteLLM's variable, not botocore's
    ],
)
def test_the_runtimes_url(environ: dict[str, str], given: str | None, url: str | None) -> None:
    assert bedrock.url(spec(endpoint_url=given), environ) == url


@pytest.mark.usefixtures("_aws")
@pytest.mark.parametrize(
    ("keys", "where", "problem"),
    [
        ({"model": "arn:aws:s3:::b"}, "--model", "'arn:aws:s3:::b' is no identifier that Bedrock's runtime takes"),
        (
            {"model": ARN.replace("imported-model", "custom-model")},
            "--model",
            f"'{ARN.replace('imported-model', 'custom-model')}' is a custom model, which cannot be called by itself",
        ),
        ({"model": "name"}, "--region", "not given"),
        ({"region": "us-east-1"}, "--region", "'us-east-1' is not the model's own"),
        ({"profile": "absent"}, "--profile", "'absent' is not configured"),
    ],
)
def test_what_cannot_be_measured(keys: dict[str, Any], where: str, problem: str) -> None:
    assert refused_look(spec(**keys))[:2] == (where, problem)


@pytest.mark.usefixtures("_aws")
def test_where_the_control_plane_is_silent_the_default_format_is_taken() -> None:
    """A format that the user names needs no answer; `auto` says what became of it."""
    _, named = look(spec(body_format="qwen", endpoint_url="http://127.0.0.1:9"))
    assert (named.format, named.notes) == ("qwen", ("region: eu-west-1",))
    assert named.imported_model == ModelFacts(ARN, "eu-west-1", None, None)
    assert (named.service, named.base_url, named.address) == (
        "bedrock_import",
        "http://127.0.0.1:9",
        "127.0.0.1:9",
    )


@pytest.mark.usefixtures("_aws")
def test_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert refused_look(spec())[:2] == ("AWS credentials", "none were found")


@pytest.mark.usefixtures("_aws")
def test_its_target_signs_each_request(scripted: Callable[..., ScriptedServer]) -> None:
    body = (GOLDEN / "bedrock_foreign_server.bin").read_bytes()
    server = scripted([stream_head("application/vnd.amazon.eventstream") + chunk(body) + chunk(b"")])
    own = f"http://127.0.0.1:{server.port}"
    one, found = look(spec(body_format="bedrock-completion", endpoint_url=own, preflight=False))
    record = send(one, found)
    assert record.state == "ok"
    [request] = server.requests
    quoted = ARN.replace(":", "%3A").replace("/", "%2F")
    assert request.startswith(f"POST /model/{quoted}/invoke-with-response-stream HTTP/1.1\r\n".encode())
    assert b"Credential=AKIDEXAMPLE/" in request
    assert b"/eu-west-1/bedrock/aws4_request" in request
    assert b"secret-of-the-key" not in request


@pytest.mark.parametrize(
    ("chosen", "facts", "refused", "found"),
    [
        ("converse", {}, "", ("converse", "Converse works on it")),
        ("converse", {}, "GetImportedModel did not say: x", ("converse", "GetImportedModel did not say: x")),
        ("qwen", {"modelArchitecture": "llama"}, "", ("qwen", "")),
        ("auto", {}, "GetImportedModel did not say: x", ("bedrock-completion", "GetImportedModel did not say: x")),
        ("auto", {"modelArchitecture": "Llama"}, "", ("bedrock-completion", "architecture llama")),
        ("auto", {"modelArchitecture": "Qwen2"}, "", ("qwen", "architecture qwen2")),
        ("auto", {"modelArchitecture": "gpt_oss"}, "", ("openai-chat", "architecture gpt_oss")),
        (
            "auto",
            {"modelArchitecture": "mistral", "creationTime": datetime(2025, 1, 1, tzinfo=UTC)},
            "",
            ("mistral", "architecture mistral, imported before the OpenAI formats were introduced"),
        ),
    ],
)
def test_the_body_format(chosen: str, facts: dict[str, Any], refused: str, found: tuple[str, str]) -> None:
    assert bedrock.choose_format(chosen, facts, refused) == found


def test_converse_needs_a_chat_template() -> None:
    with pytest.raises(InputError) as caught:
        bedrock.choose_format("converse", {"instructSupported": False}, "")
    assert str(caught.value) == "--route: this model has no chat template, and Converse needs one; use --route invoke"


def test_the_format_of_a_model_that_is_not_asked_for() -> None:
    assert bedrock.settle_format(spec()) == "bedrock-completion"
    assert bedrock.settle_format(spec(body_format="qwen")) == "qwen"
    assert bedrock.settle_format(spec(route="converse")) == "converse"
    assert bedrock.dialect_of("converse").name == "bedrock converse"
    assert bedrock.dialect_of("qwen").name == "bedrock invoke, qwen"
