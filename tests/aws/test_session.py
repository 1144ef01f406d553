"""Where Bedrock is: the user's URL, the client's variables, the region; and what is refused before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import botocore.session
import pytest

from llmdyno.aws.session import (
    LITELLM_URLS,
    bedrock_url,
    check_variables,
    configured_url,
    find_endpoint,
    local_url,
)
from llmdyno.errors import InputError

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
RUNTIME = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://runtime", "AWS_ENDPOINT_URL": "http://all"}
OTHERS = ("AWS_ENDPOINT_URL_BEDROCK", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
LITELLM = {"AWS_BEDROCK_RUNTIME_ENDPOINT": "http://litellm"}


@pytest.mark.parametrize(
    ("environ", "given", "found"),
    [
        ({}, None, None),
        (RUNTIME, "http://given", "http://given"),
        (RUNTIME, None, "http://runtime"),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": ""}, None, "http://all"),
        (LITELLM, None, None),
        ({**RUNTIME, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, None, None),
        ({**RUNTIME, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "http://given", "http://given"),
        ({**RUNTIME, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, None, "http://runtime"),
    ],
)
def test_the_url_that_replaces_awss_own(environ: dict[str, str], given: str | None, found: str | None) -> None:
    assert bedrock_url(environ, given) == found


def test_litellm_reads_a_variable_of_its_own() -> None:
    assert bedrock_url({**RUNTIME, **LITELLM}, None, None, LITELLM_URLS) == "http://litellm"
    assert bedrock_url(RUNTIME, None, None, LITELLM_URLS) == "http://runtime"


FILE = """
[default]
endpoint_url = http://default
[profile plain]
region = us-east-1
[profile sections]
services = mine
endpoint_url = http://profile
[profile ignoring]
endpoint_url = http://profile
ignore_configured_endpoint_urls = true
[services mine]
bedrock_runtime =
    endpoint_url = http://section
"""


@pytest.mark.parametrize(
    ("environ", "profile", "found"),
    [
        ({}, None, {"bedrock-runtime": "http://default", "bedrock": "http://default"}),
        ({}, "plain", {"bedrock-runtime": None, "bedrock": None}),
        ({}, "sections", {"bedrock-runtime": "http://section", "bedrock": "http://profile"}),
        ({}, "ignoring", {"bedrock-runtime": None}),
        ({"AWS_ENDPOINT_URL": "http://all"}, "sections", {"bedrock-runtime": "http://all", "cloudwatch": "http://all"}),
        ({"AWS_ENDPOINT_URL_BEDROCK": "http://b"}, "sections", {"bedrock": "http://b", "bedrock-runtime": "http://section"}),
        ({"AWS_ENDPOINT_URL": "http://all"}, "ignoring", {"bedrock-runtime": None}),
        ({"AWS_ENDPOINT_URL": "http://all", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}, "ignoring",
         {"bedrock-runtime": "http://all"}),
        ({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}, "sections", {"bedrock-runtime": None, "bedrock": None}),
        ({}, "nobody", {"bedrock-runtime": None}),
    ],
)  # fmt: skip
def test_the_configured_url_is_the_one_that_botocore_finds(
    keys: pytest.MonkeyPatch, tmp_path: Path, environ: dict[str, str], profile: str | None, found: dict[str, str | None]
) -> None:
    (tmp_path / "config").write_text(FILE, encoding="utf-8")
    keys.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in environ.items():
        keys.setenv(name, value)
    assert {service: configured_url(service, os.environ, profile) for service in found} == found
    if profile != "nobody":
        session = botocore.session.Session(profile=profile)
        for service, url in found.items():
            theirs = session.create_client(service, region_name="us-east-1").meta.endpoint_url
            assert theirs == (url or f"https://{service.replace('cloudwatch', 'monitoring')}.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:8080"}, "http://127.0.0.1:8080"),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://emulator:8080"}, "http://emulator:8080"),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com"}, None),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:8080", "AWS_ENDPOINT_URL_BEDROCK": "https://b.com"},
         "https://b.com"),
    ],
)  # fmt: skip
def test_an_emulators_model_is_not_asked_for_at_aws(
    keys: pytest.MonkeyPatch, environ: dict[str, str], found: str | None
) -> None:
    assert local_url("bedrock", environ) == found


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", *RUNTIME, *OTHERS):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def test_an_endpoint_from_an_arn(keys: pytest.MonkeyPatch) -> None:
    found = find_endpoint("bedrock-runtime", None, None, None, ARN)
    assert (found.region, found.url) == ("us-east-1", "https://bedrock-runtime.us-east-1.amazonaws.com")
    assert (found.bearer_token, found.credentials.access_key) == (None, "x")


def test_an_endpoint_from_the_environment(keys: pytest.MonkeyPatch) -> None:
    keys.setenv("AWS_REGION", "us-west-2")
    keys.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/")
    found = find_endpoint("bedrock-runtime", None, None, None, "mine")
    assert (found.region, found.url) == ("us-west-2", "http://127.0.0.1:9")


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "https://h"])
@pytest.mark.parametrize(("variable", "given"), [("secret", None), (None, "secret"), ("other", "secret")])
def test_an_api_key_goes_over_tls_or_stays_on_this_machine(
    keys: pytest.MonkeyPatch, url: str | None, variable: str | None, given: str | None
) -> None:
    if variable is not None:
        keys.setenv("AWS_BEARER_TOKEN_BEDROCK", variable)
    found = find_endpoint("bedrock-runtime", None, None, url, ARN, given)
    assert (found.bearer_token, found.credentials, found.secrets) == ("secret", None, ("secret",))
    assert "secret" not in repr(found)


@pytest.mark.parametrize("url", ["http://10.0.0.1:9", "http://runtime.example"])
def test_an_api_key_never_leaves_this_machine_in_the_clear(keys: pytest.MonkeyPatch, url: str) -> None:
    """The environment's is left out, and the signature serves; the user's own is refused, because nothing serves."""
    keys.setenv("AWS_BEARER_TOKEN_BEDROCK", "secret")
    found = find_endpoint("bedrock-runtime", None, None, url, ARN)
    assert (found.bearer_token, found.credentials.access_key) == (None, "x")
    with pytest.raises(InputError) as refused:
        find_endpoint("bedrock-runtime", None, None, url, ARN, "s3cret")
    host = url.partition("://")[2].partition(":")[0]
    assert str(refused.value) == (
        f"--api-key: would go to {host} in the clear; use an https:// URL, or leave it out and use AWS credentials"
    )


@pytest.mark.parametrize(
    ("region", "profile", "url", "model", "message"),
    [
        (None, None, None, "mine", "--region: not given"),
        ("eu-west-1", None, None, ARN, "--region: 'eu-west-1' is not the model's own; its ARN says us-east-1"),
        (None, "nobody", None, ARN, "--profile: 'nobody' is not configured; profiles here: none"),
        ("not a region", None, None, "mine", "--region, --endpoint-url: "),
        (None, None, "nonsense", ARN, "--region, --endpoint-url: Invalid endpoint: nonsense; check both values"),
    ],
)
def test_what_is_refused(
    keys: pytest.MonkeyPatch, region: str | None, profile: str | None, url: str | None, model: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        find_endpoint("bedrock-runtime", region, profile, url, model)
    assert str(caught.value).startswith(message)


def test_no_credentials(keys: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        keys.delenv(name)
    with pytest.raises(InputError, match="AWS credentials: none were found"):
        find_endpoint("bedrock-runtime", None, None, None, ARN)


def test_a_variable_that_is_no_url() -> None:
    with pytest.raises(InputError) as refused:
        bedrock_url({"AWS_ENDPOINT_URL": "http://u:s3cret@h:99999"}, None)
    assert str(refused.value).startswith("AWS_ENDPOINT_URL: 'http://***@h:99999' does not fit; what fits: an http://")
    assert bedrock_url({"AWS_ENDPOINT_URL": "odd"}, "http://h") == "http://h"


def test_a_file_of_awss_that_never_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config")
    with pytest.raises(InputError) as refused:
        check_variables({"AWS_CONFIG_FILE": str(tmp_path / "config")})
    assert (
        str(refused.value) == f"AWS_CONFIG_FILE: {tmp_path / 'config'} is a FIFO, not a file; name a file, or unset it"
    )
    check_variables({"AWS_CONFIG_FILE": str(tmp_path / "absent"), "AWS_CA_BUNDLE": str(tmp_path)})


@pytest.mark.parametrize(
    "name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"]
)
@pytest.mark.parametrize("value", ["s3cret\n", "s3cret\udcff", "ключ"])
def test_a_key_that_no_header_holds(name: str, value: str) -> None:
    with pytest.raises(InputError) as refused:
        check_variables({name: value})
    assert str(refused.value) == f"{name}: the value given does not fit; what fits: one line of printable ASCII"
