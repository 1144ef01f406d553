"""The progress line."""

from __future__ import annotations

import io
from typing import Any

import pytest

from llmdyno.engine.driver import Snapshot
from llmdyno.reports.live import LiveView, progress_line, upload_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def snapshot(**facts: Any) -> Snapshot:
    defaults: dict[str, Any] = {
        "phase": "measured", "elapsed_s": 5.0, "done": 3, "failed": 1, "in_flight": 2, "total": 10,
        "duration_s": None, "chunks": 1000, "ttft_p50_s": 0.25,
    }  # fmt: skip
    return Snapshot(**{**defaults, **facts})


def test_the_progress_line() -> None:
    assert " in flight · 1 copy · ~200" in progress_line(snapshot(), 200.0, copies=1)
    assert " in flight · 3 copies · ~200" in progress_line(snapshot(), 200.0, copies=3)
    assert progress_line(snapshot(), 200.0) == (
        "measured · 4/10 requests · 2 in flight · ~200 tokens/s · TTFT p50 250 ms · 1 failed · 5 s · about 5 s left"
    )
    assert "━" * 10 + "╌" * 10 in progress_line(snapshot(), 200.0, 140)
    first = snapshot(done=0, failed=0, total=None, ttft_p50_s=None)
    assert progress_line(first, 0.0, 140) == "measured · 0 requests · 2 in flight · ~0 tokens/s · 5 s"
    timed = snapshot(total=None, duration_s=20.0, failed=0)
    assert progress_line(timed, 0.0).endswith("5 s · about 15 s left")


@pytest.mark.parametrize("width", [10, 40, 60, 79, 99, 139])
def test_the_progress_line_never_wraps(width: int) -> None:
    line = progress_line(snapshot(total=100_000, in_flight=5000), 123_456.0, width)
    assert len(line) <= width
    assert ("4/100000 requests" in line) is (width > 10)
    assert ("about" in line) is (width > 40)


def test_a_log_gets_plain_lines_now_and_then() -> None:
    stream = io.StringIO()
    view = LiveView(stream)
    for quarter in range(60):
        view(snapshot(elapsed_s=quarter / 4, chunks=100 * quarter))
    view.end()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert "\x1b" not in stream.getvalue()
    assert "~400 tokens/s" in lines[-1]


def test_a_terminal_gets_one_line_that_renews_itself() -> None:
    stream = Terminal()
    view = LiveView(stream)
    view(snapshot())
    view(snapshot(elapsed_s=6.0))
    view.end()
    assert stream.getvalue().count("\r\x1b[K") == 3
    assert "\n" not in stream.getvalue()


def test_every_line_names_the_emulation_and_the_copies() -> None:
    stream = io.StringIO()
    view = LiveView(stream)
    view.show_emulation(10.0)
    view.show_copies(3)
    view(snapshot())
    assert stream.getvalue() == (
        "EMULATED 10× · measured · 4/10 requests · 2 in flight · 3 copies · ~200 tokens/s · TTFT p50 250 ms · "
        "1 failed · 5 s · about 5 s left\n"
    )


def test_an_endpoint_that_says_it_is_emulated_is_named_so() -> None:
    stream = Terminal()
    LiveView(stream)(snapshot(emulated=True))
    assert stream.getvalue().startswith("\r\x1b[KEMULATED · ")


def test_waking_and_waiting() -> None:
    waking = snapshot(phase="warm", failed=7)
    assert progress_line(waking, 0.0) == "waking the model: 7 attempts refused so far · 5 s"
    assert progress_line(snapshot(phase="idle", done=0), 0.0) == "1 round done · waiting for the model to go idle"


def test_an_upload_without_a_terminal_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with upload_progress(100) as advance:
        advance(40)
        advance(60)
    assert capsys.readouterr() == ("", "")


def test_an_upload_on_a_terminal_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with upload_progress(2_000_000) as advance:
        advance(1_000_000)
        advance(1_000_000)
    assert "2.0/2.0 MB" in capsys.readouterr().err
