"""Readers: the exact value that each gives, and what each says when nothing fits."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from llmdyno.spec import load, mappings, readers
from llmdyno.spec.masking import REDACTED
from llmdyno.spec.readers import Reader

BIG = 10**400


@pytest.mark.parametrize(
    ("reader", "given", "value"),
    [
        (readers.whole_number(1), 7, 7),
        (readers.whole_number(1), " +7 ", 7),
        (readers.whole_number(1), 7.0, 7),
        (readers.whole_number(0), "0", 0),
        (readers.whole_number(1), np.int64(7), 7),
        (readers.whole_number(1), 2**53 - 1, 2**53 - 1),
        (readers.whole_number(0, 3), "3", 3),
        (readers.port, "65535", 65_535),
        (readers.port, "0", 0),
        (readers.above_zero("times"), "1e-3", 0.001),
        (readers.above_zero("times"), np.float32(0.5), 0.5),
        (readers.from_zero, "0", 0.0),
        (readers.from_zero, 1, 1.0),
        (readers.duration_s, "90", 90.0),
        (readers.duration_s, " 90s ", 90.0),
        (readers.duration_s, "500ms", 0.5),
        (readers.duration_s, "1.5m", 90.0),
        (readers.duration_s, "2min", 120.0),
        (readers.duration_s, "1h", 3600.0),
        (readers.duration_s, "1e-07s", 1e-7),
        (readers.pause_s, "0", 0.0),
        (readers.pause_s, "10m", 600.0),
        (readers.requests_per_second, "2.5", 2.5),
        (readers.requests_per_hour, "500", 500.0),
        (readers.speed, "100", 100.0),
        (readers.percentile, "99.9", 99.9),
        (readers.user_counts, "1, 2,4", (1, 2, 4)),
        (readers.user_counts, [1, 8], (1, 8)),
        (readers.dollars(), "$5.10", Decimal("5.10")),
        (readers.dollars(), "0", Decimal(0)),
        (readers.dollars(), 0.05718, Decimal("0.05718")),
        (readers.price_pair, "0.22, 0.88", (Decimal("0.22"), Decimal("0.88"))),
        (readers.one_of("a", "b"), "b", "b"),
        (readers.some_of("a", "b"), "b, a", ("b", "a")),
        (readers.text, "a name", "a name"),
        (readers.secret, " sk-1 ", "sk-1"),
        (readers.secret, "", ""),
        (readers.switch, False, False),
        (readers.units_version, "v1.0", "v1.0"),
        (readers.template, "chatml", "chatml"),
        (readers.template, "a/tokenizer_config.json", "a/tokenizer_config.json"),
        (readers.http_version, 1.1, "1.1"),
        (readers.url, "https://example.com:8443/v1/", "https://example.com:8443/v1"),
        (mappings.headers, ["A: b", "C:d:e"], {"A": "b", "C": "d:e"}),
        (mappings.headers, "A: b", {"A": "b"}),
        (mappings.headers, {"A": ""}, {"A": ""}),
        (mappings.json_object, '{"a": [1, null]}', {"a": [1, None]}),
        (mappings.json_object, {"a": 1.5}, {"a": 1.5}),
        (mappings.parameters, ["top_p=0.9", "on=true", "v=2024-02-01", "s=a=b"],
         {"top_p": 0.9, "on": True, "v": "2024-02-01", "s": "a=b"}),
        (mappings.parameters, '{"a": "1"}', {"a": "1"}),
        (mappings.parameters, {"a": "1"}, {"a": "1"}),
        (mappings.slo, ["ttft_s=500ms", "end_to_end_latency_s=2"], {"ttft_s": 0.5, "end_to_end_latency_s": 2.0}),
        (mappings.slo, {"ttft_s": 1}, {"ttft_s": 1.0}),
    ],
)  # fmt: skip
def test_a_value_that_fits(reader: Reader[Any], given: object, value: object) -> None:
    found = reader(given)
    assert found == value
    assert type(found) is type(value)
    assert reader(found) == value  # a reader takes its own result


SECONDS = "a number of seconds above 0, such as 90, 90s, 10m or 1h"
USERS = "two or more rising numbers of users, such as 1,2,4,8"
JSON = "a JSON object, such as '{\"temperature\": 0}'"
OBJECT: object = object()


@pytest.mark.parametrize(
    ("reader", "fits", "given"),
    [
        (readers.whole_number(1), "a whole number from 1 up",
         [0, -1, "many", "", True, None, 1.5, "0x7", 2**53, str(2**53), BIG, "1e400", "9" * 5000, [1], OBJECT]),
        (readers.whole_number(0, 3), "a whole number from 0 to 3", [4, -1, "4"]),
        (readers.port, "a whole number from 0 to 65535", ["65536", "-1", "http"]),
        (readers.above_zero("times"), "a number of times above 0",
         [0, -1, "0", "inf", "nan", "1e400", BIG, True, None, "x", "", [1]]),
        (readers.from_zero, "a number from 0 up", [-0.1, "1e400", "-1", True, None, BIG, "hot"]),
        (readers.duration_s, SECONDS,
         [0, "0s", "1.2.3s", "10 parsecs", "1e400", "1e400s", "9" * 400 + "h", "-3s", BIG, True, None, "inf"]),
        (readers.pause_s, "a number of seconds from 0 up, such as 0, 90s or 10m", ["-1", "soon", "1e400s", None]),
        (readers.requests_per_second, "a number of requests a second above 0", ["0", "abc", "1e400"]),
        (readers.requests_per_hour, "a number of requests an hour above 0", ["0", "abc", "1e400"]),
        (readers.speed, "a number of times real time above 0", ["0", "fast"]),
        (readers.percentile, "a percentile above 0 and below 100", ["abc", "0", "100", "-5", "nan", "1e400", True]),
        (readers.user_counts, USERS, ["1", "2,1", "1,1", "1,x", "", "1,,2", "0,1", 5, None, "1,1e400"]),
        (readers.dollars("dollars, at last"), "dollars, at last",
         ["-1", "free", "", "NaN", "inf", "1e400", True, None]),
        (readers.price_pair, "dollars for a million input and output tokens, such as 0.22,0.88",
         ["1", "1,2,3", "1,x", ",", None, "-1,2"]),
        (readers.one_of("a", "b"), "one of a, b", ["c", "", None, 1]),
        (readers.some_of("a", "b"), "one or more of a, b, separated by commas", ["c", "", "a,a", "a,", None, [1]]),
        (readers.text, "one line of printable text that is not empty", ["", " ", "a\nb", 5, None, "\0"]),
        (readers.secret, "one line of printable ASCII", ["sk\n", "ключ", None, 5]),
        (readers.switch, "true or false", ["yes", 1, 0, None, "true"]),
        (readers.units_version, "a version such as v1.0", ["1.0", "v1", "v1.0\n", "va.b", None]),
        (readers.url, "an http:// or https:// URL, such as http://127.0.0.1:8000/v1",
         ["localhost:8000", "ftp://x", "http:///v1", "", None, "http://a b", "http://h\n"]),
        (readers.url, "an http:// or https:// URL, such as http://127.0.0.1:8000/v1, with a port from 1 to 65535",
         ["http://h:99999", "http://h:0", "http://h:x"]),
        (readers.url, "a URL without user and password; give those with --header 'Authorization: …'", ["http://u:p@h"]),
        (readers.url, "a URL without query and fragment", ["http://h/v1?x=1", "http://h/#a"]),
        (readers.url, "the base URL alone, the part before /chat/completions or /completions",
         ["http://h/v1/chat/completions", "http://h/v1/completions/"]),
        (mappings.headers, "a header as 'Name: value'", ["no colon", ["a b: c"], {"A": 1}, {"": "x"}, 5, None, [5]]),
        (mappings.headers, "header values of printable ASCII", [{"A": "b\r\nC: d"}, {"A": "é"}]),
        (mappings.json_object, JSON,
         ["[1]", "{", "", 5, None, {1: 2}, {"a": object}, {"a": float("nan")}, '{"a": 1e400}', '{"a":' * 9999]),
        (mappings.parameters, "K=V, such as top_p=0.9 or drop_params=true", ["top_p", ["a b=1"], 5, None, [5]]),
        (mappings.slo,
         "METRIC=SECONDS with a metric of ttft_s, ttfr_s, ttfa_s, time_per_output_token_s, end_to_end_latency_s",
         [["ttft=1"], {"ttft_s": -1}, {"ttft_s": "1e400"}, {5: 1}, 5, None, "ttft_s", "ttft_s=", [5]]),
    ],
)  # fmt: skip
def test_a_value_that_does_not_fit(reader: Reader[Any], fits: str, given: list[object]) -> None:
    for value in given:
        with pytest.raises(ValueError) as refused:
            reader(value)
        assert str(refused.value) == fits, value


@pytest.mark.parametrize(
    ("reader", "given", "fits"),
    [
        (readers.whole_number(1, 10**6), 10**6 + 1, "a whole number from 1 to 1,000,000"),
        (readers.whole_number(1, 10**6), 0, "a whole number from 1 up"),
        (readers.duration_s, "8761h",
         "a duration of at most 31,536,000 s, which is 365 days"),
        (readers.pause_s, 1e300, "a duration of at most 31,536,000 s, which is 365 days"),
        (readers.requests_per_second, "1e9", "at most 10,000,000 requests a second"),
        (readers.requests_per_hour, "1e9", "at most 1,000,000 requests an hour"),
        (readers.speed, 1e9, "at most 1,000,000 times real time"),
        (readers.speed, 1e-9, "at least 0.001 times real time"),
        (readers.text, "a" * 4097, "a text of at most 4,096 characters"),
        (readers.template, "a" * 4096 + ".json", "a text of at most 4,096 characters"),
        (mappings.json_object, '{"a":' * 65 + "1" + "}" * 65, "a JSON object of at most 64 levels"),
        (mappings.json_object, {"a": [[]] * 10**5 + [{}]}, None),
        (mappings.json_object, '{"a":' * 64 + "1" + "}" * 64, None),
    ],
)  # fmt: skip
def test_a_value_beyond_its_bound(reader: Reader[Any], given: object, fits: str | None) -> None:
    if fits is None:
        assert reader(reader(given)) == reader(given)
        return
    with pytest.raises(ValueError) as refused:
        reader(given)
    assert str(refused.value) == fits


URL = "an http:// or https:// URL, such as http://127.0.0.1:8000/v1"
HOST = f"{URL}, with a host name of letters, digits and -, or an IP address"


@pytest.mark.parametrize(
    "host", ["a..b", "..", "-h-", "*", "<b>", "a%00b", "a" * 64, "a." * 200 + "b", "[v1.x]", "a,b", "[::1]x"]
)
def test_a_host_that_no_name_service_has(host: str) -> None:
    with pytest.raises(ValueError) as refused:
        readers.url(f"http://{host}/v1")
    assert str(refused.value) in (HOST, f"{URL}, with a port from 1 to 65535")


@pytest.mark.parametrize("host", ["localhost", "my_service", "a.b.", "1.2.3.4", "[::1]:80", "[fe80::1%eth0]", "x--y"])
def test_a_host_of_a_url(host: str) -> None:
    assert readers.url(f"http://{host}/v1") == f"http://{host}/v1"


@pytest.mark.parametrize(
    "given", [np.array([1.0, 2.0]), Decimal("sNaN"), Decimal("1e999999"), Fraction(10**400, 3), 1j, b"1", {1}, len, ...]
)
def test_an_object_that_is_no_value(given: object) -> None:
    """Each reader refuses it with a ValueError, and none compares it."""
    known = (readers.text, readers.secret, readers.switch, readers.url, readers.http_version, readers.template)
    numbers = (readers.whole_number(1), readers.duration_s, readers.from_zero, readers.distribution)
    choices = (readers.one_of("a"), readers.some_of("a"), readers.user_counts, readers.price_pair, readers.percentile)
    for reader in (
        *known,
        *numbers,
        *choices,
        mappings.headers,
        mappings.json_object,
        mappings.slo,
        load.stages,
        load.ramp,
    ):
        with pytest.raises(ValueError):
            reader(given)


def test_names_that_the_run_sets_itself_are_refused() -> None:
    with pytest.raises(ValueError, match="any header except content-length, transfer-encoding"):
        mappings.headers({"Connection": "close"})
    with pytest.raises(ValueError, match="any parameter except model, messages, stream"):
        mappings.parameters({"stream": True})


@pytest.mark.parametrize("value", ["h", "h.example:8443", "[::1]:80", "127.0.0.1", "my_service"])
def test_a_host_header(value: str) -> None:
    assert mappings.headers(f"hOst: {value}") == {"hOst": value}


@pytest.mark.parametrize("value", ["", "a b", "http://h", "h/v1", "h:port", "u@h", "h:1:2"])
def test_what_is_no_host_header(value: str) -> None:
    with pytest.raises(ValueError, match="a Host header with a host, or a host and a port"):
        mappings.headers({"Host": value})


def test_there_is_one_host_header() -> None:
    with pytest.raises(ValueError, match="one Host header: HTTP allows no more"):
        mappings.headers(["Host: a", "host: b"])


def test_the_path_of_a_unix_socket() -> None:
    assert readers.socket_path("/run/my server.sock") == "/run/my server.sock"
    assert readers.socket_path("é" * 53 + "x") == "é" * 53 + "x"
    for path in ("x" * 108, "é" * 54):
        with pytest.raises(ValueError, match="a path of at most 107 bytes"):
            readers.socket_path(path)


def test_a_value_that_a_file_left_out_is_asked_for() -> None:
    with pytest.raises(ValueError, match="the value of X-Key, which this file leaves out: --header 'X-Key: …'"):
        mappings.headers({"X-Key": REDACTED})
    with pytest.raises(ValueError, match="the value of my_key, which this file leaves out: --litellm-param my_key=…"):
        mappings.parameters({"my_key": REDACTED})
    with pytest.raises(ValueError, match="the value of api_base, which this file leaves out"):
        mappings.parameters({"api_base": f"http://h?key={REDACTED}"})


@pytest.mark.parametrize("given", ["2", 2, "HTTP/2", None])
def test_only_one_http_version_is_spoken(given: object) -> None:
    with pytest.raises(ValueError, match="HTTP/2 puts many streams on one connection"):
        readers.http_version(given)


@pytest.mark.parametrize("given", ["llama4", "", None, "a.jinja"])
def test_an_unknown_template(given: object) -> None:
    with pytest.raises(ValueError, match="one of none, llama3, deepseek_r1, chatml, or the path"):
        readers.template(given)
