"""The report of ``llmdyno scaling``: how a deployment answered a step of load.

Takes scaling.json's contents; its times are in seconds at real speed. Gives lines on a page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.reports.text import bars, between, duration, latency, moment, ordinal, plural

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

NAMES = {
    "ttft_s": "time to first token",
    "ttfr_s": "time to first reasoning",
    "ttfa_s": "time to first answer token",
    "time_per_output_token_s": "time per output token",
    "end_to_end_latency_s": "end-to-end latency",
    "throttling": "throttling",
}
"""What a load can break: the names of figures that bounds are set on, and throttling."""
_EMULATED = "EMULATED: the emulator's copies come and go by its own model of the service. Durations are at real speed."


def show(report: dict[str, Any], page: Page, path: Path) -> None:
    """Show what a step of load showed; `path` is the run directory."""
    page.blank()
    page.title(title(report))
    if report["emulated"]:
        page.warning(_EMULATED)
    page.blank()
    page.facts(facts(report) + _over_time(report["series"]))
    page.notes(report["notes"])


def title(report: dict[str, Any]) -> str:
    """The step in one line."""
    step = report["step"]
    return f"A step from {step['users_before']} to {step['users_after']} users, held for {duration(step['held_s'])}"


def facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The bounds, the recovery, what was refused, and the copies: labels and values."""
    return [
        ("Bounds", _bounds(report)),
        ("Recovery", _recovery(report["recovery_s"])),
        ("Until then", _meanwhile(report["meanwhile"])),
        ("Refusals", _refusals(report)),
        *_copies(report["copies"]),
    ]


def bounds_text(bounds: dict[str, float]) -> str:
    """Bounds in one line; an empty text for none."""
    return " and ".join(f"{NAMES.get(name, name)} ≤ {latency(bound)}" for name, bound in bounds.items())


def _bounds(report: dict[str, Any]) -> str:
    if not report["bounds"]:
        return "none, as nothing was answered before the step"
    origin = "as given" if report["bounds_given"] else "from the latency before the step"
    return f"{bounds_text(report['bounds'])} ({origin})"


def _recovery(recovery_s: float | None) -> str:
    if recovery_s is None:
        return "latency did not come back within bounds while the step was held"
    return f"latency was back within bounds {duration(recovery_s)} after the step"


def _meanwhile(meanwhile: dict[str, Any]) -> str:
    within = meanwhile["within_bounds"]
    share = "" if within is None else f", {100 * within:.0f}% of them within bounds"
    refused = f"{meanwhile['throttled']:,} throttled, {meanwhile['not_ready']:,} not ready"
    return f"{meanwhile['requests']:,} requests{share}; {refused}"


def _refusals(report: dict[str, Any]) -> str:
    first_s = report["first_refusal_s"]
    first = "nothing was refused" if first_s is None else f"the first came {duration(first_s)} after the step"
    return f"{first}; {report['throttled']:,} throttled while the step was held"


def _copies(copies: dict[str, Any]) -> list[tuple[str, str]]:
    carried = copies["calls_per_copy"]
    low, high = copies.get("carries") or (carried, carried)
    calls = "" if carried is None else between(str(low), plural(high, "call")) if low != high else plural(high, "call")
    carries = f"; one copy carries {calls} at once" if calls else ""
    if not copies["most"]:
        return [("Copies", f"{copies['source']}{carries}")]
    came = [moment(span) for span in copies.get("came_span_s", ())] or [duration(one) for one in copies["came_s"]]
    numbers = range(copies["before"] + 1, copies["before"] + len(came) + 1)
    came = [f"the {ordinal(number)} came {text}" for number, text in zip(numbers, came, strict=True)]
    parts = [f"{', '.join(came)} after the step"] if came else []
    if copies.get("possible_span_s"):
        parts.append("more may have come without being needed")
    elif copies.get("at_least"):
        parts.append("the run does not show whether more came")
    more = "; ".join(parts) or "no more came"
    went = [moment(span) for span in copies.get("went_span_s", ())] or [duration(one) for one in copies["went_s"]]
    by_load = ", ".join(f"{count} from {time_s:+.0f} s" for time_s, count in copies["inferred"])
    if copies.get("inferred_came_span_s"):
        spans = enumerate(copies["inferred_came_span_s"], 1)
        by_load = ", ".join(f"the {ordinal(number)} came {moment(span, '+')}" for number, span in spans)
    return [
        ("Copies", f"{copies['before']} before, {_most(copies)} ({copies['source']}); {more}{carries}"),
        ("From the load", by_load or "the load shows no copies"),
        ("Scale-in", f"copies went {', '.join(went)} after the step down" if went else "no copy was seen to go"),
    ]


def _most(copies: dict[str, Any]) -> str:
    """The most copies while the step was held, and how sure that is."""
    if copies.get("at_least"):
        return f"{copies['most']} or more"
    return f"{copies['most']} {'that the load needed' if copies.get('possible_span_s') else 'at most'}"


def _over_time(series: list[dict[str, Any]]) -> list[tuple[str, str]]:
    found = []
    for label, name, unit in (
        ("Over time", "output_token_per_s", "output tokens/s"),
        ("", "ttft_p50_s", "TTFT p50, s"),
        ("", "throttled", "throttled"),
        ("", "copies", "copies"),
    ):
        values = [one[name] for one in series]
        known = [value for value in values if value]
        if known:
            found.append((label, f"{bars(values)} {unit}, up to {_largest(max(known))}"))
    if series:
        found.append(("", f"{series[0]['length_s']:g} s a bar; the first bar is at {series[0]['start_s']:+.0f} s"))
    return found


def _largest(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
