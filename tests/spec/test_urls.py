"""Base URLs with a query, and what of a URL nobody sees."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.masking import REDACTED
from llmdyno.spec.secrets import masked_url, url_secrets
from llmdyno.spec.urls import base_url, path_and_query, under


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("https://example.com:8443/v1/", "https://example.com:8443/v1"),
        (
            "https://h/openai/deployments/x?api-version=2024-06-01",
            "https://h/openai/deployments/x?api-version=2024-06-01",
        ),
        ("https://h/v1/?a=b&c=/d/", "https://h/v1?a=b&c=/d/"),
        ("https://h?a=b", "https://h?a=b"),
        ("https://h/v1?", "https://h/v1"),
        ("https://h/v1?sig=a%2Fb%3D", "https://h/v1?sig=a%2Fb%3D"),
    ],
)
def test_what_a_base_url_holds(given: str, value: str) -> None:
    assert base_url(given) == value
    assert base_url(value) == value


@pytest.mark.parametrize(
    ("given", "fits"),
    [
        ("http://h/v1#a", "a URL without a fragment (the part from # on), which no server gets"),
        ("http://h/v1?a=b#", "a URL without a fragment (the part from # on), which no server gets"),
        ("http://h/v1?a b", "a URL whose query is of printable ASCII without spaces, such as ?api-version=2024-06-01"),
        ("http://h/v1?ä", "a URL whose query is of printable ASCII without spaces, such as ?api-version=2024-06-01"),
        (f"http://h/v1?key={REDACTED}", "the whole URL, whose secrets this file leaves out: --base-url URL"),
        ("http://u:p@h/v1?a=b", "a URL without user and password; give those with --header 'Authorization: …'"),
        ("http://h/completions?a=b", "the base URL alone, the part before /chat/completions or /completions"),
        ("?a=b", "an http:// or https:// URL, such as http://127.0.0.1:8000/v1"),
        (5, "an http:// or https:// URL, such as http://127.0.0.1:8000/v1"),
    ],
)
def test_what_is_no_base_url(given: Any, fits: str) -> None:
    with pytest.raises(ValueError) as refused:
        base_url(given)
    assert str(refused.value) == fits


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/v1?api-version=1&api_key=abc", "https://h/v1?api-version=1&api_key=***"),
        ("https://h/v1?key=abc", "https://h/v1?key=***"),
        ("https://h/v1?X-Amz-Signature=a&sv=1;sig=b", "https://h/v1?X-Amz-Signature=***&sv=1;sig=***"),
        ("https://h/v1?code=abc&design=1", "https://h/v1?code=***&design=1"),
        ("/v1/models?subscription%2Dkey=abc", "/v1/models?subscription%2Dkey=***"),
        ("/v1?%6Bey=abc", "/v1?%6Bey=***"),
        ("https://u:p@h/v1#access_token=abc", "https://***@h/v1#access_token=***"),
        ("https://h/a@b?c=d@e", "https://h/a@b?c=d@e"),
        ("/v1?keyless", "/v1?keyless"),
    ],
)
def test_what_is_shown_of_a_url(text: str, shown: str) -> None:
    assert masked_url(text) == shown
    assert masked_url(shown) == shown


def test_the_secrets_of_a_query() -> None:
    assert url_secrets("https://h/v1?api-version=2024&key=a%2Bb+c&token=") == ["a%2Bb+c", "a+b+c", "a+b c"]
    assert url_secrets("https://h/v1") == []


def test_a_path_after_the_base_url() -> None:
    assert under("https://h/a?b=c", "/v1") == "https://h/a/v1?b=c"
    assert under("https://h", "/v1") == "https://h/v1"
    assert path_and_query("http://h:1/a?b=c") == "/a?b=c"


def test_no_secret_of_a_url_is_shown_or_written() -> None:
    spec = Spec(
        base_url="https://h/v1?api-version=2024&api_key=hide-me",
        litellm_param={"api_base": "https://h/v1?sig=hide-me"},
    )
    assert repr(spec).startswith("Spec(name=None, ")
    assert "base_url='https://h/v1?api-version=2024&api_key=***'" in repr(spec)
    text = spec.to_toml()
    assert f"https://h/v1?api-version=2024&api_key={REDACTED}" in text
    assert "hide-me" not in text + repr(spec)


@pytest.mark.parametrize("value", ["http://h/v1?key=hide-me#x", "ftp://u:hide-me@h", ["http://h?key=hide-me"]])
def test_no_secret_of_a_url_is_in_an_error(value: Any) -> None:
    with pytest.raises(InputError) as refused:
        Spec(base_url=value)
    assert refused.value.where == "endpoint.base_url"
    assert "hide-me" not in str(refused.value)
