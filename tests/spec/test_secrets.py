"""What is secret in a spec, a URL, a header, variables and a command line; and how a file asks for it again."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec import secrets
from llmdyno.spec.masking import REDACTED


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "apiKey",
            "APIKEY",
            "x-api-key",
            "OPENAI_API_KEY",
            "key",
            "my_key",
            "subscription-key",
            "clientSecret",
        ),
        *(
            "password",
            "db_passwd",
            "pwd",
            "token",
            "accessToken",
            "refresh_token",
            "auth",
            "Authorization",
            "credentials",
        ),
        *(
            "vertex_credentials",
            "aws_secret_access_key",
            "aws_access_key_id",
            "aws_session_token",
            "sig",
            "X-Amz-Signature",
        ),
        *("AWS_BEARER_TOKEN_BEDROCK", "private_key", "cookie", "connectionString", "jwt", "PGPASSWORD", "SENTRY_DSN"),
    ],
)
def test_a_name_that_says_that_its_value_is_secret(name: str) -> None:
    assert secrets.is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "max_tokens",
            "max_completion_tokens",
            "stop_token_ids",
            "eos_token",
            "pad_token_id",
            "tokenizer",
            "logprobs",
        ),
        *(
            "prompt_cache_key",
            "--kms-key",
            "importedModelKmsKeyId",
            "client_request_token",
            "skip_special_tokens",
            "user",
            "seed",
            "model",
            "keywords",
            "author",
            "api-version",
        ),
        *("AWS_SHARED_CREDENTIALS_FILE", "token_type", "SSH_AUTH_SOCK", "compat", "repeat_penalty", "signed"),
    ],
)
def test_a_name_that_does_not(name: str) -> None:
    assert not secrets.is_secret_name(name)


@pytest.mark.parametrize(
    ("url", "shown", "found"),
    [
        ("http://h:1/v1", "http://h:1/v1", []),
        ("http://me:p%40ss@h/v1", "http://***@h/v1", ["me:p%40ss", "me:p@ss", "me", "p%40ss", "p@ss"]),
        ("http://me:p@ss@h/v1", "http://***@h/v1", ["me:p@ss", "me", "p@ss"]),
        ("https://token@h", "https://***@h", ["token", "token"]),
        ("http://h/v1?api-version=2024&key=a%2Bb", "http://h/v1?api-version=2024&key=***", ["a%2Bb", "a+b"]),
        ("http://h/?sig=a&x=b#access_token=c", "http://h/?sig=***&x=b#access_token=***", ["a", "c"]),
        ("http://h/?X-Amz-Credential=a&X-Amz-Date=b", "http://h/?X-Amz-Credential=***&X-Amz-Date=b", ["a"]),
        ("http://h/?code=a&%6Bey=b", "http://h/?code=***&%6Bey=***", ["a", "b"]),
        ("see http://a:b@h and http://c:d@i", "see http://***@h and http://***@i", ["a:b", "a", "b", "c:d", "c", "d"]),
        ("http://h/?key=", "http://h/?key=", []),
        ("write to me@example.com", "write to me@example.com", []),
    ],
)
def test_secrets_in_urls(url: str, shown: str, found: list[str]) -> None:
    assert secrets.masked_url(url) == shown
    assert secrets.url_secrets(url) == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("Authorization", "Bearer abc", ["abc"]),
        ("Authorization", "abc", ["abc"]),
        ("X-Key", "a", ["a"]),
        ("X-Team", "platform", ["platform"]),
        ("X-Team", "blue", []),
        ("Accept", "text/event-stream", []),
        ("X-Team", "two words", ["words"]),
        ("Authorization", "Basic " + base64.b64encode(b"me:pass:word").decode(),
         [base64.b64encode(b"me:pass:word").decode(), "me:pass:word", "me", "pass:word"]),
        ("Cookie", 'a=1; session="x y"', ['a=1; session="x y"', "1", "x y"]),
        ("X-Callback", "http://me:pw@h", ["http://me:pw@h", "me:pw", "me", "pw"]),
        ("Host", "tenant-a.internal:8443", []),
    ],
)  # fmt: skip
def test_secrets_in_headers(name: str, value: str, found: list[str]) -> None:
    assert secrets.header_secrets(name, value) == found


NESTED: dict[str, Any] = {
    "temperature": 0.5,
    "max_tokens": 5,
    "api_key": "one",
    "tools": [{"type": "mcp", "authorization": "two", "headers": {"X-Any": "three-and-more", "X-B": "bc"}}],
    "auth": {"user": "four", "inner": ["five", 61]},
    "password": 71,
    "config": json.dumps({"private_key": "eight", "type": "x"}),
    "url": "postgres://me:nine@h/db?sslmode=off",
    "token": None,
    "secret": True,
    "key": {"type": "string"},
}


def test_secrets_in_nested_values() -> None:
    found = set(secrets.value_secrets(NESTED))
    assert found == {"one", "two", "three-and-more", "four", "five", "61", "71", "eight", "me:nine", "me", "nine"}


def test_a_nested_value_as_a_file_holds_it() -> None:
    assert secrets.redacted(NESTED) == {
        "temperature": 0.5,
        "max_tokens": 5,
        "api_key": REDACTED,
        "tools": [{"type": "mcp", "authorization": REDACTED, "headers": {"X-Any": REDACTED, "X-B": REDACTED}}],
        "auth": {"user": REDACTED, "inner": [REDACTED, REDACTED]},
        "password": REDACTED,
        "config": json.dumps({"private_key": REDACTED, "type": "x"}),
        "url": f"postgres://{REDACTED}@h/db?sslmode=off",
        "token": None,
        "secret": True,
        "key": {"type": "string"},
    }
    assert secrets.redacted({"api_key": "EMPTY", "token": "none"}) == {"api_key": "EMPTY", "token": "none"}


def test_every_header_is_secret_but_dummies_and_those_that_are_shown() -> None:
    given = {"X-Team": "blue", "x-trace": "12", "Authorization": "Bearer EMPTY", "X-Key": "none", "Cookie": "a=1"}
    kept = {"X-Team": "blue", "x-trace": REDACTED, "Authorization": "Bearer EMPTY", "X-Key": "none", "Cookie": REDACTED}
    assert secrets.redacted_headers(given, ["x-team"]) == {**kept, "x-trace": REDACTED}


def test_secrets_of_a_spec() -> None:
    spec = Spec(
        model="the-model-of-all",
        api_key="key",
        base_url="https://host.example/v1",
        arrivals="constant",
        rate=1,
        headers={
            "X-Team": "platform",
            "X-Model": "the-model-of-all",
            "X-Host": "host.example",
            "X-Kind": "constant",
            "X-Shown": "shown-value",
        },
        show_headers=["X-Shown"],
        extra_body={"token": "body"},
        litellm_param={"aws_access_key_id": "param"},
    )
    assert secrets.spec_secrets(spec) == ("key", "platform", "body", "param")
    assert secrets.spec_secrets(spec, every_header=False) == ("key", "body", "param")
    assert secrets.spec_secrets(Spec()) == ()


def test_a_secret_header_cannot_be_shown() -> None:
    with pytest.raises(InputError) as refused:
        Spec(show_headers="Authorization")
    assert str(refused.value) == (
        "endpoint.show_headers: 'Authorization' does not fit; what fits: a header whose name does not say that its "
        "value is secret"
    )
    with pytest.raises(InputError, match="the name of a header, without its value"):
        Spec(show_headers=["X-Team: blue"])


def test_secrets_in_variables() -> None:
    environ = {
        "OPENAI_API_KEY": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "HTTPS_PROXY": "me:c@proxy:8080",
        "http_proxy": "http://you:d@proxy",
        "OPENAI_BASE_URL": "http://h/v1?key=e",
        "PATH": "/bin",
        "PWD": "/home/me",
        "LS_COLORS": "di=01;34:*.key=05",
        "GOOGLE_APPLICATION_CREDENTIALS": "/home/me/key.json",
        "MAX_TOKENS": "f",
        "EMPTY_KEY": "",
    }
    assert secrets.environ_secrets(environ) == ("a", "b", "me:c", "me", "c", "you:d", "you", "d", "e")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (["run", "--api-key", "a", "--model", "m"], ("a",)),
        (["run", "--api-key=a"], ("a",)),
        (["run", "--apikey", "a"], ("a",)),
        (["run", "--my-token=a"], ("a",)),
        (["run", "--header", "X-Key: a", "--header", "X-Team: platform", "--show-header", "x-team"], ("a",)),
        (["run", "--header", "no colon"], ("no colon",)),
        (["run", "--header", "X-Model: the-model", "--model", "the-model"], ()),
        (["run", "--extra-body", '{"a": [{"secret": "b"}]}'], ("b",)),
        (["run", "--litellm-param", "api_secret=a", "--litellm-param", 'c={"token": "b"}'], ("a", "b")),
        (["run", "--base-url", "http://me:a@h/?sig=b"], ("b", "me:a", "me", "a")),
        (["llmperf", "correctness", "--metadata", "team=a,token=b"], ("b",)),
        (["run", "--client-key", "key.pem", "--answer-tokens", "64", "--tokenizer", "t"], ()),
        (["run", "spec.toml", "--ignore-eos", "--slo", "ttft_s=1"], ()),
    ],
)
def test_secrets_on_a_command_line(line: list[str], found: tuple[str, ...]) -> None:
    assert secrets.argument_secrets(line) == found


def test_words_that_look_like_keys_are_not_shown() -> None:
    words = (
        "sk-" + "a1" * 12,
        "AKIA" + "ABCD" * 4,
        "hf_" + "b2" * 12,
        "eyJ" + "a" * 12 + "." + "b" * 12 + "." + "c" * 9,
    )
    assert secrets.without_shapes("no " + " ".join(words) + "!") == "no *** *** *** ***!"
    plain = "sk-learn, hf_hub, task-1234567890123456789, runs/20260101-120000-gpt-4o"
    assert secrets.without_shapes(plain) == plain


def test_the_repr_of_a_spec_shows_no_secret() -> None:
    spec = Spec(
        api_key="one", headers={"X-A": "two"}, extra_body={"b": "three"}, litellm_param={"c": "four"}, model="m"
    )
    for secret in ("one", "two", "three", "four"):
        assert f"'{secret}'" not in repr(spec)
    assert "model='m'" in repr(spec)
