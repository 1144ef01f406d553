"""Bodies as JSON objects, and fields by their types."""

from __future__ import annotations

from typing import Any

import pytest

from llmdyno.emulator.body import content_text, read_object, shown, whole_number, wrong_field


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b'{"a":', "the body is not JSON: Expecting value: line 1 column 6 (char 5)"),
        (
            b'{"a":"\xff"}',
            "the body is not JSON: 'utf-8' codec can't decode byte 0xff in position 6: invalid start byte",
        ),
        ('{"a":1}'.encode("utf-16"), "the body is not JSON: 'utf-8' codec can't decode byte 0xff in position 0: "),
        (b'{"a":NaN}', "the body is not JSON: NaN is not a JSON value"),
        (b'{"a":-Infinity}', "the body is not JSON: -Infinity is not a JSON value"),
        (
            b'{"a":' + b"9" * 5000 + b"}",
            "the body is not JSON: Exceeds the limit (4300 digits) for integer string conv",
        ),
        (b"[" * 100_000 + b"]" * 100_000, "the body is nested too deeply"),
        (b'{"a":[' + b"1," * 1_000_000 + b"1]}", "the body has more than 1,000,000 values"),
        (b"[]", "the body is not a JSON object"),
        (b"null", "the body is not a JSON object"),
    ],
)
def test_what_is_no_object(body: bytes, problem: str) -> None:
    with pytest.raises(ValueError) as refused:
        read_object(body)
    assert str(refused.value).startswith(problem)
    assert len(str(refused.value)) < 150


def test_an_object() -> None:
    assert read_object(b'{"a":1e400,"b":"\\ud800"}') == {"a": float("inf"), "b": "\ud800"}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a" * 100, "a" * 100),
        ("a" * 101, "a" * 100 + "…"),
        ([1] * 10, "a list"),
        ({"a": 1}, "an object"),
        (2**70, "1180591620717411303424"),
        (None, "None"),
    ],
)
def test_values_in_messages_are_short(value: Any, text: str) -> None:
    assert shown(value) == text


def test_a_number_that_python_does_not_write() -> None:
    assert shown(10**5000) == "a very large number"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, None),
        ({"stream": None, "temperature": None, "tools": None, "stop": None, "top_k": 5, "other": [1]}, None),
        ({"stream": True, "temperature": 0, "top_p": 0.5, "stop": ["a"], "tools": [{}], "ignore_eos": False}, None),
        ({"temperature": -(10**400)}, None),
        ({"stream": "true"}, "stream: true is not true or false"),
        ({"stream": 1}, "stream: 1 is not true or false"),
        ({"temperature": "0"}, "temperature: 0 is not a finite number"),
        ({"temperature": True}, "temperature: True is not a finite number"),
        ({"top_p": float("inf")}, "top_p: inf is not a finite number"),
        ({"stop": [1]}, "stop: a list is not a string or a list of strings"),
        ({"stop": {}}, "stop: an object is not a string or a list of strings"),
        ({"tools": {}}, "tools: an object is not a list of objects"),
        ({"tools": ["x"]}, "tools: a list is not a list of objects"),
    ],
)
def test_fields_of_a_wrong_type(fields: dict[str, Any], problem: str | None) -> None:
    assert wrong_field(fields, ("stop",)) == problem


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ([{"text": "a"}, {"type": "image_url"}, {"text": "b"}], "ab"),
        ([], ""),
        (None, None),
        (["a"], None),
        ([{"text": 1}], None),
        ([{"text": ["a"]}], None),
        ({"text": "a"}, None),
    ],
)
def test_the_text_of_a_content(content: Any, text: str | None) -> None:
    assert content_text(content) == text


def test_whole_numbers() -> None:
    fits = [value for value in (1, 2**70, 0, -1, 1.0, True, "1", None) if whole_number(value)]
    assert fits == [1, 2**70]
