"""Proxies as the environment names them: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY.

In: an origin and the environment. Out: the proxy that leads there, or none. This host itself is never asked through it.
"""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from llmdyno.errors import InputError
from llmdyno.host.loopback import loopback
from llmdyno.transports.http1.wire import Origin


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy: where it is, and what it is shown."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def authority(self) -> str:
        """Host and port."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def headers(self) -> dict[str, str]:
        """What a request to it carries."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


def find_proxy(origin: Origin) -> Proxy | None:
    """The proxy for an origin.

    Raises:
        InputError: a variable names one that cannot be used.
    """
    # Looked at before the library is imported, which takes longer than the rest of the start-up's network code.
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
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or 80
    except ValueError:
        raise InputError(where, "its port is no number from 1 to 65535", "http://host:port") from None
    if parts.scheme != "http" or not parts.hostname:
        raise InputError(where, f"a proxy by {parts.scheme} is not spoken", "http://host:port, or unset it")
    authorization = None
    if parts.username is not None:
        plain = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = "Basic " + base64.b64encode(plain.encode()).decode()
    return Proxy(parts.hostname, port, authorization)
