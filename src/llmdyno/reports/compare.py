"""Runs side by side: figures, their differences from the first run's, and how the loads differ.

Takes runs. Gives a plain dictionary, and lines on a page. What a difference and its interval mean is defined in
``metrics/compare``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmdyno.metrics.compare import difference
from llmdyno.metrics.request import RequestMetrics
from llmdyno.reports.summary import emulation_notice
from llmdyno.reports.text import ABSENT, damage_text
from llmdyno.runs.names import SPEC
from llmdyno.runs.run import Run

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

_FIGURES = (
    ("Time to first token", "ttft_s", "ms"),
    ("Inter-token latency", "inter_token_latency_s", "ms"),
    ("Time per output token", "time_per_output_token_s", "ms"),
    ("End-to-end latency", "end_to_end_latency_s", "ms"),
    ("Throughput per request", "request_output_throughput_token_per_s", "tok/s"),
)
_PERCENTILES = (50, 99)
_UNKNOWN = "unknown"
_LOAD_KEYS = ("concurrency", "requests", "duration_s", "input_tokens", "output_tokens", "ignore_eos", "temperature")
"""Two runs whose specs differ in one of these keys had different loads."""


def compare(runs: Sequence[Run]) -> dict[str, Any]:
    """The figures of runs, each with its difference from the first run's.

    Returns:
        `runs`: path, model, verdict, what is emulated, what is damaged; `figures`: a row for each figure and percentile
        with each run's value (seconds, or tokens a second) and, from the second run on, the difference, the ratio and,
        for figures that a request has one of, the 95% interval of the difference; `unlike`: what differs between the
        loads; `notes`: differences in cached tokens, in seed and in prompts.
    """
    rows: list[dict[str, Any]] = []
    for label, name, unit in _FIGURES:
        for percentile in _PERCENTILES:
            values = [run.summary["latency"][name].get(f"p{percentile}") for run in runs]
            intervals = [_interval(runs[0].figures, other.figures, name, percentile) for other in runs[1:]]
            rows.append(_row(f"{label} p{percentile}", f"{name}.p{percentile}", unit, values, intervals))
    none = [None] * (len(runs) - 1)
    rows.append(_row("Output throughput", "output_token_per_s", "tok/s", list(map(_throughput, runs)), none))
    rows.append(_row("Failed requests", "failed", "", list(map(_failed, runs)), none))
    return {"runs": list(map(_facts, runs)), "figures": rows, "unlike": _unlike(runs), "notes": _notes(runs)}


def show(found: dict[str, Any], page: Page) -> None:
    """Show what :func:`compare` found."""
    names = [chr(ord("A") + index) for index in range(len(found["runs"]))]
    page.blank()
    for name, run in zip(names, found["runs"], strict=True):
        trust = "trustworthy" if run["verdict"]["trustworthy"] else "read with care"
        page.fact(name, f"{run['path']}: {run['model']}, {run['succeeded']} succeeded, {trust}", 2)
        for reason in run["verdict"]["reasons"]:
            page.point(reason["text"], 3, "yellow")
        for notice in filter(None, (run["emulated"], *map(damage_text, run["damages"]))):
            page.point(notice, 3, "yellow")
    for note in found["notes"]:
        page.warning(note)
    page.blank()
    page.table(("", "unit", *names), [_values(row) for row in found["figures"]], left=(0, 1), dim=1)
    for index, name in enumerate(names[1:]):
        # A table of its own, so that it fits a terminal of eighty columns.
        page.blank()
        heads = ("", "unit", f"{name} − A", "× A", "95% within")
        page.table(heads, [_changes(row, index) for row in found["figures"]], left=(0, 1), dim=1)
    page.aside("* The interval includes 0: the difference may be chance.")
    if found["unlike"]:
        page.blank()
        page.warning("These runs are not the same load:")
    for entry in found["unlike"]:
        page.line(f"  {entry['key']}: {', '.join(entry['values'])}")


def _facts(run: Run) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "model": run.model,
        "succeeded": run.succeeded,
        "verdict": run.summary["verdict"],
        "emulated": emulation_notice(run),
        "damages": list(run.damages),
    }


def _unlike(runs: Sequence[Run]) -> list[dict[str, Any]]:
    return [
        {"key": key, "values": values}
        for key in _LOAD_KEYS
        if len(set(values := [_asked(run, key) for run in runs])) > 1
    ]


def _notes(runs: Sequence[Run]) -> list[str]:
    """What to know before the figures are compared: differences in cached tokens, in seed and in prompts."""
    named = (
        ("Cached input tokens", list(map(_cached, runs))),
        ("Seed of lengths and arrivals", [_asked(run, "seed") for run in runs]),
        ("Seed of prompts", list(map(_prompts, runs))),
    )
    notes = [f"{label}: {', '.join(values)}" for label, values in named if len(set(values)) > 1]
    sent = [_prompts(run) for run in runs]
    same = [chr(ord("A") + index) for index, one in enumerate(sent) if one in sent[:index] and one != _UNKNOWN]
    if same:
        notes.append(
            f"{', '.join(same)} sent the prompts of a run before it: the cache of the same server may have known them, "
            "and the TTFT is then too good"
        )
    return notes


def _asked(run: Run, key: str) -> str:
    """What a run's spec asks for under a key."""
    return _UNKNOWN if SPEC in run.unread else str(getattr(run.spec, key))


def _prompts(run: Run) -> str:
    """The seeds that a run's prompts were drawn from."""
    if SPEC in run.unread:
        return _UNKNOWN
    seed = run.spec.seed if run.spec.prompts_seed is None else run.spec.prompts_seed
    return f"{seed}"


def _cached(run: Run) -> str:
    """The share of a run's input tokens that the server had in its cache, as it says."""
    cached = run.summary["tokens"].get("cached")
    return _UNKNOWN if cached is None else f"{100 * (cached['share'] or 0):.0f}%"


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
    """The interval of a difference. Gaps between chunks have none: those of one request depend on each other."""
    if not hasattr(base, name):
        return None
    found = difference(getattr(base, name), getattr(other, name), percentile)
    return found[1:] if found is not None else None


def _factor(row: dict[str, Any]) -> float:
    return 1e3 if row["unit"] == "ms" else 1.0


def _values(row: dict[str, Any]) -> list[str]:
    """A row's value in each run."""
    values = (ABSENT if value is None else f"{value * _factor(row):,.2f}" for value in row["values"])
    return [row["label"], row["unit"], *values]


def _changes(row: dict[str, Any], index: int) -> list[str]:
    """A row's difference, ratio and interval in the run `index` after the first."""
    change, factor = row["changes"][index], _factor(row)
    if change is None:
        return [row["label"], row["unit"], ABSENT, ABSENT, ABSENT]
    ratio = f"{change['ratio']:.2f}" if change["ratio"] is not None else ABSENT
    interval = ABSENT
    if change["interval"] is not None:
        low, high = (bound * factor for bound in change["interval"])
        interval = f"{low:+.2f} to {high:+.2f}" + (" *" if low <= 0 <= high else "  ")
    return [row["label"], row["unit"], f"{change['difference'] * factor:+,.2f}", ratio, interval]


def _throughput(run: Run) -> float | None:
    whole = run.summary["throughput"]["whole_run"]
    return float(whole["output_token_per_s"]) if whole else None


def _failed(run: Run) -> float:
    return float(run.summary["requests"]["failed"])
