"""What the server asks of requests: another path, or other fields of the body. It is asked once and kept for all.

In: an ended exchange and the bytes that were sent. Out: whether the request is to be written again, and the bytes of
later requests as the server wants them. It sends nothing.

A redirect is followed if it keeps the method (307, 308) and stays with the same server. A field is changed if the
server refuses the whole request for it and says what it wants. The exchange says why it was written again.
"""

from __future__ import annotations

from collections.abc import Iterable

from llmdyno.spec.secrets import masked_url
from llmdyno.transports.advice import adapted_body, change_for, redirect_text
from llmdyno.transports.exchange import Exchange
from llmdyno.transports.http1.wire import Origin, authority_in, path_in, same_origin, to_path, with_body

_REDIRECTS = 3  # a request follows no more of them, one after the other
_SAID = 4096  # so much of a refusal is read
_ANY_TOKENS = 1 << 31


class Asked:
    """What one server asked for.

    `moved`: paths that it redirects, with where to. `renamed`: fields of the body that it wants under another name, or
    left out (None).

    Args:
        origin: the server.
        adapts: change fields of the body as the server asks. If not, a refusal is a failure.
    """

    def __init__(self, origin: Origin, *, adapts: bool) -> None:
        self.moved: dict[str, str] = {}
        self.renamed: dict[str, str | None] = {}
        self._origin = origin
        self._adapts = adapts
        self._changes: list[str] = []

    def applied(self, wire: bytes) -> bytes:
        """A request's bytes as the server wants them."""
        if self.renamed:
            wire = self._changed(wire, self.renamed) or wire
        if self.moved:
            wire = to_path(wire, self._way(path_in(wire))[-1])
        return wire

    def again(self, exchange: Exchange, wire: bytes) -> bool:
        """Whether the request is to be written again, because the server asks for another one. The exchange then says
        why. If a redirect is not followed, the exchange says what helps."""
        status = exchange.status or 0
        if exchange.prepared.payload.unsigned is not None:
            return False  # a signature holds for one path and one body only
        if status in (400, 422) and self._adapts:
            return self._change(exchange, wire)
        if 300 <= status < 400 and b"location" in exchange.headers:
            return self._redirect(exchange, wire)
        return False

    def redirects(self, paths: Iterable[str] | None = None) -> list[str]:
        """Notes for the report on the redirects that were followed: all of them, or those of some paths."""
        return [
            f"the server redirects {masked_url(path)} to {masked_url(found)}, and requests follow"
            for path, found in self.moved.items()
            if paths is None or path in paths
        ]

    @property
    def notes(self) -> tuple[str, ...]:
        """All that was changed for the server, for the report."""
        return (*self.redirects(), *self._changes)

    def _redirect(self, exchange: Exchange, wire: bytes) -> bool:
        location, path = exchange.headers[b"location"], path_in(wire)
        found = same_origin(self._origin, path, location, authority_in(wire))
        if exchange.status not in (307, 308) or found is None:
            origin = f"{self._origin.scheme}://{self._origin.authority}"
            exchange.advise(redirect_text(location.decode("latin-1"), origin))
            return False
        way = self._way(path_in(exchange.prepared.payload.wire), path)
        if found in way:
            for step in way:
                self.moved.pop(step, None)
            exchange.advise(f"redirected to {masked_url(found)}: the server redirects in a circle")
            return False
        if max(len(way) - 1, exchange.redirects) >= _REDIRECTS:
            many = f"more than {_REDIRECTS} redirects, one after the other"
            exchange.advise(f"redirected to {masked_url(found)}: {many}; use a --base-url that needs none")
            return False
        self.moved[path] = found
        exchange.begin_again(f"the server redirects ({exchange.status}) to {masked_url(found)}", moved=True)
        return True

    def _way(self, path: str, end: str | None = None) -> list[str]:
        """The paths from one on, as the server redirects them, up to `end`. A path that does not lead there is left
        out."""
        way = [path]
        while way[-1] != end and way[-1] in self.moved and len(way) <= _REDIRECTS:
            way.append(self.moved[way[-1]])
        return way if end is None or way[-1] == end else [end]

    def _change(self, exchange: Exchange, wire: bytes) -> bool:
        exchange.uncompress()
        change = change_for(b"".join(exchange.pieces)[:_SAID].decode("utf-8", "replace"), _ANY_TOKENS)
        if change is None or change.minimum or self._changed(wire, {change.field: change.into}) is None:
            return False
        if change.field not in self.renamed:
            self.renamed[change.field] = change.into
            self._changes.append(change.note)
        exchange.begin_again(f"{change.note} (it answered {exchange.status})")
        return True

    def _changed(self, wire: bytes, renamed: dict[str, str | None]) -> bytes | None:
        """A request with fields of its body changed; None: it has none of these fields."""
        body = adapted_body(wire.partition(b"\r\n\r\n")[2], renamed)
        return None if body is None else with_body(wire, body)
