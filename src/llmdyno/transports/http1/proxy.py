"""Finds the proxy that the environment names: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

In: an origin and the environment. Out: the proxy to use, or None. Requests to this machine never use a proxy.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from llmdyno.errors import InputError
from llmdyno.host.loopback import loopback
from llmdyno.spec import readers
from llmdyno.spec.secrets import header_secrets
from llmdyno.transports.http1.wire import Origin


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: its host and port, and the authorization that it needs."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nothing may show: the user, the password, and the header made of both."""
        return tuple(header_secrets("Proxy-Authorization", self.authorization or ""))

    def headers(self) -> dict[str, str]:
        """The headers that a request to the proxy needs."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def find_proxy(origin: Origin) -> Proxy | None:
    """The proxy for an origin.

    Raises:
        InputError: a variable names a proxy that cannot be used.
    """
    # This check comes first, because the import below is slow.
    if not any(name.lower().endswith("_proxy") and value for name, value in os.environ.items()):
        return None
    import urllib.request

    found = urllib.request.getproxies_environment()
    if loopback(origin.host) or urllib.request.proxy_bypass(f"{origin.host}:{origin.port}"):
        return None
    name = origin.scheme if origin.scheme in found else "all"
    url = found.get(name)
    if not url:
        return None
    where = f"{name.upper()}_PROXY"
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port or 80
        host = readers.host(parts.hostname or "missing")
        if ("[" in parts.netloc) != (":" in host):
            raise ValueError("brackets hold an IPv6 address")
    except ValueError:
        raise InputError(where, "its host or its port does not fit", "use http://host:port, or unset it") from None
    if parts.scheme != "http" or not parts.hostname:
        raise InputError(where, f"{parts.scheme} proxies are not supported", "use http://host:port, or unset it")
    authorization = None
    if parts.username is not None:
        plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        if not plain.isprintable():
            raise InputError(where, "its user or its password does not fit", "use printable text, percent-encoded")
        authorization = "Basic " + base64.b64encode(plain.encode()).decode()
    return Proxy(parts.hostname, port, authorization)
