"""What a spec file left out: it is asked for by flag, what is given fills the file, a run without it still loads."""

from __future__ import annotations

import pytest

from llmdyno import InputError, Spec
from llmdyno.spec.left_out import kept
from llmdyno.spec.masking import REDACTED
from llmdyno.spec.spec import build
from llmdyno.spec.toml import parse_toml

LEFT_OUT = f"""
[endpoint]
[endpoint.headers]
X-Key = "{REDACTED}"
X-Team = "blue"
[endpoint.extra_body]
a = 1
auth = {{ api_key = "{REDACTED}", kind = "b" }}
parts = [{{ secret = "{REDACTED}" }}, {{ c = 2 }}]
[endpoint.litellm_param]
my_key = "{REDACTED}"
deep = {{ token = "{REDACTED}" }}
"""


def test_a_file_asks_for_all_that_it_left_out() -> None:
    with pytest.raises(InputError) as refused:
        build([parse_toml(LEFT_OUT, "s.toml")])
    assert str(refused.value) == (
        "s.toml: endpoint.headers, s.toml: endpoint.extra_body, s.toml: endpoint.litellm_param: the values given do "
        "not fit; what fits: the value of X-Key, auth.api_key, parts[0].secret, my_key, deep.token, which this file "
        'leaves out: --header \'X-Key: …\' --extra-body \'{"auth": {"api_key": "…"}, "parts": [{"secret": "…"}, {}]}\' '
        '--litellm-param my_key=… --litellm-param \'deep={"token": "…"}\''
    )


def test_what_is_given_again_fills_the_file() -> None:
    flags = {
        "headers": (["X-Key: k"], "--header"),
        "extra_body": ('{"auth": {"api_key": "s"}, "parts": [{"secret": "t"}, {}]}', "--extra-body"),
        "litellm_param": (["my_key=p", 'deep={"token": "q"}'], "--litellm-param"),
    }
    spec = build([parse_toml(LEFT_OUT, "s.toml"), flags])
    assert spec.headers == {"X-Key": "k", "X-Team": "blue"}
    assert spec.extra_body == {"a": 1, "auth": {"api_key": "s", "kind": "b"}, "parts": [{"secret": "t"}, {"c": 2}]}
    assert spec.litellm_param == {"my_key": "p", "deep": {"token": "q"}}


def test_a_part_that_is_given_again_leaves_the_rest_to_ask_for() -> None:
    flags = {"headers": (["X-Key: k"], "--header"), "litellm_param": (["my_key=p"], "--litellm-param")}
    with pytest.raises(InputError) as refused:
        build([parse_toml(LEFT_OUT, "s.toml"), flags])
    assert "the value of auth.api_key, parts[0].secret, deep.token, which this file" in str(refused.value)


def test_a_flag_replaces_a_file_that_left_out_nothing() -> None:
    layer = parse_toml('[endpoint.headers]\nX-A = "a"\nX-B = "b"', "s.toml")
    assert build([layer, {"headers": (["X-A: c"], "--header")}]).headers == {"X-A": "c"}


def test_a_text_of_json_is_asked_for_too() -> None:
    layer = parse_toml(f'[endpoint]\nextra_body = \'{{"key": "{REDACTED}", "a": null}}\'', "s.toml")
    with pytest.raises(
        InputError, match=r"the value of key, which this file leaves out: --extra-body '\{\"key\": \"…\"\}'"
    ):
        build([layer])
    assert build([layer, {"extra_body": ('{"key": "k"}', "--extra-body")}]).extra_body == {"key": "k", "a": None}


def test_what_is_kept_of_a_file_that_left_out_secrets() -> None:
    value = {"a": REDACTED, "b": {"c": REDACTED, "d": 1}, "e": [REDACTED, 2], "f": f"http://{REDACTED}@h"}
    assert kept(value) == {"b": {"d": 1}, "e": [2], "f": "http://***@h"}


def test_a_value_of_too_many_levels_is_refused() -> None:
    def nested(levels: int) -> str:
        return '{"a": ' * levels + "1" + "}" * levels

    assert Spec(extra_body=nested(64)).extra_body
    for levels in (65, 400, 99_999):
        with pytest.raises(InputError, match="extra_body: the value given does not fit; what fits: a JSON object"):
            Spec(extra_body=nested(levels))
