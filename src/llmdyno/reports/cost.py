"""What a run costs, on a console. In: the report as it stands in cost.json. Out: lines through Rich.

What is emulated is called so, what is missing is said, and a figure that rests on an assumption has it beside it.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text


def dollars(value: str | Decimal | None) -> str:
    """Dollars to the cent; below ten, to the tenth of one; below a cent, two digits that count."""
    if value is None:
        return "unknown"
    amount = Decimal(value)
    if amount and abs(amount) < Decimal("0.01"):
        return f"${amount:.2g}"
    return f"${amount:,.3f}" if abs(amount) < 10 and amount % Decimal("0.01") else f"${amount:,.2f}"


def span(seconds: float) -> str:
    """A span as a person says it."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def print_cost(report: dict[str, Any], path: Path, console: Console) -> None:
    """Print a run's cost."""
    console.print()
    console.print(Text(f"llmdyno cost: {path}", style="bold"), soft_wrap=True)
    if report["emulated"]:
        line = (
            "EMULATED: nothing is billed; the real service's rules and rates on what the emulator did, at real speed."
        )
        console.print(Text(line, style="yellow"), soft_wrap=True)
    model, price = report["model"], report["price"]
    units = f"{model['units'] or '?'} CMU a copy ({model['units_version'] or 'version unknown'})"
    console.print(Text(f"{model['arn'] or 'model unknown'} · {units}", style="dim"), soft_wrap=True)
    if price is not None:
        line = (
            f"${price['dollars_per_cmu_minute']} a CMU and minute ({price['source']}): {dollars(price['window'])} a "
            f"window of five minutes, {dollars(price['copy_hour'])} a copy and hour"
        )
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print()
    _print_copies(report, console)
    for label, value in _facts(report):
        console.print(f"[bold]{label:<21}[/bold] {escape(value)}", soft_wrap=True)
    if report.get("projection") is not None:
        _print_projection(report["projection"], console)
    for note in report["notes"]:
        console.print(f"[yellow]{'Note':<21}[/yellow] {escape(note)}", soft_wrap=True)


def _print_copies(report: dict[str, Any], console: Console) -> None:
    copies, price = report["copies"], report["price"]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("copy", "ready", "first success", "last call", "calls", "windows", "dollars"):
        table.add_column(head, justify="left" if head == "copy" else "right", no_wrap=True)
    for number, copy in enumerate(copies["each"], 1):
        count = len(copy["windows"])
        cost = dollars(Decimal(price["window"]) * count) if price is not None else "–"
        moments = [_moment(copy[name]) for name in ("from_s", "first_success_s", "last_s")]
        table.add_row(str(number), *moments, f"{copy['calls']:,}", str(count), cost)
    if table.row_count:
        console.print(table)
        console.print(Text("moments are seconds after the run's start", style="dim"))
        console.print()


def _moment(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:,.1f}"


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    copies, windows, cost, delivered = report["copies"], report["windows"], report["cost"], report["delivered"]
    line = f"{copies['most']} {'or more' if copies['at_least'] else 'at most'}, {copies['source']}"
    if copies["calls_per_copy"] is not None:
        line += f"; one carried {copies['calls_per_copy']} calls at a time when it refused more"
    facts = [("Copies", line)]
    between = f" ({windows['low']} to {windows['high']})" if windows["low"] != windows["high"] else ""
    billed = f"{windows['billed']} window{'s' * (windows['billed'] != 1)} of five minutes{between}"
    if cost is None:
        return [*facts, ("Billed", billed)]
    between = ""
    if cost["run_low"] != cost["run_high"]:
        between = f" ({dollars(cost['run_low'])} to {dollars(cost['run_high'])})"
    more = " or more" if copies["at_least"] else ""
    facts.append(("This run", f"{dollars(cost['run'])}{more}{between}: {billed}"))
    tail = f"{span(cost['tail_s'])} of copies paid for after their last calls, {dollars(cost['tail'])} of the above"
    if windows["idle"]:
        tail += f"; {dollars(cost['idle'])} more, should windows without a call be billed too (unconfirmed)"
    facts.append(("Idle tail", tail))
    if delivered is not None:
        load = (
            f"{delivered['copies']:.2f} copies, {delivered['requests_per_hour']:,.0f} requests and "
            f"{delivered['output_tokens_per_hour']:,.0f} output tokens an hour"
        )
        facts.append(("An hour of this load", f"{dollars(cost['hour'])}: {load}"))
        facts.append(("A million out", f"{dollars(cost['million_output_tokens'])} a million output tokens"))
        facts.append(("A thousand requests", dollars(cost["thousand_requests"])))
    cold = report["cold_start_s"]
    wait = (
        f"who comes first waits {span(cold)} (measured)"
        if cold is not None
        else "who comes first waits for a cold start"
    )
    warm = (
        f"a copy kept warm costs {dollars(cost['warm_hour'])} an hour, {dollars(cost['warm_day'])} a day, "
        f"{dollars(cost['warm_month'])} in 30 days; let go cold, {wait} and each wake-up bills "
        f"{dollars(cost['wake'])} or more: as much from {Decimal(cost['wakes_a_day']):,.0f} wake-ups a day on"
    )
    facts.append(("Warm or cold", warm))
    if cost["storage_month"] is not None:
        facts.append(("Storage", f"{dollars(cost['storage_month'])} a month for keeping the model"))
    return facts + _comparison(report)


def _comparison(report: dict[str, Any]) -> list[tuple[str, str]]:
    found = report["comparison"]
    if found is None:
        return []
    there = (
        f"at {dollars(found['input_dollars_per_million'])} in and {dollars(found['output_dollars_per_million'])} out a "
        f"million tokens a thousand of these requests cost {dollars(found['thousand_requests'])}"
    )
    even = found["break_even_requests_per_hour"]
    if even is None:
        return [("By the token", there)]
    verdict = "this load is beyond that: copies are cheaper" if found["cheaper_here"] else "this load is below that"
    return [("By the token", f"{there}; copies cost as much at {Decimal(even):,.0f} requests an hour, and {verdict}")]


def _print_projection(found: dict[str, Any], console: Console) -> None:
    console.print()
    console.print(Text(f"A day: {found['traffic']}", style="bold"), soft_wrap=True)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for head in ("hour", "requests", "copies", "windows", "dollars", "throttled", "waited", "lost"):
        table.add_column(head, justify="right", no_wrap=True)
    for hour in found["hours"]:
        if not (hour["requests"] or hour["windows"]):
            continue
        cells = [f"{hour[name]:,}" for name in ("throttled", "waited", "lost")]
        cost = dollars(hour["dollars"]) if hour["dollars"] is not None else "–"
        copies = f"{hour['copies']:.2f}"
        table.add_row(str(hour["hour"]), f"{hour['requests']:,}", copies, str(hour["windows"]), cost, *cells)
    console.print(table)
    console.print(Text("throttled: attempts; waited: calls that met a cold model", style="dim"))
    console.print()
    windows, day, month = found["windows"], found["day"], found["month"]
    facts = [
        ("A day", f"{_range(day)}: {windows['billed']:,} windows ({windows['low']:,} to {windows['high']:,})"),
        ("A month", f"{_range(month)}: {found['days_a_month']} such days"),
        ("A thousand requests", dollars(found["thousand_requests"])),
        (
            "Copies",
            f"{found['most_copies']} at most; {found['cold_starts']} cold start{'s' * (found['cold_starts'] != 1)}, "
            f"for which {found['waited_for_a_cold_start']:,} calls waited; "
            f"{found['lost']:,} of {found['requests']:,} lost",
        ),
    ]
    for label, value in facts:
        console.print(f"[bold]{label:<21}[/bold] {escape(value)}", soft_wrap=True)
    for place, assumption in enumerate(found["assumptions"]):
        console.print(f"[dim]{'Assumed' if not place else '':<21} {escape(assumption)}[/dim]", soft_wrap=True)


def _range(found: dict[str, Any]) -> str:
    if found["dollars"] is None:
        return "price unknown"
    if found["low"] == found["high"]:
        return dollars(found["dollars"])
    return f"{dollars(found['dollars'])} ({dollars(found['low'])} to {dollars(found['high'])})"
