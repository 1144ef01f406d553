"""Checksums: others can compute them too, and every flipped bit of a sealed file is found."""

from __future__ import annotations

import hashlib
import json
import random
import re
from pathlib import Path

import pytest

from llmdyno.runs.checksum import BROKEN, UNSEALED, WHOLE, digest_of_file, sealed, state_of

VALUE = {"a": 1.5, "b": [None, True, 'ä"\n'], "c": {}}


def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "f").write_bytes(content)
    assert digest_of_file(tmp_path / "f") == (256_000, hashlib.sha256(content).hexdigest())


def test_a_seal_is_the_sha_256_of_the_file_with_zeros_in_its_place() -> None:
    content = sealed(VALUE)
    value = json.loads(content)
    seal = value.pop("sha256")
    assert value == VALUE
    assert hashlib.sha256(content.replace(seal.encode(), b"0" * 64)).hexdigest() == seal
    assert state_of(content) == WHOLE


def test_a_seal_is_the_last_key_even_if_the_value_has_one() -> None:
    content = sealed({"sha256": "0" * 64, "a": "0" * 64})
    assert state_of(content) == WHOLE
    assert json.loads(content)["a"] == "0" * 64


def test_every_flipped_bit_is_found() -> None:
    content = sealed(VALUE)
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            assert state_of(bytes(damaged)) == BROKEN, (position, bit)


def test_every_cut_is_found() -> None:
    content = sealed({"files": {"spec.toml": {"bytes": 1, "sha256": "ab" * 32}}, **VALUE})
    start = content.index(b"sha256")
    assert {state_of(content[:end]) for end in range(start + 6, len(content))} == {BROKEN}


@pytest.mark.parametrize("content", [b"", b"{}", json.dumps(VALUE).encode(), b"\xff\x00"])
def test_a_file_without_a_seal_says_nothing(content: bytes) -> None:
    assert state_of(content) == UNSEALED


def test_a_file_that_was_written_anew_is_not_as_it_was() -> None:
    value = json.loads(sealed(VALUE))
    assert state_of(json.dumps(value).encode()) == BROKEN
    assert state_of(sealed(VALUE).replace(b"1.5", b"1.6")) == BROKEN


def test_nan_is_no_json() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        sealed({"a": float("nan")})


def test_many_flips_are_found() -> None:
    content, dice = sealed(VALUE), random.Random(3)
    for _ in range(200):
        damaged = bytearray(content)
        for position in dice.sample(range(len(content)), 5):
            damaged[position] ^= 1 << dice.randrange(8)
        found = state_of(bytes(damaged))
        assert found == BROKEN or re.search(rb"sha256", damaged) is None
