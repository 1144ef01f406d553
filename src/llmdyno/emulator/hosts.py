"""Which Host headers the emulator answers to. PURE.

In: the address that it listens on, names that the user allows, a Host header. Out: yes or no.

A page of a foreign site can make a browser send requests to this machine: its name is resolved a second time, to a
loopback address (DNS rebinding). The browser then sends that name as Host, so a name that nobody gave is refused. An IP
address is no such name. It is allowed if the emulator listens on it, or on all addresses.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from llmdyno.host.loopback import loopback

ANY = "*"
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::[0-9]{0,5})?")
_REMEMBERED = 1000


class Hosts:
    """The names that are allowed.

    Args:
        bound: the name or address that the emulator listens on.
        more: names that the user allows; ``*`` allows every name.
    """

    def __init__(self, bound: str, more: Iterable[str] = ()) -> None:
        self._names = {name.lower().rstrip(".") for name in (bound, *more)}
        self._any_name = ANY in self._names
        self._any_address = _unspecified(bound)
        self._known: dict[str, bool] = {}

    def allow(self, header: str) -> bool:
        """Whether a request with this Host header is answered. Its port does not matter: it may be forwarded."""
        found = self._known.get(header)
        if found is None:
            found = self._allow(header)
            if len(self._known) < _REMEMBERED:
                self._known[header] = found
        return found

    def _allow(self, header: str) -> bool:
        match = _AUTHORITY.fullmatch(header.strip().lower())
        if match is None:
            return False
        name = match[1].strip("[]").rstrip(".")
        if self._any_name or name in self._names or loopback(name):
            return True
        return self._any_address and _address(name)


def _address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _unspecified(name: str) -> bool:
    return _address(name) and ipaddress.ip_address(name).is_unspecified
