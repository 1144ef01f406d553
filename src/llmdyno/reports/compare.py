"""Runs side by side: figures, differences from the first run's, and what makes the runs unlike.

In: runs. Out: plain dictionaries, or a table through Rich.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from llmdyno.metrics.compare import difference
from llmdyno.metrics.request import RequestMetrics, request_metrics
from llmdyno.reports.console import emulation_notice
from llmdyno.runs.run import Run

_FIGURES = (
    ("Time to first token", "ttft_s", "ms"),
    ("Inter-token latency", "inter_token_latency_s", "ms"),
    ("Time per output token", "time_per_output_token_s", "ms"),
    ("End-to-end latency", "end_to_end_latency_s", "ms"),
    ("Throughput per request", "request_output_throughput_token_per_s", "tok/s"),
)
_PERCENTILES = (50, 99)
_LOAD_KEYS = ("concurrency", "requests", "duration_s", "input_tokens", "output_tokens", "ignore_eos", "temperature")
"""Keys of the spec that make two runs another load."""


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of runs, each with its difference from the first's.

    Returns:
        `runs`: path, model, verdict, what is emulated; `figures`: a row a figure and percentile with each run's value
        (s, or tokens a second) and, from the second run on, the difference, the ratio and, for figures that a request
        has one of, the 95% interval of the difference; `unlike`: what differs between the loads.
    """
    base, per_request = runs[0], [request_metrics(run.measured) for run in runs]
    rows: list[dict[str, Any]] = []
    for label, name, unit in _FIGURES:
        for percentile in _PERCENTILES:
            values = [run.summary["latency"][name].get(f"p{percentile}") for run in runs]
            intervals = [_interval(per_request[0], other, name, percentile) for other in per_request[1:]]
            rows.append(_row(f"{label} p{percentile}", f"{name}.p{percentile}", unit, values, intervals))
    none = [None] * (len(runs) - 1)
    rows.append(_row("Output throughput", "output_token_per_s", "tok/s", list(map(_throughput, runs)), none))
    rows.append(_row("Failed requests", "failed", "", list(map(_failed, runs)), none))
    unlike = [
        {"key": key, "values": [str(getattr(run.spec, key)) for run in runs]}
        for key in _LOAD_KEYS
        if any(getattr(run.spec, key) != getattr(base.spec, key) for run in runs)
    ]
    return {
        "runs": [
            {
                "path": str(run.path),
                "model": run.model,
                "succeeded": run.succeeded,
                "verdict": run.summary["verdict"],
                "emulated": emulation_notice(run),
            }
            for run in runs
        ],
        "figures": rows,
        "unlike": unlike,
    }


def print_comparison(found: dict[str, Any]) -> None:
    """Print them."""
    console = Console(highlight=False)
    names = [chr(ord("A") + place) for place in range(len(found["runs"]))]
    console.print()
    for name, run in zip(names, found["runs"], strict=True):
        trust = "trustworthy" if run["verdict"]["trustworthy"] else "read with care"
        line = f"{run['path']}: {run['model']}, {run['succeeded']} succeeded, {trust}"
        console.print(f"[bold]{name}[/bold]  {escape(line)}", soft_wrap=True)
        for reason in run["verdict"]["reasons"]:
            console.print(f"   [yellow]- {escape(reason['text'])}[/yellow]", soft_wrap=True)
        if run["emulated"]:
            console.print(f"   [yellow]{escape(run['emulated'])}[/yellow]", soft_wrap=True)
    console.print()
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("unit", style="dim", no_wrap=True)
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
    for name in names[1:]:
        table.add_column(f"{name} − A", justify="right", no_wrap=True)
        table.add_column("× A", justify="right", no_wrap=True)
        table.add_column("95% within", justify="right", no_wrap=True)
    for row in found["figures"]:
        factor = 1e3 if row["unit"] == "ms" else 1.0
        cells = [_number(value, factor) for value in row["values"]]
        for change in row["changes"]:
            cells += _cells(change, factor)
        table.add_row(row["label"], row["unit"], *cells)
    # A table that is cut says nothing: a pipe is 80 columns wide for Rich, whoever reads it.
    wanted = console.measure(table, options=console.options.update(max_width=1000)).maximum
    Console(highlight=False, width=max(console.width, wanted)).print(table)
    if found["unlike"]:
        console.print("\n[yellow]These runs are not the same load:[/yellow]")
    for entry in found["unlike"]:
        console.print(f"  {entry['key']}: {', '.join(map(escape, entry['values']))}")
    console.print("[dim]A difference whose interval holds 0 may be chance.[/dim]")


def _row(
    label: str, name: str, unit: str, values: list[float | None], intervals: Sequence[tuple[float, float] | None]
) -> dict[str, Any]:
    changes: list[dict[str, Any] | None] = []
    for value, interval in zip(values[1:], intervals, strict=True):
        base = values[0]
        if base is None or value is None:
            changes.append(None)
        else:
            changes.append({"difference": value - base, "ratio": value / base if base else None, "interval": interval})
    return {"label": label, "name": name, "unit": unit, "values": values, "changes": changes}


def _interval(base: RequestMetrics, other: RequestMetrics, name: str, percentile: int) -> tuple[float, float] | None:
    """The difference's interval; only for figures that a request has one of, since gaps within one hang together."""
    if not hasattr(base, name):
        return None
    found = difference(getattr(base, name), getattr(other, name), percentile)
    return found[1:] if found is not None else None


def _cells(change: dict[str, Any] | None, factor: float) -> list[str]:
    if change is None:
        return ["–", "–", "–"]
    ratio = f"{change['ratio']:.2f}" if change["ratio"] is not None else "–"
    interval = "–"
    if change["interval"] is not None:
        low, high = (bound * factor for bound in change["interval"])
        interval = f"{low:+.2f} to {high:+.2f}" + (" *" if low <= 0 <= high else "  ")
    return [f"{change['difference'] * factor:+,.2f}", ratio, interval]


def _number(value: float | None, factor: float) -> str:
    return "–" if value is None else f"{value * factor:,.2f}"


def _throughput(run: Run) -> float | None:
    whole = run.summary["throughput"]["whole_run"]
    return float(whole["output_token_per_s"]) if whole else None


def _failed(run: Run) -> float:
    return float(run.summary["requests"]["failed"])
