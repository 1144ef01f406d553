"""The summary on a console: what a person reads in ten seconds.

In: a run. Out: lines through Rich. Every figure is the summary's own; a percentile that its sample
cannot support is marked, and whatever was emulated is called emulated.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from llmdyno.runs.run import INTERRUPTED, RECOVERED, Run
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.spec import Spec

_ROWS = (
    ("Time to first token", "ttft_s"),
    ("Inter-token latency", "inter_token_latency_s"),
    ("Time per output token", "time_per_output_token_s"),
    ("End-to-end latency", "end_to_end_latency_s"),
    ("Throughput per request", "request_output_throughput_token_per_s"),
)
_OPEN_ROWS = (
    ("Time to first token", "ttft_scheduled_s"),
    ("  from its send", "ttft_s"),
    *_ROWS[1:3],
    ("End-to-end latency", "end_to_end_scheduled_s"),
    ("  from its send", "end_to_end_latency_s"),
    _ROWS[4],
    ("Send after planned", "send_lateness_s"),
)
"""In an open loop the headline counts from the planned instant, with failures in the tail; beside it from the send."""

_COLUMNS = ("p50", "p90", "p95", "p99", "mean", "max")


def print_summary(run: Run, console: Console) -> None:
    """Print the run's summary."""
    summary = run.summary
    console.print()
    console.print(Text(_title(run), style="bold"), soft_wrap=True)
    emulated = emulation_notice(run)
    if emulated:
        console.print(Text(emulated, style="yellow"), soft_wrap=True)
    if summary["requests"]["total"] or not summary["cold_starts"]:
        console.print(Text(_load_line(run), style="dim"), soft_wrap=True)
    if summary["status"] == INTERRUPTED:
        console.print(Text("Interrupted: what was measured until then.", style="yellow"))
    elif summary["status"] == RECOVERED:
        console.print(Text("This run never ended; read back from its journal.", style="yellow"))
    console.print()
    rows = _OPEN_ROWS if summary.get("load") == "open" else _ROWS
    table, marked = _latency_table(summary["latency"], rows)
    if table.row_count:
        console.print(table)
        if marked:
            console.print(Text("* fewer than 3 observations lie beyond this percentile", style="dim"))
        console.print()
    for label, value in _facts(run):
        console.print(f"[bold]{label:<13}[/bold] {escape(value)}", soft_wrap=True)
    _print_errors(summary, console)
    if summary["requests"]["total"] or not summary["cold_starts"]:
        console.print()
        _print_verdict(summary, console)
    console.print(f"[bold]{'Run directory':<13}[/bold] {escape(str(run.path))}", soft_wrap=True)
    if run.environment.get("endpoint", {}).get("imported_model"):
        console.print(f"[bold]{'Cost':<13}[/bold] llmdyno cost {escape(str(run.path))}", soft_wrap=True)


def emulation_notice(run: Run) -> str | None:
    """One line that says the endpoint was emulated and at what speed; None for a real one."""
    emulated = run.environment.get("endpoint", {}).get("emulated")
    if not emulated:
        return None
    speed = emulated.get("speed")
    line = f"EMULATED endpoint: llmdyno's own emulator, profile {emulated.get('profile')}, at {speed:g}× real speed"
    return line + ("; times are as many times shorter." if speed != 1 else ".")


def lengths_text(lengths: Distribution) -> str:
    """A distribution as a person writes it: 500±25."""
    return f"{lengths.a:g}±{lengths.b:g}" if lengths.kind == "normal" else str(lengths)


def _title(run: Run) -> str:
    address = run.spec.base_url or run.environment.get("endpoint", {}).get("address")
    where = "" if run.spec.api == "emulator" else f" at {address}"
    return f"{run.spec.name or 'llmdyno run'}: {run.model}{where}"


def _load_line(run: Run) -> str:
    spec: Spec = run.spec
    parts = [spec.load.describe()]
    lengths = f"{lengths_text(spec.input_tokens)} tokens in, {lengths_text(spec.output_tokens)} out"
    if spec.arrivals.startswith("replay "):
        lengths = "lengths from the trace"
    parts.append(run.environment.get("workload") or lengths)
    if run.summary["warmup_requests"]:
        parts.append(f"{run.summary['warmup_requests']} warm-up requests apart")
    parts += run.environment.get("endpoint", {}).get("notes") or []
    parts.append(f"prompt tokens by {run.environment.get('tokenizer', {}).get('name', 'unknown')}")
    share = run.summary["clock"]["kernel_stamped_share"]
    if run.summary["clock"].get("sdk_share"):
        parts.append("stamps at the library's iterator")
    elif share is not None:
        parts.append(
            "kernel stamps" if share == 1 else "read stamps" if share == 0 else f"{100 * share:.0f}% kernel stamps"
        )
    parts.append(f"seed {spec.seed}")
    return " · ".join(parts)


def _latency_table(latency: dict[str, dict[str, Any]], rows: tuple[tuple[str, str], ...]) -> tuple[Table, bool]:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("unit", style="dim", no_wrap=True)
    for column in _COLUMNS:
        table.add_column(column + " ", justify="right", no_wrap=True)
    marked = False
    for label, name in rows:
        figures = latency.get(name, {"count": 0})
        if not figures["count"]:
            continue
        unit, factor = _unit(name, figures["p50"] or figures["min"] or 1.0)
        cells = []
        for column in _COLUMNS:
            if figures[column] is None:  # it falls among the requests that failed
                cells.append("failed ")
                continue
            mark = column in figures["unsupported"]
            marked = marked or mark
            cells.append(_number(figures[column] * factor) + ("*" if mark else " "))
        table.add_row(label, unit, *cells)
    return table, marked


def _unit(name: str, p50: float) -> tuple[str, float]:
    if not name.endswith("_s") or name.endswith("per_s"):
        return "tok/s", 1.0
    return ("s", 1.0) if p50 >= 1 else ("ms", 1e3)


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}"


def cold_start_text(found: dict[str, Any]) -> str:
    """The cold start in one line."""
    refused = ", ".join(f"{count} × {name}" for name, count in found["refused"].items())
    if found["cold_start_s"] is not None:
        line = f"{found['cold_start_s']:.2f} s from the first attempt to the first answer ({refused})"
    elif found["cold"]:
        return f"never answered ({refused})"
    else:
        line = "none: the model answered at once" + (f" ({refused})" if refused else "")
    if found["first_ttft_s"] is not None and found["warmed_ttft_s"] is not None:
        line += f"; TTFT {1e3 * found['first_ttft_s']:.0f} ms at first, {1e3 * found['warmed_ttft_s']:.0f} ms warmed"
    return line


def _cold_start_facts(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The series in one line, where there is one."""
    lengths = sorted(one["cold_start_s"] for one in found if one["cold_start_s"] is not None)
    if len(lengths) < 2:
        return []
    middle = statistics.median(lengths)
    return [
        ("All of them", f"{len(lengths)} cold starts: {lengths[0]:.2f} s to {lengths[-1]:.2f} s, median {middle:.2f} s")
    ]


def _facts(run: Run) -> list[tuple[str, str]]:
    summary = run.summary
    throughput, requests = summary["throughput"], summary["requests"]
    facts = []
    facts += [("Cold start", cold_start_text(found)) for found in summary.get("cold_starts", [])]
    steady, whole = throughput["steady"], throughput["whole_run"]
    if whole is not None:
        line = f"{whole['output_token_per_s']:,.1f} output tokens/s over the whole run of {whole['length_s']:.1f} s"
        if steady is not None:
            line = (
                f"{steady['output_token_per_s']:,.1f} output tokens/s in the steady {steady['length_s']:.1f} s; " + line
            )
        facts.append(("Throughput", line))
    if not requests["total"] and summary["cold_starts"]:
        return facts + _cold_start_facts(summary["cold_starts"])
    line = f"{requests['succeeded']} succeeded, {requests['failed']} failed"
    if requests["cancelled"]:
        line += f", {requests['cancelled']} cancelled in flight"
    if requests["retries"]:
        line += f", {requests['retries']} of them attempts after throttling"
    if requests["without_text"]:
        line += f", {requests['without_text']} of them without any text"
    if whole is not None:
        line += f" · {60 * whole['request_per_s']:,.1f} a minute · at most {throughput['peak_concurrency']} in flight"
    facts.append(("Requests", line))
    facts += _over_time(summary.get("slices") or [])
    if throughput["goodput_request_per_s"] is not None:
        bounds = ", ".join(f"{name} ≤ {bound:g} s" for name, bound in run.spec.slo.items())
        facts.append(("Goodput", f"{throughput['goodput_request_per_s']:.3f} requests/s with {bounds}"))
    tokens = summary["tokens"]
    if tokens["output_tokens"]["count"]:
        source = ", ".join(_SOURCES[name] for name in tokens["output_tokens_from"])
        facts.append(
            (
                "Tokens",
                f"{tokens['input_tokens']['p50']:,.0f} in, {tokens['output_tokens']['p50']:,.0f} out per request "
                f"(p50; output counted by {source})",
            )
        )
    return facts


_BARS = "▁▂▃▄▅▆▇█"


def _over_time(slices: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Throughput, TTFT and failures slice by slice, as bars, where there are enough to see a course."""
    if len(slices) < 4:
        return []
    last = "" if slices[-1]["length_s"] == slices[0]["length_s"] else ", the last one shorter"
    rates = [one["output_token_per_s"] for one in slices]
    lines = [f"{bars(rates)} tokens/s, up to {max(rates):,.0f} ({slices[0]['length_s']:g} s a bar{last})"]
    ttfts = [one["ttft_p50_s"] for one in slices]
    if any(ttfts):
        largest = max(value for value in ttfts if value is not None)
        lines.append(f"{bars(ttfts)} TTFT p50, up to {1e3 * largest:,.0f} ms")
    failed = [one["failed"] for one in slices]
    if any(failed):
        lines.append(f"{bars(failed)} failures, up to {max(failed)}")
    return [("Over time" if place == 0 else "", line) for place, line in enumerate(lines)]


def bars(values: Sequence[float | None]) -> str:
    """A bar a value, the largest one full; none for a value that is not there or 0."""
    largest = max((value for value in values if value is not None), default=0) or 1
    return "".join(" " if not value else _BARS[min(7, int(8 * value / largest))] for value in values)


_SOURCES = {"server": "the server", "tokenizer": "the tokenizer", "chunks": "chunks, no better count given"}


def _print_errors(summary: dict[str, Any], console: Console) -> None:
    for error in summary["errors"]:
        code = f" {error['code']}" if error["code"] is not None else ""
        code += f" {error['type']}" if error["type"] else ""
        more = f" (and {error['messages'] - 1} other messages)" if error["messages"] > 1 else ""
        line = f"{error['count']} × {error['kind']}{code}: {escape(str(error['message']))}{more}"
        console.print(f"[bold red]{'Failed':<13}[/bold red] {line}", soft_wrap=True)


def _print_verdict(summary: dict[str, Any], console: Console) -> None:
    found = summary["verdict"]
    if found["trustworthy"]:
        console.print(
            f"[bold]{'Verdict':<13}[/bold] [green]trustworthy[/green]: no reason found to doubt this measurement"
        )
        return
    console.print(f"[bold]{'Verdict':<13}[/bold] [yellow]read with care[/yellow]:")
    for reason in found["reasons"]:
        console.print(Padding(Text(f"- {reason['text']}"), (0, 0, 0, 14)))
