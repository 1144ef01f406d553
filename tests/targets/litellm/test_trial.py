"""Which way a client library's endpoint is driven, from one request each way."""

from __future__ import annotations

import pytest
from tests.support import make_record

from llmdyno import InputError
from llmdyno.targets.litellm.trial import choose
from llmdyno.timeline.record import RequestRecord


def good(text: str, **facts: object) -> RequestRecord:
    return make_record(0, 0.0, [(0.1, 1, len(text))], text=text, **facts)


def bad(status: int | None, message: str = "no", **facts: object) -> RequestRecord:
    return make_record(0, 0.0, [], state="failed", http_status=status, error_message=message, text="", **facts)


@pytest.mark.parametrize(
    ("wire", "sdk", "parsed", "on_the_wire", "words"),
    [
        (good("Hi there"), good("Hello"), "Hi there", True, "mode: wire"),
        (good("<think>\nHi </think> there"), good("Hello"), "Hi there", True, "mode: wire"),
        (good("Hi"), None, None, True, "mode: wire"),
        (None, good("Hi"), None, False, "mode: sdk"),
        (None, good(""), None, False, "loses this route's text"),
        (good("Hi"), good(""), "", True, "loses this route's text"),
        (good(""), good("Hi"), None, False, "no text could be read"),
        (good("Hi"), good("Hi"), "H", False, "different texts"),
        (bad(400), good("Hi"), None, False, "on the wire the first request failed: no"),
        (good("Hi"), bad(400), "Hi", True, "LiteLLM's own call failed: no"),
        (bad(429), bad(503), None, True, "neither way could be tried"),
        (good("Hi", server_input_tokens=7), good("Hi", server_input_tokens=8), "Hi", True, "8 input tokens, and"),
    ],
)
def test_the_choice(
    wire: RequestRecord | None, sdk: RequestRecord | None, parsed: str | None, on_the_wire: bool, words: str
) -> None:
    choice = choose(wire, sdk, parsed)
    assert choice.wire is on_the_wire
    assert words in " ".join(choice.notes)


def test_a_refusal_that_waiting_does_not_cure_ends_it() -> None:
    with pytest.raises(InputError, match=r"AuthenticationError: wrong key.*--no-preflight"):
        choose(bad(401, "wrong key", error_type="AuthenticationError"), bad(401, "wrong key"), None)
    with pytest.raises(InputError, match="endpoint: 404"):
        choose(None, bad(404), None)
