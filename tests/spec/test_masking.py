"""Masks: which texts are secrets, every form in which one is found, and what stays as it is."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest

from llmdyno import InputError
from llmdyno.spec.masking import MASK, NOTHING, REDACTED, SHORTEST, Masker, is_dummy

KEY = "sk-proj-Ab3dEf5hIj7lMn9p"
ODD = "aZ3/+=&\"\\<>%'qW9eR7tY1u"


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "x", "XXXX", "EMPTY", "none", "null", "dummy", "test", "fake", "placeholder", "not-needed"),
        *("no-key", "no_api_key", "sk-no-key-required", "sk-xxxx", "sk-1234", "token-abc123", "your-api-key", "ollama"),
    ],
)
def test_a_dummy_is_no_secret(text: str) -> None:
    assert is_dummy(text)
    assert not Masker([text])
    assert Masker([text]).text(f"a {text} stays") == f"a {text} stays"


def test_a_secret_has_at_least_so_many_characters() -> None:
    assert SHORTEST == 6
    assert not Masker(["ab12c"])
    assert Masker(["ab12cd"]).text("key ab12cd, ab12c") == "key ***, ab12c"


def test_without_secrets_nothing_is_done() -> None:
    text = "sk-proj-Ab3dEf5hIj7lMn9p ********"
    assert not NOTHING
    assert NOTHING.text(text) is text
    assert NOTHING.covered(text) is text
    assert NOTHING.data(text.encode()) == text.encode()


FORMS = [
    ODD,
    json.dumps(ODD)[1:-1],
    json.dumps(json.dumps(ODD)[1:-1])[1:-1],
    json.dumps(json.dumps(json.dumps(ODD)[1:-1])[1:-1])[1:-1],
    json.dumps(ODD)[1:-1].replace("/", "\\/"),
    "aZ3/\\u002b=\\u0026\\u0022\\\\\\u003c\\u003e%\\u0027qW9eR7tY1u",  # .NET
    "aZ3/+=\\u0026\\\"\\\\\\u003c\\u003e%'qW9eR7tY1u",  # Go
    quote(ODD),
    quote(ODD, safe=""),
    quote(ODD, safe="").lower().replace("az3", "aZ3").replace("qw9er7ty1u", "qW9eR7tY1u"),
    quote(quote(ODD, safe=""), safe=""),
    quote_plus(ODD),
    quote(ODD, safe="!'()*"),  # JavaScript
    html.escape(ODD),
    html.escape(ODD, quote=False),
    html.escape(ODD).replace("&quot;", "&#34;").replace("&#x27;", "&#39;"),
    repr(ODD)[1:-1],
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_secret_is_found(form: str) -> None:
    mask = Masker([ODD])
    assert mask.text(f"bad key {form}, sorry") == "bad key ***, sorry"
    assert mask.covered(f"bad key {form}, sorry") == f"bad key {'*' * len(form)}, sorry"
    data = f'{{"a": "{form}"}}'.encode()
    assert mask.data(data) == b'{"a": "%b"}' % (b"*" * len(form.encode()))


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "https://", "0123456789"])
def test_a_secret_is_found_in_base64_whatever_is_before_it(before: str) -> None:
    for secret in (KEY, ODD):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            coded = encode(f"{before}{secret} and more".encode()).decode()
            shown = Masker([secret]).text(f"Basic {coded}")
            assert MASK in shown
            padded = shown.removeprefix("Basic ").partition(MASK)
            for part in (padded[0], padded[2]):
                assert len(part) <= 4 * (len(before) + len(" and more")) // 3 + 4
            assert encode(secret.encode()).decode()[4:-6] not in shown


def test_special_characters_may_each_be_written_in_a_way_of_their_own() -> None:
    form = "aZ3%2f%252B\\u003D&amp;&#34;\\\\&lt;\\x3e%&#x27;qW9eR7tY1u"
    assert Masker([ODD]).text(f"bad {form}!") == "bad ***!"
    assert Masker([ODD]).data(f"bad {form}!".encode()) == b"bad " + b"*" * len(form) + b"!"


def test_a_secret_in_unicode_is_found() -> None:
    secret = "pässwörd-ß-7"
    for form in (secret, json.dumps(secret)[1:-1], quote(secret)):
        assert Masker([secret]).text(f"no {form}!") == "no ***!"
        assert Masker([secret]).data(f"no {form}!".encode()) == b"no " + b"*" * len(form.encode()) + b"!"


def test_a_part_that_was_cut_off_is_found() -> None:
    mask = Masker([KEY])
    for size in range(8, len(KEY)):
        assert mask.text(f"key '{KEY[:size]}', sorry") == "key '***', sorry"
        assert mask.text(f"key {KEY[:size]}") == "key ***"
        assert mask.text(f"…{KEY[-size:]} is bad") == "…*** is bad"


def test_at_the_end_of_a_long_text_four_characters_are_a_part() -> None:
    long = "x" * 60
    for size in (4, 5, 6, 7):
        assert Masker([KEY]).text(f"{long} {KEY[:size]}") == f"{long} ***"
        assert Masker([KEY]).text(f"short {KEY[:size]}") == f"short {KEY[:size]}"
    assert Masker([KEY]).text(f"{long} sk-") == f"{long} sk-"


def test_words_that_begin_like_a_secret_stay() -> None:
    mask = Masker(["gpt-4o-prod-eu1", "platform-engineers"])
    text = "gpt-4o-preview and platforms, platform-engined"
    assert mask.text(text) == text
    assert mask.text("gpt-4o-prod-eu1, platform-engineers") == "***, ***"
    assert mask.text("'platform-engin'") == "'***'"


def test_bytes_keep_short_words_which_a_protocol_may_need() -> None:
    data = b'{"content": "content", "n": 1234567}'
    assert Masker(["content", "1234567"]).data(data) == data
    assert Masker(["content", "1234567"]).text(data.decode()) == '{"***": "***", "n": ***}'


def test_the_longest_secret_goes_first_and_neighbours_are_one() -> None:
    mask = Masker(["abcd1234", "abcd1234-efgh5678", "ijkl9012"])
    assert mask.text("abcd1234-efgh5678 abcd1234 abcd1234ijkl9012") == "*** *** ***"
    assert mask.covered("abcd1234ijkl9012.") == "****************."


def test_the_lines_of_a_private_key_are_secrets_too() -> None:
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC"
    mask = Masker([f"-----BEGIN PRIVATE KEY-----\n{line}\n-----END PRIVATE KEY-----\n"])
    assert mask.text(f"at {line}!") == "at ***!"
    assert mask.text("-----BEGIN PRIVATE KEY----- of another") == "-----BEGIN PRIVATE KEY----- of another"


def test_nested_values_and_errors_are_masked() -> None:
    mask = Masker([KEY])
    assert mask.value({KEY: [KEY, 1, None, (f"a {KEY}",)], "b": b"c"}) == {
        "***": ["***", 1, None, ("a ***",)],
        "b": b"c",
    }
    error = mask.error(InputError(f"http://h/{KEY}", f"says {KEY}", "check it"))
    assert (error.where, error.problem, error.fits) == ("http://h/***", "says ***", "check it")
    assert Masker([KEY], REDACTED).text(f"a {KEY}") == "a <redacted>"
    assert KEY not in repr(mask)


def test_a_secret_that_is_no_text_is_masked() -> None:
    secret = "sk-/\udcff\ud800-of-an-argument"
    assert Masker([secret]).text(f"bad key {secret}") == "bad key ***"
