"""Whether a body says itself that it has ended: by the stream's own end mark, or because it is one JSON document."""

from __future__ import annotations

import pytest

from llmdyno.transports.http1.ending import NO_MARK, holds_end, is_json

DONE = b"[DONE]"


@pytest.mark.parametrize(
    ("body", "holds"),
    [
        (b"data: [DONE]\n\n", True),
        (b"\xef\xbb\xbfdata:[DONE]", True),
        (b'data: {"a":1}\r\rdata: [DONE]\r\r', True),
        (b"data: [DONE]\r\n\r\ndata: {}\r\n\r\n: ping\r\n", True),
        (b"x" * 9000 + b"\n\ndata: [DONE]\n\n", True),
        (b'data: "[DONE]"\n\n', True),
        (b"data:\t[done]\n\n", True),
        (b"data: [DON", False),
        (b'data: {"content":"data: [DONE]"}\n\n', False),
        (b'data: {"content":"\\ndata: [DONE]\\n"}\n\n', False),
        (b": [DONE]\n\n", False),
        (b"event: [DONE]\n\n", False),
        (b"data: [DONE]\n\n" + b"x" * 9000, False),
        (b"", False),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 700])
def test_the_end_mark(body: bytes, holds: bool, size: int) -> None:
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    assert holds_end(pieces, DONE) == holds
    assert not holds_end(pieces, NO_MARK)


def test_a_line_that_is_cut_is_no_line() -> None:
    assert not holds_end([b'data: {"content":"', b"data: [DONE]", b"\n" + b"x" * 4095], DONE)


def test_an_end_mark_that_is_an_object() -> None:
    mark = b'{"type":"message_stop"'
    assert holds_end([b'event: message_stop\ndata: {"type": "message_stop", "extra": 1}\n\n'], mark)
    assert not holds_end([b'data: {"type":"content_block_delta","text":"{\\"type\\":\\"message_stop\\"}"}\n\n'], mark)


ERROR = b'{"error":{"message":"no","code":500}}'


@pytest.mark.parametrize(
    ("body", "whole", "in_stream"),
    [
        (ERROR, True, True),
        (b"\xef\xbb\xbf \r\n" + ERROR + b"\n\n", True, True),
        (b'{"choices":[{"message":{"content":"}"}}]}', True, False),
        (b'{"status":"queued"}', True, False),
        (b'[{"a":1}]', True, False),
        (ERROR[:-1], False, False),
        (b'{"a":"}', False, False),
        (ERROR + b'{"b":1}', False, False),
        (b"data: " + ERROR, False, False),
        (b"12", False, False),
        (b"{" * 100_000 + b"}" * 100_000, False, False),
        (b'{"a":"' + b"x" * (1 << 20) + b'"}', False, False),
        (b" ", False, False),
        (b"", False, False),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1 << 21])
def test_a_whole_json_document(body: bytes, whole: bool, in_stream: bool, size: int) -> None:
    """An event stream may begin with a line of JSON that nobody reads, so there only an error counts."""
    pieces = [body] if len(body) > 1000 else [body[start : start + size] for start in range(0, len(body), size)]
    assert is_json(pieces, stream=False) == whole
    assert is_json(pieces, stream=True) == in_stream
