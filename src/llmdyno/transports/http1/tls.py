"""Makes the TLS context of a run, and encrypts one connection.

In: certificate files and switches; the bytes of a socket. Out: a context that offers only HTTP/1.1 (ALPN) and, by
default, verifies the server; the bytes of the other side. The socket stays the caller's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl

from llmdyno.errors import InputError
from llmdyno.host.inputs import refuse_special

_READ_SIZE = 16384


def make_context(
    *, ca_file: str | None = None, client_cert: str | None = None, client_key: str | None = None, insecure: bool = False
) -> ssl.SSLContext:
    """Make a TLS context.

    Args:
        ca_file: a PEM file of the authorities to trust (default: the system's).
        client_cert: a PEM file of the certificate to show to the server, with its chain.
        client_key: a PEM file of the certificate's private key (default: it is in `client_cert`).
        insecure: do not verify the server.

    Raises:
        InputError: a file cannot be read, or does not have the right content.
    """
    _check_files(ca_file, client_cert, client_key)
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        fits = "give a PEM file with the certificates of the authorities"
        raise InputError("--ca-file", f"{ca_file} cannot be used ({_why(error)})", fits) from None
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        try:
            # An empty password, because OpenSSL would otherwise stop and prompt for one.
            context.load_cert_chain(client_cert, client_key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            fits = "give PEM files: a certificate with its chain, and its private key without a password"
            raise InputError("--client-cert, --client-key", f"cannot be used ({_why(error)})", fits) from None
    return context


def _check_files(ca_file: str | None, client_cert: str | None, client_key: str | None) -> None:
    """Check the files that OpenSSL reads. It would wait for the writer of a FIFO, and tell little of the others.

    Raises:
        InputError: one is no file.
    """
    for flag, path in (("--ca-file", ca_file), ("--client-cert", client_cert), ("--client-key", client_key)):
        refuse_special(path, flag, "give a PEM file")
    if ca_file is None:
        path = os.environ.get("SSL_CERT_FILE")
        refuse_special(path, "SSL_CERT_FILE", "name a PEM file with the certificates of the authorities, or unset it")
        for path in os.environ.get("SSL_CERT_DIR", "").split(os.pathsep):
            refuse_special(path, "SSL_CERT_DIR", "name folders of certificates, or unset it")
    refuse_special(os.environ.get("SSLKEYLOGFILE"), "SSLKEYLOGFILE", "name a file, or unset it")


def _why(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)


class TlsLayer:
    """TLS over memory buffers. The socket stays ours, so that every read can be stamped."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self.ended = False
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Shake hands over a connected socket.

        Raises:
            ssl.SSLError: the certificate does not verify, or the two sides have no protocol in common.
            OSError: the connection broke.
        """
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush(loop, sock)
                data = await loop.sock_recv(sock, _READ_SIZE)
                if not data:
                    raise ConnectionResetError("the server closed the connection during the TLS handshake") from None
                self._incoming.write(data)
            except ssl.SSLError:
                await self._flush(loop, sock)  # the alert that tells the server why
                raise
            else:
                await self._flush(loop, sock)
                return

    def encrypt(self, plain: bytes) -> bytes:
        """Encrypt these bytes to TLS records."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self, data: bytes) -> bytes:
        """Decrypt the TLS records that these bytes complete. `ended` becomes true at the end of the stream."""
        if data:
            self._incoming.write(data)
        else:
            self.ended = True
        plain = []
        try:
            while piece := self._object.read(_READ_SIZE):
                plain.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return b"".join(plain)

    async def _flush(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        if data := self._outgoing.read():
            await loop.sock_sendall(sock, data)
