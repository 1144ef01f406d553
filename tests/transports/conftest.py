"""Fixtures for the tests of transports."""

from __future__ import annotations

import pytest
import trustme
from tests.transports.http1.sockets import in_loop

__all__ = ["authority", "in_loop"]


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts yet."""
    return trustme.CA()
