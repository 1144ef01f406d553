"""The TLS context of a run: whom it trusts, what it shows, what it speaks.

In: files and switches. Out: a context that offers HTTP/1.1 alone (ALPN) and verifies the server unless told otherwise.
"""

from __future__ import annotations

import ssl

from llmdyno.errors import InputError


def make_context(
    *, ca_file: str | None = None, client_cert: str | None = None, client_key: str | None = None, insecure: bool = False
) -> ssl.SSLContext:
    """Make it.

    Raises:
        InputError: a file cannot be read, or is not what it should be.
    """
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
            # Without a password given none is asked for: a prompt in the middle would hold the command up.
            context.load_cert_chain(client_cert, client_key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            fits = "give PEM files: a certificate with its chain, and its private key without a password"
            raise InputError("--client-cert, --client-key", f"cannot be used ({_why(error)})", fits) from None
    return context


def _why(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
