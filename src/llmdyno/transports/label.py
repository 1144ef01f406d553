"""Asks a server of this machine's own network whether it is an emulator."""

from __future__ import annotations

from llmdyno.host.loopback import own_network
from llmdyno.timeline.emulated import HEADER, Emulated, read_label


def ask(url: str | None) -> Emulated | None:
    """The label of an emulator; None: the server gives no label, or is not of this machine's own network."""
    from urllib.parse import urlsplit
    from urllib.request import ProxyHandler, Request, build_opener

    parts = urlsplit(url or "")
    if not own_network(parts.hostname or ""):
        return None
    models = f"{parts.scheme}://{parts.netloc}/v1/models"  # every emulator answers this path
    try:
        with build_opener(ProxyHandler({})).open(Request(models), timeout=2) as answer:  # noqa: S310
            return read_label(answer.headers.get(HEADER))
    except OSError as error:
        headers = getattr(error, "headers", None)  # a refusal has the label too
        return read_label(headers.get(HEADER)) if headers is not None else None
