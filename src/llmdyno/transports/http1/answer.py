"""Parses one answer after the other from the bytes of a connection.

In: the bytes of each read. Out: status and headers in an exchange, the body in pieces, and whether the answer is
complete. The parser is llhttp, through httptools; it calls a list's append with each piece of the body. Nothing is
decoded, and it does not know sockets or clocks.
"""

from __future__ import annotations

import httptools

from llmdyno.transports.exchange import Exchange
from llmdyno.transports.http1.ending import HEADERS_LIMIT

PARSER_ERRORS = (httptools.HttpParserError, httptools.HttpParserUpgrade)
_INTERIM_LIMIT = 100


class Answers:
    """The answers on one connection.

    `feed` takes bytes. `pieces` are the body's. `whole` is the number of pieces of the answer once it is complete, else
    None; later pieces are another answer's. `framed`: the headers tell where the body ends. `reusable`: the connection
    may carry another request.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append  # the parser calls the list itself
        self.whole: int | None = None
        self.framed = self.reusable = False
        self._exchange: Exchange | None = None
        self._head_size = self._interim = 0
        self._parser = httptools.HttpResponseParser(self)
        if hasattr(self._parser, "set_dangerous_leniencies"):  # old servers write so, and it harms no reader
            lenient = {"lenient_optional_cr_before_lf": True, "lenient_spaces_after_chunk_size": True}
            self._parser.set_dangerous_leniencies(**lenient)
        self.feed = self._feed_head

    def begin(self, exchange: Exchange) -> None:
        """Expect the answer to an exchange."""
        self._exchange = exchange
        self.whole = None
        self.framed = self.reusable = False
        self._head_size = self._interim = 0
        self.feed = self._feed_head

    def take(self) -> list[bytes]:
        """The pieces of the answer, which are forgotten here."""
        taken = self.pieces[: self.whole]
        self.pieces.clear()
        self._exchange = None
        return taken

    def _feed_head(self, data: bytes) -> None:
        """Feed the parser until the headers are complete."""
        self._head_size += len(data)
        if self._head_size > HEADERS_LIMIT:
            raise httptools.HttpParserError(f"its headers are larger than {HEADERS_LIMIT >> 20} MiB")
        if self._interim > _INTERIM_LIMIT:
            raise httptools.HttpParserError(f"it has more than {_INTERIM_LIMIT} interim answers")
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Note that bytes of another answer follow a whole one."""
        if self.whole is not None:
            self.reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, with its name in lower case. A trailer changes no header."""
        exchange = self._exchange
        if exchange is not None and self.whole is None and exchange.status is None:
            exchange.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Note the status, and whether the headers tell where the body ends."""
        exchange = self._exchange
        if exchange is not None and self.whole is None:
            exchange.status = self._parser.get_status_code()
            headers = exchange.headers
            self.framed = b"content-length" in headers or b"chunked" in headers.get(b"transfer-encoding", b"").lower()
            self.feed = self._parser.feed_data  # no frame of ours between the reads of a body and the parser

    def on_message_complete(self) -> None:
        """Note that the answer is complete. An interim answer (1xx, but not 101) does not count."""
        exchange = self._exchange
        if exchange is None or self.whole is not None:
            return
        if exchange.status is not None and exchange.status < 200 and exchange.status != 101:
            exchange.headers.clear()
            exchange.status = None
            self.feed = self._feed_head
            self._interim += 1
            return
        self.whole = len(self.pieces)
        self.reusable = self._parser.should_keep_alive()  # later, the parser would answer for the next message
