"""A secret in every place that takes one, a server that repeats everything: nothing is found in files and output."""

from __future__ import annotations

from benchmarks.secret_scan import _forms, scan


def test_no_secret_is_found_anywhere() -> None:
    places, found = scan(20260101, short=True)
    assert len(places) == 69
    assert found == []


def test_the_scan_finds_every_form() -> None:
    forms = _forms("aZ3/+=&\"\\<>%'qW9eR7tY1u")
    assert list(forms) == ["raw", "beginning", "end", "percent", "JSON", "HTML", "base64"]
    assert forms["beginning"] == [b'aZ3/+=&"\\<']
    assert b"aZ3%2F%2B%3D%26%22%5C%3C%3E%25%27qW9eR7tY1u" in forms["percent"]
    assert b"aZ3/+=&\\\"\\\\<>%'qW9eR7tY1u" in forms["JSON"]
    assert b"aZ3/+=&amp;&quot;\\&lt;&gt;%&#x27;qW9eR7tY1u" in forms["HTML"]
