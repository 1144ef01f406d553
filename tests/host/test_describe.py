"""What the run ran on: versions and host, and no secret."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata

import pytest

from llmdyno._version import __version__
from llmdyno.host.describe import describe_host


def test_the_facts() -> None:
    facts = describe_host()
    assert list(facts) == [
        "llmdyno", "python", "implementation", "platform", "host", "cpu", "cores", "packages",
    ]  # fmt: skip
    assert (facts["llmdyno"], facts["python"]) == (__version__, platform.python_version())
    assert (facts["host"], facts["cores"]) == (platform.node(), os.cpu_count())
    assert facts["cpu"] != ""
    assert facts["packages"]["numpy"] == metadata.version("numpy")
    assert facts["packages"]["msgspec"] == metadata.version("msgspec")


def test_it_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-never")
    monkeypatch.setattr("sys.argv", ["llmdyno", "run", "--api-key", "sk-never"])
    assert "sk-never" not in json.dumps(describe_host())
