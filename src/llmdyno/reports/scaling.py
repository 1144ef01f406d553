"""The answer to a step of load, and the capacity of a copy, on a console. In: the reports as they stand in scaling.json
and capacity.json. Out: lines through Rich. Spans are at real speed."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from llmdyno.reports.console import bars
from llmdyno.reports.cost import span
from llmdyno.services.copies import UNKNOWN

_HEADS = {"ttft_s": "TTFT", "time_per_output_token_s": "TPOT", "end_to_end_latency_s": "end-to-end"}
_NAMES = {
    "ttft_s": "time to first token",
    "time_per_output_token_s": "time per output token",
    "end_to_end_latency_s": "end-to-end latency",
    "throttling": "throttling",
}


def print_scaling(report: dict[str, Any], console: Console) -> None:
    """Print what a step of load showed."""
    step, copies, meanwhile = report["step"], report["copies"], report["meanwhile"]
    console.print()
    line = f"A step from {step['users_before']} to {step['users_after']} users, held for {span(step['held_s'])}"
    console.print(Text(line, style="bold"))
    if report["emulated"]:
        line = "EMULATED: how copies come and go is the emulator's guess. Spans below are at real speed."
        console.print(Text(line, style="yellow"), soft_wrap=True)
    console.print()
    for label, value in _scaling_facts(report, copies, meanwhile):
        console.print(f"[bold]{label:<13}[/bold] {escape(value)}", soft_wrap=True)
    for note in report["notes"]:
        console.print(f"[yellow]{'Note':<13}[/yellow] {escape(note)}", soft_wrap=True)


def _scaling_facts(report: dict[str, Any], copies: dict[str, Any], meanwhile: dict[str, Any]) -> list[tuple[str, str]]:
    bounds = " and ".join(f"{_NAMES[name]} ≤ {_short(bound)}" for name, bound in report["bounds"].items())
    origin = "as given" if report["bounds_given"] else "from what was usual before the step"
    facts = [("Bounds", f"{bounds or 'none: nothing was answered before the step'} ({origin})")]
    if report["recovery_s"] is None:
        facts.append(("Recovery", "latency did not come back within bounds while the step was held"))
    else:
        facts.append(("Recovery", f"latency was back within bounds {span(report['recovery_s'])} after the step"))
    share = (
        "" if meanwhile["within_bounds"] is None else f", {100 * meanwhile['within_bounds']:.0f}% of them within bounds"
    )
    refusals = f"{meanwhile['throttled']:,} throttled, {meanwhile['not_ready']:,} not ready"
    line = f"{meanwhile['requests']:,} requests{share}; {refusals}"
    facts.append(("Until then", line))
    first = report["first_refusal_s"]
    refused = "nothing was refused" if first is None else f"first refused {span(first)} after the step"
    facts.append(("Refusals", f"{refused}; {report['throttled']:,} throttled in all while it was held"))
    came = ", ".join(span(moment_s) for moment_s in copies["came_s"]) or "none"
    line = f"{copies['before']} before, {copies['most']} at most ({copies['source']}); came after {came}"
    if not copies["most"]:
        line = str(copies["source"])
    if copies["calls_per_copy"] is not None:
        line += f"; one carries {copies['calls_per_copy']} calls"
    facts.append(("Copies", line))
    if not copies["most"]:
        return facts + _over_time(report["series"])
    inferred = ", ".join(f"{count} from {moment_s:+.0f} s" for moment_s, count in copies["inferred"])
    facts.append(("By the load", inferred or "nothing to infer from"))
    went = ", ".join(span(moment_s) for moment_s in copies["went_s"])
    facts.append(("Scale-in", f"copies went {went} after the step down" if went else "none was seen to go"))
    return facts + _over_time(report["series"])


def _over_time(series: list[dict[str, Any]]) -> list[tuple[str, str]]:
    facts = []
    for label, name, unit in (
        ("Over time", "output_token_per_s", "output tokens/s"),
        ("", "ttft_p50_s", "TTFT p50, s"),
        ("", "throttled", "throttled"),
        ("", "copies", "copies"),
    ):
        values = [one[name] for one in series]
        known = [value for value in values if value]
        if known:
            facts.append((label, f"{bars(values)} {unit}, up to {max(known):,.3g}"))
    if series:
        facts.append(("", f"{series[0]['length_s']:g} s a bar, from {series[0]['start_s']:+.0f} s about the step"))
    return facts


def print_capacity(report: dict[str, Any], console: Console) -> None:
    """Print what a sweep showed."""
    console.print()
    bounds = " and ".join(f"{_NAMES[name]} ≤ {_short(bound)}" for name, bound in report["bounds"].items())
    console.print(Text(f"Capacity: p{report['percentile']:g} of {bounds}", style="bold"), soft_wrap=True)
    if report["emulated"]:
        line = "EMULATED: what more users do to a copy is the emulator's guess. Spans below are at real speed."
        console.print(Text(line, style="yellow"), soft_wrap=True)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("users", "copies", "requests", "throttled", *(_HEADS[name] for name in report["bounds"]), ""):
        table.add_column(head, justify="right", no_wrap=True)
    for level in report["levels"]:
        cells = [_short(level["at_percentile"][name]) for name in report["bounds"]]
        verdict = "within" if level["within"] else "beyond: " + ", ".join(_NAMES[name] for name in level["broken"])
        few = " (few)" if level["few"] else ""
        share = f"{100 * level['throttled_share']:.1f}%"
        table.add_row(
            str(level["users"]), f"{level['copies']:.2f}", f"{level['requests']:,}", share, *cells, verdict + few
        )
    console.print(table)
    console.print()
    for label, value in _capacity_facts(report):
        console.print(f"[bold]{label:<13}[/bold] {escape(value)}", soft_wrap=True)
    for note in report["notes"]:
        console.print(f"[yellow]{'Note':<13}[/yellow] {escape(note)}", soft_wrap=True)


def _capacity_facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    sure = (
        f"{100 * report['confidence']:.0f}% of resamples say so; {report['users_low']} to {report['users_high']} in 95%"
    )
    if report["users"] is None:
        return [("Capacity", f"not even {report['levels'][0]['users']} users are within bounds ({sure})")]
    copies = report["copies_then"]
    line = f"{report['users']} users within bounds"
    if report["copies_source"] == UNKNOWN:
        line += " in all"
    else:
        line += f" on {copies:.2f} copies: {report['per_copy']:.1f} a copy" if copies > 1.01 else " on one copy"
    facts = [("Capacity", f"{line} ({sure})")]
    if report["beyond"] is None:
        facts.append(("Limit", "none was reached: try more users"))
    else:
        limit = f"{report['beyond']} users are beyond it, by {_NAMES[report['limited_by']]}"
        if report["crossing"] is not None:
            limit += f"; the bound is crossed at about {report['crossing']:.1f}"
        facts.append(("Limit", limit))
    return facts


def _short(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{1e3 * seconds:.1f} ms"
