"""Turns a request into the bytes of an HTTP/1.1 message, before the clock starts.

In: an origin and a request. Out: head and body in one piece, so that one write sends both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from llmdyno._version import __version__
from llmdyno.protocols.dialect import HttpRequest
from llmdyno.spec.secrets import masked_url
from llmdyno.spec.urls import path_and_query

USER_AGENT = f"llmdyno/{__version__}"


@dataclass(frozen=True, slots=True)
class Origin:
    """A server: scheme, host, port, the base path of its API, and the query that each request carries."""

    scheme: str
    host: str
    port: int
    path: str
    query: str = field(default="", repr=False)  # it may hold a key

    @classmethod
    def of(cls, base_url: str) -> Origin:
        """Read a base URL. The spec has checked it before."""
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return cls(parts.scheme, parts.hostname or "", port, parts.path.rstrip("/"), parts.query)

    @property
    def authority(self) -> str:
        """Host and port, as the Host header has them unless the user gives another one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"

    def at(self, path: str) -> str:
        """The URL of a path, with the query. Secrets in it are masked."""
        query = f"?{self.query}" if self.query else ""
        return masked_url(f"{self.scheme}://{self.authority}{path}{query}")

    def __str__(self) -> str:
        return self.at(self.path)


def serialise(origin: Origin, request: HttpRequest, proxy_headers: Mapping[str, str] | None = None) -> bytes:
    """The whole message. It refuses compression, which would delay chunks.

    A Host header of the request replaces the URL's. With `proxy_headers` (even empty), the request line has the
    absolute URL, as a forward proxy needs it.
    """
    path = request.path
    if origin.query:
        path += f"{'&' if '?' in path else '?'}{origin.query}"
    target = path if proxy_headers is None else f"{origin.scheme}://{origin.authority}{path}"
    given = {name.lower(): value for name, value in request.headers.items()}
    lines = [
        f"{request.method} {target} HTTP/1.1",
        f"Host: {given.get('host', origin.authority)}",
        *(f"{name}: {value}" for name, value in (proxy_headers or {}).items()),
        *(f"{name}: {value}" for name, value in request.headers.items() if name.lower() != "host"),
    ]
    if "user-agent" not in given:
        lines.append(f"User-Agent: {USER_AGENT}")
    lines.append("Accept-Encoding: identity")
    if request.body or request.method == "POST":
        lines.append(f"Content-Length: {len(request.body)}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + request.body


def path_in(wire: bytes) -> str:
    """The path of a request's bytes, with its query."""
    target = wire[: wire.index(b"\r\n")].split(b" ")[1].decode("latin-1")
    return target if target.startswith("/") else path_and_query(target)


def authority_in(wire: bytes) -> str:
    """The value of the Host header in a request's bytes."""
    return wire.split(b"\r\n", 2)[1].removeprefix(b"Host: ").decode("latin-1")


def to_path(wire: bytes, path: str) -> bytes:
    """The bytes of a request, to another path of the same server."""
    line, _, rest = wire.partition(b"\r\n")
    method, target, version = line.split(b" ")
    server = target.removesuffix(path_in(wire).encode("latin-1"))
    return b" ".join((method, server + path.encode("latin-1"), version)) + b"\r\n" + rest


def with_body(wire: bytes, body: bytes) -> bytes:
    """The bytes of a request, with another body."""
    head = wire.partition(b"\r\n\r\n")[0].rpartition(b"\r\nContent-Length: ")[0]
    return head + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def same_origin(origin: Origin, path: str, location: bytes, authority: str = "") -> str | None:
    """Where a redirect leads, as a path of the same server; None: to another server, or nowhere.

    Servers make a full URL from the Host header, which may be the user's own. A server behind a gateway that ends TLS
    takes itself for an http server, so http in place of https is the same server too.

    Args:
        origin: the server that redirects.
        path: the path that was asked for.
        location: the value of the Location header.
        authority: the Host header that was sent (default: the origin's).
    """
    authority = authority or origin.authority
    try:
        parts = urlsplit(urljoin(f"{origin.scheme}://{authority}{path}", location.decode("ascii")))
        there = _server(parts.scheme, parts.netloc)
        known = {_server(scheme, one) for scheme in {origin.scheme, "http"} for one in (origin.authority, authority)}
    except ValueError:
        return None
    found = parts.path + (f"?{parts.query}" if parts.query else "")
    plain = found.startswith("/") and found.isprintable() and " " not in found
    return found if plain and location and there in known else None


def _server(scheme: str, authority: str) -> tuple[str, str | None, int]:
    """Scheme, host and port of a server.

    Raises:
        ValueError: the port is no number.
    """
    parts = urlsplit(f"{scheme}://{authority}")
    return scheme, parts.hostname, parts.port or (443 if scheme == "https" else 80)
