"""Turns a request into the bytes of an HTTP/1.1 message, before the clock starts.

In: an origin and a request. Out: head and body in one piece, so that one write sends both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from llmdyno._version import __version__
from llmdyno.protocols.dialect import HttpRequest

USER_AGENT = f"llmdyno/{__version__}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: scheme, host, port, and the base path of its API."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def of(cls, base_url: str) -> Origin:
        """Read a base URL. The spec has checked it before."""
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port, parts.path.rstrip("/"))

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def serialise(origin: Origin, request: HttpRequest, proxy_headers: Mapping[str, str] | None = None) -> bytes:
    """The whole message. It refuses compression, which would delay chunks.

    With `proxy_headers` (even empty), the request line has the absolute URL, as a forward proxy needs it.
    """
    target = request.path if proxy_headers is None else f"{origin.scheme}://{origin.authority}{request.path}"
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {origin.authority}",
        *(f"{name}: {value}" for name, value in (proxy_headers or {}).items()),
        *(f"{name}: {value}" for name, value in request.headers.items()),
    ]
    given = {name.lower() for name in request.headers}
    if "user-agent" not in given:
        lines.append(f"User-Agent: {USER_AGENT}")
    lines.append("Accept-Encoding: identity")
    if request.body or request.method == "POST":
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + request.body


def path_in(wire: bytes) -> str:
    """The path of a request's bytes."""
    return wire[: wire.index(b"\r\n")].split(b" ")[1].decode("latin-1")


def to_path(wire: bytes, path: str) -> bytes:
    """The bytes of a request, to another path."""
    line, _, rest = wire.partition(b"\r\n")
    method, _, version = line.split(b" ")
    return b" ".join((method, path.encode("latin-1"), version)) + b"\r\n" + rest


def same_origin(origin: Origin, path: str, location: bytes) -> str | None:
    """Where a redirect leads, as a path of the same origin; None: to another origin, or nowhere.

    Args:
        origin: the server that redirects.
        path: the path that was asked for.
        location: the value of the Location header.
    """
    try:
        parts = urlsplit(urljoin(f"{origin.scheme}://{origin.authority}{path}", location.decode("ascii")))
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    if (parts.scheme, parts.hostname, port) != (origin.scheme, origin.host.lower(), origin.port):
        return None
    found = parts.path + (f"?{parts.query}" if parts.query else "")
    plain = found.startswith("/") and found.isprintable() and " " not in found
    return found if plain and found != path else None
