"""Writes frames of Amazon's event stream. PURE; it shares no code with the client's decoder."""

from __future__ import annotations

import binascii
import json
from typing import Any


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame: text headers in the given order, the payload, both checksums."""
    block = bytearray()
    for name, value in headers.items():
        block.append(len(name))
        block += name.encode()
        block.append(7)
        block += len(value.encode()).to_bytes(2, "big")
        block += value.encode()
    total = 12 + len(block) + len(payload) + 4
    message = total.to_bytes(4, "big") + len(block).to_bytes(4, "big")
    message += binascii.crc32(message).to_bytes(4, "big")
    message += bytes(block) + payload
    return message + binascii.crc32(message).to_bytes(4, "big")


def event(kind: str, value: Any) -> bytes:
    """An event frame with a JSON payload."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(value, separators=(",", ":")).encode())


def exception(name: str, message: str) -> bytes:
    """An exception frame; the name in lower camel case, as the service writes it."""
    headers = {
        ":exception-type": name[:1].lower() + name[1:],
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return frame(headers, json.dumps({"message": message}).encode())
