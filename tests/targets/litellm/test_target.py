"""``--api litellm``: what it settles and refuses, where LiteLLM sends, what its preflight finds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.support import ENDING, ScriptedServer, event, stream_head
from tests.targets.helpers import ARN, AWS, FOREIGN, look, refusal, refused_look, send, settled

from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.errors import InputError
from llmdyno.runs.environment import ModelFacts
from llmdyno.spec.spec import Spec
from llmdyno.targets import litellm
from llmdyno.targets.target import resolve

pytestmark = pytest.mark.filterwarnings("ignore")

Scripted = Callable[..., ScriptedServer]
OPENAI = "is for --api openai and bedrock"
REFUSED = {
    "unix_socket": (
        "--unix-socket",
        "is for --api openai and anthropic, and this is litellm",
        "leave it out, or use one of them with --base-url",
    ),
    "deployment": ("--deployment", "is for the embedded emulator", "leave it out, or leave out --api"),
    "speed": ("--speed", "is for the embedded emulator", "leave it out, or leave out --api"),
    "route": ("--route", OPENAI, "leave it out, because LiteLLM's model string holds its route"),
    "service_tier": ("--service-tier", "is for --api bedrock", "leave it out, and use --litellm-param K=V"),
    "extra_body": ("--extra-body", OPENAI, "use --litellm-param K=V"),
}


@pytest.fixture(autouse=True, scope="module")
def _loop() -> Iterator[None]:
    """LiteLLM makes an event loop where there is none, and leaves it open."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture(autouse=True)
def _no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in AWS.items():
        monkeypatch.setenv(name, value)


def spec(model: str = "openai/m", **keys: Any) -> Spec:
    return settled(api="litellm", model=model, requests=1, **keys)


@pytest.mark.parametrize("key", REFUSED)
def test_another_apis_key_is_refused_with_a_remedy(key: str) -> None:
    assert refusal(api="litellm", model="openai/m", requests=1, **{key: FOREIGN[key]}) == REFUSED[key]


def test_a_query_is_not_for_litellm() -> None:
    assert refusal(api="litellm", model="openai/m", requests=1, base_url="http://h/v1?api-version=1") == (
        "--base-url",
        "has a query, and LiteLLM puts it into the middle of its paths",
        "use --api openai, or a parameter of LiteLLM's, such as --litellm-param api_version=2024-06-01",
    )


def test_a_model_is_needed() -> None:
    fits = "give it as LiteLLM names it, such as openai/gpt-4o-mini"
    assert refusal(api="litellm", requests=1) == ("--model", "not given", fits)


@pytest.mark.parametrize("keys", [{"insecure": True}, {"ca_file": "f"}, {"client_cert": "f"}])
def test_our_sockets_keys_do_not_reach_litellms_own_client(keys: dict[str, Any]) -> None:
    where, problem, fits = refusal(api="litellm", model="openai/m", requests=1, litellm_mode="sdk", **keys)
    assert (where, problem) == ("--insecure, --ca-file, --client-cert", "are for our own sockets")
    assert fits == "use LiteLLM's own SSL_VERIFY, SSL_CERT_FILE and SSL_CERTIFICATE"
    assert spec(**keys).litellm_mode == "auto"


@pytest.mark.parametrize(
    ("model", "service"),
    [(f"bedrock/llama/{ARN}", "bedrock_import"), ("bedrock/anthropic.claude-x", None), ("openai/m", None)],
)
def test_the_service_is_known_by_the_arn_in_the_model_string(model: str, service: str | None) -> None:
    assert litellm.service(spec(model)) == service


IMPORTED = f"bedrock/llama/{ARN}"


@pytest.mark.parametrize(
    ("model", "keys", "environ", "url"),
    [
        ("openai/m", {}, {}, None),
        ("openai/m", {"base_url": "http://a:1/v1"}, {}, "http://a:1/v1"),
        ("openai/m", {"litellm_param": ["api_base=http://b:1"]}, {}, "http://b:1"),
        # LiteLLM's own parameter goes before our key, as in the call.
        ("openai/m", {"base_url": "http://a:1/v1", "litellm_param": ["api_base=http://b:1"]}, {}, "http://b:1"),
        (IMPORTED, {"endpoint_url": "http://c:1"}, {}, "http://c:1"),
        (IMPORTED, {"litellm_param": ["aws_bedrock_runtime_endpoint=http://d:1"]}, {}, "http://d:1"),
        (IMPORTED, {}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": "http://e:1"}, "http://e:1"),
        # LiteLLM does not read botocore's variables. It is told: such a run would reach AWS and be billed.
        (IMPORTED, {}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        ("bedrock/anthropic.claude-v2", {}, {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "http://127.0.0.1:1"),
        (
            IMPORTED,
            {},
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_BEDROCK_RUNTIME_ENDPOINT": "http://e:1"},
            "http://e:1",
        ),
        ("openai/m", {}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": "http://e:1"}, None),
    ],
)
def test_where_litellm_sends(model: str, keys: dict[str, Any], environ: dict[str, str], url: str | None) -> None:
    assert litellm.url(spec(model, **keys), environ) == url


EMULATOR = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("keys", "environ", "found"),
    [
        ({}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": EMULATOR}, EMULATOR),
        ({"litellm_param": [f"api_base={EMULATOR}"]}, {}, EMULATOR),
        ({"litellm_param": [f"aws_bedrock_runtime_endpoint={EMULATOR}"]}, {}, EMULATOR),
        ({"endpoint_url": "http://mine:1"}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": EMULATOR}, "http://mine:1"),
        ({}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": "https://vpce-1.example.com"}, None),
        # Where AWS's own variables name the control plane, they hold.
        ({}, {"AWS_BEDROCK_RUNTIME_ENDPOINT": EMULATOR, "AWS_ENDPOINT_URL_BEDROCK": "https://b.example.com"}, None),
        ({}, {}, None),
    ],
)
def test_an_emulators_control_plane_is_where_its_runtime_is(
    keys: dict[str, Any], environ: dict[str, str], found: str | None
) -> None:
    assert litellm.resolve(spec(IMPORTED, **keys), environ).endpoint_url == found


def test_the_look_catches_the_request_and_sends_nothing(scripted: Scripted) -> None:
    server = scripted([])
    _, found = look(spec(base_url=server.url, api_key="sk-x", litellm_param=["aws_secret_access_key=s"]))
    assert server.asked == []
    assert (found.base_url, found.format) == (f"http://127.0.0.1:{server.port}", "/v1/chat/completions")
    assert (found.dialect, found.address) == ("litellm, openai chat", f"127.0.0.1:{server.port}")
    assert (found.library or "").startswith("litellm ")
    assert (found.imported_model, found.service, found.signed_for) == (None, None, None)
    assert "sk-x" in found.secrets


def test_where_litellm_sends_by_itself_the_look_says_so() -> None:
    _, found = look(spec("cohere_chat/command-r", api_key="k"))
    assert (found.base_url, found.dialect) == ("", "litellm")
    assert found.notes == ("sdk: LiteLLM sends cohere_chat/command-r with its own client",)
    wire = refused_look(spec("cohere_chat/command-r", api_key="k", litellm_mode="wire"))
    assert (wire[0], wire[2]) == ("--litellm-mode", "use --litellm-mode sdk")


def test_an_imported_model_keeps_its_arn_and_region_where_nobody_answers() -> None:
    _, found = look(spec(IMPORTED))
    assert found.imported_model == ModelFacts(ARN, "eu-west-1", None, None)
    assert (found.service, found.signed_for) == ("bedrock_import", ("eu-west-1", "bedrock"))
    assert found.base_url == "https://bedrock-runtime.eu-west-1.amazonaws.com"


def test_an_imported_model_has_its_units_where_getimportedmodel_can_say(monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedEmulator(DEFAULT_PROFILE, speed=50.0, seed=3) as running:
        facts = running.ready()
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK", facts["root"])
        monkeypatch.setenv("AWS_BEDROCK_RUNTIME_ENDPOINT", facts["root"])
        _, found = look(spec(f"bedrock/llama/{facts['model']}"))
    assert found.imported_model == ModelFacts(facts["model"], "us-east-1", 2, "v1.0")
    assert found.base_url == facts["root"]


@pytest.mark.parametrize("mode", ["wire", "sdk"])
def test_one_request_each_way(scripted: Scripted, mode: str) -> None:
    server = scripted([stream_head() + event("a"), event("b") + ENDING])
    one, found = look(spec("hosted_vllm/m", base_url=server.url, litellm_mode=mode, preflight=False))
    record = send(one, found)
    assert (record.state, record.text) == ("ok", "ab")
    assert (record.clock == "sdk") is (mode == "sdk")
    assert server.asked == [b"POST /v1/chat/completions HTTP/1.1"]


@pytest.mark.parametrize(
    "given", ["http://[::1", "x", 5, "http://h:99999", "http://h:0", "ftp://h", "http://u:s3cret@h:x"]
)
@pytest.mark.parametrize("name", ["api_base", "aws_bedrock_runtime_endpoint"])
def test_a_parameter_that_is_no_url(name: str, given: object) -> None:
    with pytest.raises(InputError) as refused:
        resolve(Spec(api="litellm", model="openai/m", requests=1, litellm_param={name: given}), {})
    assert str(refused.value).startswith(f"--litellm-param {name}: ")
    assert str(refused.value).endswith(" does not fit; what fits: an http:// or https:// URL")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("mode", ["wire", "sdk"])
def test_a_key_of_bedrock_s_stays_here_without_tls(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: dict[str, Any] = {"endpoint_url": "http://far.example", "region": "us-east-1", "litellm_mode": mode}
    assert refused_look(spec("bedrock/amazon.nova-lite-v1:0", api_key="abc", **keys))[0] == "--api-key"
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "abc")
    assert refused_look(spec("bedrock/amazon.nova-lite-v1:0", **keys))[0] == "AWS_BEARER_TOKEN_BEDROCK"
