"""Tells whether an address is this machine, or one of its own network."""

from __future__ import annotations

import ipaddress


def loopback(host: str) -> bool:
    """Return True if a host name or an IP address is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


_OWN_NAMES = (".local", ".internal", ".lan", ".svc", ".test")


def own_network(host: str) -> bool:
    """Return True if a host name or an IP address is this machine, a container beside it, or of a private network."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return loopback(host) or ("." not in host and bool(host)) or host.endswith(_OWN_NAMES)
