"""Operations of AWS that nobody here knows, refused in the words and on the wire format of their service. PURE.

In: a request, and what moto answered to it. Out: an answer that the service's clients read. moto answers an operation
that it lacks with a page of HTML, which no client of AWS expects.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from llmdyno.emulator.bedrock import unknown_operation
from llmdyno.emulator.body import shown
from llmdyno.emulator.http import JSON, Request
from llmdyno.emulator.regions import scope_of

_HEAD = 16_384
"""How many bytes of an answer, or of a form, are looked at."""
_PAGE = re.compile(rb"HTTP/1\.[01] [45].*?\r\ncontent-type: *text/html", re.IGNORECASE | re.DOTALL)
_EMPTY = re.compile(rb"HTTP/1\.[01] 404 .*?\r\ncontent-length: *0\r\n", re.IGNORECASE | re.DOTALL)
_XML = "application/xml"
_DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'


class Unknown(NamedTuple):
    """An answer to an operation that is not known."""

    status: int
    media_type: str
    body: bytes
    headers: list[str]


def no_answer(request: Request, answer: bytes) -> bool:
    """Whether moto's answer is a page of HTML that says that something failed, or says nothing at all."""
    if request.method == "HEAD":
        return False  # a missing object of S3, whose answer has no body to be judged by
    head, _, body = answer[:_HEAD].partition(b"\r\n\r\n")
    head += b"\r\n"
    if _PAGE.match(head) is not None and body.lstrip()[:9].lower() == b"<!doctype":
        return True
    return _EMPTY.match(head) is not None and _service(request) != "s3"


def unknown(request: Request) -> Unknown:
    """The refusal as the request's service words it: JSON with a target, a query's XML, S3's XML, or JSON by path."""
    target = request.headers.get("x-amz-target")
    if target is not None:
        media_type = request.headers.get("content-type", "application/x-amz-json-1.1").partition(";")[0]
        body = {"__type": "UnknownOperationException", "message": f"There is no {shown(target)} here."}
        return Unknown(400, media_type, json.dumps(body).encode(), [])
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        action = _action(request)
        text = f"Could not find operation {escape(shown(action))} here"
        error = f"<Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{text}</Message></Error>"
        return Unknown(400, "text/xml", f"{_DECLARED}<ErrorResponse>{error}</ErrorResponse>".encode(), [])
    if _service(request) == "s3":
        text = f"There is no {escape(request.method)} {escape(shown(request.path))} here."
        error = f"<Error><Code>NotImplemented</Code><Message>{text}</Message></Error>"
        return Unknown(501, _XML, f"{_DECLARED}{error}".encode(), [])
    refused = unknown_operation(request.method, request.path)
    return Unknown(refused.status, JSON, refused.body, refused.headers)


def _service(request: Request) -> str:
    """The service that a request is signed for. Bedrock takes bearer tokens, S3 what is not signed."""
    if request.headers.get("authorization", "").startswith("Bearer "):
        return "bedrock"
    scope = scope_of(request.headers)
    return "s3" if scope is None else scope[1]


def _action(request: Request) -> str:
    fields = parse_qs(request.body[:_HEAD].decode("latin-1"))
    return fields.get("Action", [""])[0]
