"""The transport that LiteLLM is handed: it catches requests, or answers them with a recorded body.

It takes a body and its media type, or nothing. It gives the caught request as an exception, or the body's pieces one by
one. It connects to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx


class CaughtRequest(BaseException):  # not an Exception, so that LiteLLM does not handle it
    """Carries the request that LiteLLM would send."""

    def __init__(self, request: httpx.Request) -> None:
        self.request = request


class Recorded(httpx.SyncByteStream):
    """A recorded body, in the pieces in which it arrived. `given` counts the pieces that were read."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = pieces
        self.given = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.given += 1
            yield piece


class CatchingTransport(httpx.BaseTransport):
    """Catches requests, or answers them with a recorded body."""

    def __init__(self) -> None:
        self._recorded: Recorded | None = None
        self._media_type = ""

    def play(self, recorded: Recorded | None, media_type: str = "") -> None:
        """Answer requests with this body; None: catch them again."""
        self._recorded, self._media_type = recorded, media_type

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._recorded is None:
            raise CaughtRequest(request)
        return httpx.Response(200, headers={"content-type": self._media_type}, stream=self._recorded, request=request)
