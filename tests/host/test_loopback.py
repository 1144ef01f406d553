"""Which addresses are this machine."""

from __future__ import annotations

import pytest

from llmdyno.host.loopback import loopback, own_network


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "api.localhost"])
def test_addresses_of_this_machine(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize(
    "host", ["bedrock-runtime.us-east-1.amazonaws.com", "10.0.0.1", "", "::", "0.0.0.0", "mylocalhost", "localhost.com"]
)
def test_other_addresses(host: str) -> None:
    assert not loopback(host)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        *(("127.0.0.1", True), ("10.0.0.1", True), ("fd00::1", True), ("localhost", True), ("emulator", True)),
        *(("emulator.local", True), ("8.8.8.8", False), ("api.example.com", False), ("", False)),
    ],
)
def test_addresses_of_the_own_network(host: str, own: bool) -> None:
    assert own_network(host) == own
