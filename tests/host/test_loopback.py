"""Which addresses are this machine."""

from __future__ import annotations

import pytest

from llmdyno.host.loopback import loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "api.localhost"])
def test_addresses_of_this_machine(host: str) -> None:
    assert loopback(host)


@pytest.mark.parametrize(
    "host", ["bedrock-runtime.us-east-1.amazonaws.com", "10.0.0.1", "", "::", "0.0.0.0", "mylocalhost", "localhost.com"]
)
def test_other_addresses(host: str) -> None:
    assert not loopback(host)
