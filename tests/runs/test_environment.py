"""environment.json: its bytes are as earlier versions wrote them, and what is missing has a default."""

from __future__ import annotations

import json

import msgspec
import pytest
from tests.support import GOLDEN

from llmdyno.runs.environment import ClockFacts, Emulation, Environment, decode_environment, encode_environment

FILES = ["environment.json", "run-before/environment.json", "run-killed/environment.json"]


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_are_as_they_were(name: str) -> None:
    content = (GOLDEN / name).read_bytes()
    assert encode_environment(decode_environment(content)) == content


def test_what_a_file_holds() -> None:
    environment = decode_environment((GOLDEN / "environment.json").read_bytes())
    assert (environment.host, environment.cores, environment.packages["numpy"]) == ("a-host", 2, "2.4.6")
    assert environment.clock == ClockFacts("kernel", 2163716873310, 1795612938305382048)
    assert environment.emulated == Emulation("deepseek-r1-distill-llama-8b", 1.0, False, 1795612921.582591)
    assert [phase.name for phase in environment.phases] == ["warmup", "measured"]
    assert (len(environment.process.cpu_s), environment.process.cpu_s[0]) == (13, (0.0372, 0.3089))
    assert (environment.tokenizer.name, environment.tokenizer.exact) == ("built-in approximation", False)


def test_what_is_missing_has_a_default_and_what_is_unknown_is_left_out() -> None:
    assert decode_environment(b"{}") == Environment()
    assert decode_environment(b'{"host": "h", "later": [1]}') == Environment(host="h")


def test_other_letters_are_written_as_themselves() -> None:
    content = encode_environment(Environment(host="hëst"))
    assert '"host": "hëst"' in content.decode()
    assert json.loads(content)["host"] == "hëst"
    assert content.endswith(b"}\n")


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"cores": "two"}', b'{"clock": {"kind": 1}}'])
def test_what_is_no_environment(content: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode_environment(content)


def test_it_reads_as_a_mapping_too() -> None:
    environment = Environment(event_loop="uvloop.Loop", clock=ClockFacts("kernel", 1, 2))
    assert environment["event_loop"] == "uvloop.Loop"
    assert environment["clock"] == {"kind": "kernel", "origin_monotonic_ns": 1, "origin_unix_ns": 2}
    with pytest.raises(KeyError, match="nothing"):
        environment["nothing"]
