"""Fixtures for the tests of executors."""

from __future__ import annotations

from tests.transports.http1.sockets import in_loop

__all__ = ["in_loop"]
