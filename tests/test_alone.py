"""Tests that measure time have the machine to themselves."""

from __future__ import annotations

import threading
from pathlib import Path

from tests.alone import place


def test_two_share_and_one_alone_waits_for_both_and_is_not_overtaken(tmp_path: Path) -> None:
    inside: list[str] = []
    entered, leave, waiting = threading.Barrier(3), threading.Event(), threading.Event()

    def shared() -> None:
        with place(tmp_path, alone=False):
            entered.wait(10)
            leave.wait(10)
            inside.append("shared")

    def alone() -> None:
        waiting.set()
        with place(tmp_path, alone=True):
            inside.append("alone")

    first = [threading.Thread(target=shared) for _ in range(2)]
    for thread in first:
        thread.start()
    entered.wait(10)  # both are in
    last = threading.Thread(target=alone)
    last.start()
    assert waiting.wait(10)
    last.join(0.2)
    assert inside == []
    leave.set()
    for thread in (*first, last):
        thread.join(10)
    assert inside == ["shared", "shared", "alone"]
