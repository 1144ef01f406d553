"""Tells whether an address is this machine."""

from __future__ import annotations

import ipaddress


def loopback(host: str) -> bool:
    """Return True if a host name or an IP address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
