"""Cold starts in words.

Takes the cold starts of a summary. Gives lines of text. It knows neither runs nor pages.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from llmdyno.reports.text import plus_minus

_HELD = 10.0
"""If the first answer began this many times later than the second, it may have waited for the model."""


def cold_start_text(found: dict[str, Any]) -> str:
    """One cold start in one line."""
    refused = ", ".join(f"{count} × {name}" for name, count in found["refused"].items())
    if found["cold_start_s"] is not None:
        line = f"{found['cold_start_s']:.2f} s from the first attempt to the first answer ({refused})"
        if found.get("ready_low_s") is not None:
            line = f"{plus_minus(found['ready_low_s'], found['ready_high_s'])} until the model was ready; {line}"
    elif found["cold"]:
        line = f"never answered ({refused})"
    else:
        line = "none seen: the first attempt was answered" + (f" ({refused})" if refused else "")
    if found["first_ttft_s"] is not None and found["warmed_ttft_s"] is not None:
        line += (
            f"; TTFT {1e3 * found['first_ttft_s']:,.0f} ms at first, {1e3 * found['warmed_ttft_s']:,.0f} ms once warm"
        )
        if not found["cold"] and found["first_ttft_s"] > _HELD * found["warmed_ttft_s"]:
            held_s = found["first_ttft_s"] - found["warmed_ttft_s"]
            line += f": the service may have held the first attempt for {held_s:.2f} s until the model was ready"
    return line


def cold_starts_together(found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """A series of cold starts in one line; nothing for fewer than two."""
    times_s = sorted(one["cold_start_s"] for one in found if one["cold_start_s"] is not None)
    if len(times_s) < 2:
        return []
    middle_s = statistics.median(times_s)
    line = f"{len(times_s)} cold starts: {times_s[0]:.2f} s to {times_s[-1]:.2f} s, median {middle_s:.2f} s"
    lows_s, highs_s = (
        [one[name] for one in found if one.get(name) is not None] for name in ("ready_low_s", "ready_high_s")
    )
    if len(lows_s) == len(times_s):  # a run of an earlier version has no bounds
        line += f"; ready after {plus_minus(statistics.median(lows_s), statistics.median(highs_s))} (median)"
    return [("All of them", line)]
