"""Makes the TLS context of a run.

In: certificate files and switches. Out: a context that offers only HTTP/1.1 (ALPN) and, by default, verifies the
server.
"""

from __future__ import annotations

import ssl

from llmdyno.errors import InputError


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


def _why(error: OSError) -> str:
    return str(getattr(error, "reason", None) or error.strerror or error)
