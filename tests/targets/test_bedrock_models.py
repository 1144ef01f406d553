"""``--api bedrock`` with what is no imported model: routes, formats, services, what the control plane is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import UNSET
from tests.support import ScriptedServer, chunk, response, stream_head
from tests.targets.helpers import AWS, look, refusal, refused_look, send, settled

from llmdyno.aws.identity import KINDS
from llmdyno.aws.identity import MARKETPLACE as MARKETPLACE_KIND
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY
from llmdyno.protocols.events import TEXT
from llmdyno.runs.environment import ModelFacts
from llmdyno.services.bedrock_tokens.service import KINDS as BILLED_BY_TOKEN
from llmdyno.services.service import known_services
from llmdyno.spec.spec import Spec
from llmdyno.targets import bedrock
from llmdyno.targets.target import scales_to_zero

SONNET = "anthropic.claude-3-5-sonnet-20241022-v2:0"
OWN = "arn:aws:bedrock:us-east-1:123456789012:"
PROFILE = OWN + "application-inference-profile/a1b2c3d4e5f6"
PROVISIONED = OWN + "provisioned-model/a1b2c3d4e5f6"
DEPLOYMENT = OWN + "custom-model-deployment/a1b2c3d4e5f6"
ROUTER = OWN + "default-prompt-router/anthropic.claude:1"
MARKETPLACE = "arn:aws:sagemaker:us-east-1:123456789012:endpoint/e"
SILENT = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {**AWS, "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)


def spec(model: str, **keys: Any) -> Spec:
    return settled(api="bedrock", model=model, requests=1, **{"endpoint_url": SILENT, **keys})


@pytest.mark.parametrize(
    ("model", "route", "service"),
    [
        ("my-model", "invoke", "bedrock_import"),
        (SONNET, "converse", "bedrock_tokens"),
        (f"us.{SONNET}", "converse", "bedrock_tokens"),
        (PROFILE, "converse", "bedrock_tokens"),
        (DEPLOYMENT, "converse", "bedrock_tokens"),
        (ROUTER, "converse", "bedrock_tokens"),
        (PROVISIONED, "converse", "bedrock_hours"),
        (MARKETPLACE, "converse", None),
    ],
)
def test_the_default_route_and_the_service_that_bills(model: str, route: str, service: str | None) -> None:
    one = spec(model)
    assert one.route == route
    assert bedrock.service(one) == service
    assert scales_to_zero(one) == (model == "my-model")


def test_every_kind_that_is_billed_has_the_service_that_bills_it() -> None:
    billed = {kind: bedrock.service_of_kind(kind) for kind in KINDS}
    assert {kind for kind, service in billed.items() if service is None} == {MARKETPLACE_KIND}
    assert {*billed.values()} - {None} == {*known_services()}
    assert {kind for kind, service in billed.items() if service == "bedrock_tokens"} == BILLED_BY_TOKEN


@pytest.mark.parametrize(
    ("model", "keys", "chosen", "dialect"),
    [
        (SONNET, {}, "converse", "bedrock converse"),
        (SONNET, {"route": "invoke"}, "anthropic", "bedrock invoke, anthropic"),
        (SONNET, {"route": "invoke", "body_format": "openai-chat"}, "openai-chat", "bedrock invoke, openai-chat"),
        (f"eu.{SONNET}", {"route": "invoke"}, "anthropic", "bedrock invoke, anthropic"),
        ("qwen.qwen3-32b-v1:0", {"route": "openai"}, "openai", "bedrock openai chat"),
        ("my-model", {"route": "openai"}, "openai", "bedrock openai chat"),
    ],
)
def test_the_format_and_the_dialect(model: str, keys: dict[str, Any], chosen: str, dialect: str) -> None:
    _, server = look(spec(model, **keys))
    assert (server.format, server.dialect) == (chosen, dialect)


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (
            {"api": "bedrock", "model": SONNET, "route": "converse", "body_format": "anthropic"},
            ("--body-format", "is for --route invoke, and this is converse", "leave one of them out"),
        ),
        (
            {"api": "bedrock", "model": "my-model", "body_format": "nova"},
            (
                "--body-format",
                "'nova' is a format of foundation models, and this is an imported model",
                "what fits: auto, bedrock-completion, openai-completion, openai-chat, mistral, qwen",
            ),
        ),
        (
            {"api": "bedrock", "model": SONNET, "route": "chat"},
            ("--route", "'chat' is no route of --api bedrock", "what fits: converse, invoke, openai"),
        ),
    ],
)
def test_formats_and_routes_that_do_not_go_together(keys: dict[str, Any], found: tuple[str, str, str]) -> None:
    assert refusal(requests=1, **keys) == found


def test_a_body_format_means_the_invoke_route() -> None:
    assert spec(SONNET, body_format="anthropic").route == "invoke"
    assert refusal(api="emulator", body_format="nova")[0] == "--body-format"


def test_what_is_known_without_asking() -> None:
    _, server = look(spec(f"us.{SONNET}", route="invoke", service_tier="priority"))
    assert server.imported_model == ModelFacts(f"us.{SONNET}", "us-east-1", kind="inference-profile", base_model=SONNET)
    assert server.notes == (
        "region: us-east-1",
        "model: an inference profile",
        f"foundation model: {SONNET}",
        "body format: anthropic",
        "service tier: priority",
    )


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (PROFILE, "GetInferenceProfile"),
        (PROVISIONED, "GetProvisionedModelThroughput"),
        (DEPLOYMENT, "GetCustomModelDeployment"),
    ],
)
def test_a_silent_control_plane_ends_no_run_that_can_do_without(model: str, asked: str) -> None:
    _, server = look(spec(model))
    assert server.imported_model is not None
    assert server.imported_model.base_model is UNSET
    assert server.notes[2].startswith(f"{asked} did not say: ")
    where, problem, fits = refused_look(spec(model, route="invoke"))
    assert (where, fits) == ("--route", "use --route converse, or name its --body-format")
    assert problem.startswith(f"the body that {model} takes is not known ({asked} did not say: ")


@pytest.mark.parametrize("model", ["google.gemma-3-4b-it", ROUTER, MARKETPLACE, "anthropic.claude-v2:1"])
def test_an_unknown_family_is_for_converse(model: str) -> None:
    assert look(spec(model))[1].format == "converse"
    problem = f"the body that {model} takes is not known"
    assert refused_look(spec(model, route="invoke")) == (
        "--route", problem, "use --route converse, or name its --body-format",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "what"),
    [
        ("my-model", "imported models"),
        (PROVISIONED, "provisioned models"),
        (SONNET, None),
        (f"us.{SONNET}", None),
    ],
)
def test_where_the_openai_route_is_unconfirmed_the_run_says_so(model: str, what: str | None) -> None:
    _, server = look(spec(model, route="openai"))
    unsure = [note for note in server.notes if note.startswith("route openai:")]
    assert unsure == ([f"route openai: no document says that the runtime serves {what} there"] if what else [])


def answers(*bodies: tuple[str, dict[str, Any]]) -> bytes:
    """One server-sent stream of chat chunks."""
    return b"".join(f"data: {json.dumps(body)}\n\n".encode() for _, body in bodies) + b"data: [DONE]\n\n"


CHAT = answers(
    ("a", {"id": "x", "service_tier": "flex", "choices": [{"index": 0, "delta": {"content": "Hi"}}]}),
    ("b", {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ("c", {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}),
)


@pytest.mark.parametrize(
    ("keys", "variable", "authorization"),
    [
        ({"api_key": "bedrock-api-key-1"}, None, b"Authorization: Bearer bedrock-api-key-1\r\n"),
        ({}, "bedrock-api-key-2", b"Authorization: Bearer bedrock-api-key-2\r\n"),
        ({}, None, b"Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
    ],
)
def test_the_openai_route_on_the_wire(
    scripted: Callable[..., ScriptedServer],
    monkeypatch: pytest.MonkeyPatch,
    keys: dict[str, Any],
    variable: str | None,
    authorization: bytes,
) -> None:
    if variable is not None:
        monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", variable)
    server = scripted([stream_head() + chunk(CHAT) + chunk(b"")])
    root = f"http://127.0.0.1:{server.port}"
    one, found = look(spec("openai.gpt-oss-20b-1:0", route="openai", endpoint_url=root, service_tier="flex", **keys))
    record = send(one, found)
    assert (record.state, record.text, record.service_tier) == ("ok", "Hi", "flex")
    assert (record.server_input_tokens, record.server_output_tokens, record.finish_reason) == (3, 1, "stop")
    [request] = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /openai/v1/chat/completions HTTP/1.1\r\n")
    assert head.count(b"Authorization: ") == 1
    assert authorization in head + b"\r\n"
    assert json.loads(body) == {
        "model": "openai.gpt-oss-20b-1:0",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 5,
        "service_tier": "flex",
    }
    for secret in ("bedrock-api-key-1", "bedrock-api-key-2"):
        assert secret not in repr(one)
        assert secret not in repr(found)
        assert secret not in one.to_toml()


@pytest.mark.parametrize(
    ("body", "more", "name"),
    [
        (b'{"message":"x"}', "x-amzn-ErrorType: AccessDeniedException:http://h/\r\n", "AccessDeniedException"),
        (b'{"error":{"message":"x","type":"invalid_request_error","code":400}}', "", "invalid_request_error"),
    ],
)
def test_an_error_of_the_openai_route_has_either_shape(
    scripted: Callable[..., ScriptedServer], body: bytes, more: str, name: str
) -> None:
    server = scripted([response(body, "403 Forbidden", more=more)])
    root = f"http://127.0.0.1:{server.port}"
    one, found = look(spec("qwen.qwen3-32b-v1:0", route="openai", endpoint_url=root))
    record = send(one, found)
    assert (record.state, record.http_status, record.error_type) == ("failed", 403, name)
    assert str(record.error_message).startswith("x")


def test_an_api_key_that_is_left_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "s3cret")
    _, server = look(spec(SONNET, endpoint_url="http://runtime.example"))
    assert server.notes[-1] == "AWS_BEARER_TOKEN_BEDROCK is left out: the URL is plain http"


# --- against the emulator


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    more = ["--verify-signatures", "--api-key", "bedrock-api-key-1", "--cold-start", "1000"]
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=1000.0, seed=3, more=more) as emulator:
        yield emulator.ready()["root"]


@pytest.mark.parametrize(
    ("model", "route", "chosen", "base"),
    [
        (SONNET, None, "converse", SONNET),
        (f"us.{SONNET}", "invoke", "anthropic", SONNET),
        ("global.amazon.nova-2-lite-v1:0", "invoke", "nova", "amazon.nova-2-lite-v1:0"),
        ("amazon.titan-text-express-v1", "invoke", "titan", "amazon.titan-text-express-v1"),
        ("cohere.command-r-v1:0", "invoke", "cohere", "cohere.command-r-v1:0"),
        ("meta.llama3-1-8b-instruct-v1:0", "invoke", "bedrock-completion", "meta.llama3-1-8b-instruct-v1:0"),
        ("mistral.mistral-7b-instruct-v0:2", "invoke", "mistral", "mistral.mistral-7b-instruct-v0:2"),
        ("us.deepseek.r1-v1:0", "invoke", "openai-completion", "deepseek.r1-v1:0"),
        ("openai.gpt-oss-20b-1:0", "invoke", "gpt-oss", "openai.gpt-oss-20b-1:0"),
        ("qwen.qwen3-32b-v1:0", "openai", "openai", "qwen.qwen3-32b-v1:0"),
        (PROFILE, "invoke", "anthropic", SONNET),
        (DEPLOYMENT, "invoke", "nova", "amazon.nova-lite-v1:0"),
        (PROVISIONED, "invoke", "bedrock-completion", "meta.llama3-1-8b-instruct-v1:0"),
        (ROUTER, None, "converse", None),
    ],
)
def test_every_kind_on_its_route(
    root: str, monkeypatch: pytest.MonkeyPatch, model: str, route: str | None, chosen: str, base: str | None
) -> None:
    """The control plane says what the identifier does not, and the first answer has the tier and the counts."""
    for name, value in {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL_BEDROCK")
    keys: dict[str, Any] = {"extra_body": {"ignore_eos": True}, "endpoint_url": root, "service_tier": "priority"}
    one, server = look(spec(model, route=route, **keys))
    assert server.imported_model is not None
    assert (server.format, server.imported_model.base_model) == (chosen, UNSET if base is None else base)
    record = send(one, server, "Hello you", 4)
    assert (record.state, record.service_tier) == ("ok", "priority"), record.error_message
    assert (record.server_input_tokens, record.server_output_tokens) == (2, 4)
    assert [kind for kind in record.kinds if kind == TEXT] == [TEXT] * 4
    assert str(record.finish_reason).lower() in ("length", "max_tokens")


@pytest.mark.parametrize(("key", "status"), [("bedrock-api-key-1", 200), ("another", 403)])
def test_an_api_key_at_the_emulator(root: str, key: str, status: int) -> None:
    one, server = look(spec(SONNET, endpoint_url=root, api_key=key))
    record = send(one, server)
    assert record.http_status == status
    assert record.error_type == (None if status == 200 else "AccessDeniedException")
