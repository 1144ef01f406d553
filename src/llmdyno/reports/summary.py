"""A run's summary: what a person reads in ten seconds.

Takes a run. Gives its title, its load, its table of latencies, its facts and its verdict as plain text, and shows them
on a page. Every figure is the summary's own. A percentile that its sample cannot support is marked, and an emulated
endpoint is named as one. It knows neither Rich nor Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.reports.coldstarts import cold_start_text, cold_starts_together
from llmdyno.reports.text import bars, damage_text, figure, plural, reason_text
from llmdyno.runs.names import SPEC
from llmdyno.runs.run import INTERRUPTED, RECOVERED, UNKNOWN, Run
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.secrets import masked_url

if TYPE_CHECKING:
    from llmdyno.reports.console import Page

COLUMNS = ("p50", "p90", "p95", "p99", "mean", "max")
UNSUPPORTED = "* fewer than 3 observations lie beyond this percentile"
_MS, _RATE = "ms", "tok/s"
_TYPICAL = ("p50", "mean", "max", "min")
"""The first of these that is known and not zero chooses a row's unit."""

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
"""In an open loop the first figure counts from the planned instant, and failed requests are its tail. The figure from
the send is below it."""

_REASONING_ROWS = (("  to first reasoning", "ttfr_s"), ("  to first answer", "ttfa_s"))
"""Rows below the time to the first token, if reasoning was streamed."""

_USUAL_TIERS = {"auto", "default", "standard"}
"""Service tiers that need no line of their own."""

_SOURCES = {
    "server": "counted by the server",
    "tokenizer": "counted by the tokenizer",
    "chunks": "taken to be the number of chunks, as no better count was given",
}


class Row(NamedTuple):
    """One row of the table of latencies. A cell is a number, a number with a star (its percentile is not supported),
    or `failed` (it falls among the requests that failed). `cells` follow :data:`COLUMNS`."""

    label: str
    unit: str
    cells: tuple[str, ...]


def show(run: Run, page: Page) -> None:
    """Show a run's summary."""
    summary = run.summary
    page.blank()
    page.title(title(run))
    if (notice := emulation_notice(run)) is not None:
        page.warning(notice)
    if measured(summary):
        page.aside(" · ".join(load(run)))
    if (status := status_notice(summary)) is not None:
        page.warning(status)
    for damage in run.damages:
        page.warning(damage_text(damage))
    page.blank()
    rows = latency_rows(summary)
    if rows:
        _show_rows(rows, page)
        page.blank()
    page.facts(facts(run))
    for line in errors(summary):
        page.fact("Failed", line, head="bold red")
    if measured(summary):
        page.blank()
        show_verdict(summary["verdict"], page)
    page.fact("Run directory", str(run.path), whole=True)
    if run.model_facts is not None:
        page.fact("Cost", f"llmdyno cost {run.path}", whole=True)


def measured(summary: dict[str, Any]) -> bool:
    """Whether there was a load to measure, rather than cold starts alone."""
    return bool(summary["requests"]["total"] or not summary["cold_starts"])


def title(run: Run) -> str:
    """The run's name, the model, and the address of an endpoint outside this process."""
    base_url = run.spec.base_url
    address = masked_url(base_url) if base_url else run.environment.endpoint.address
    embedded = run.emulated is not None and run.emulated.embedded
    where = "" if embedded or address is None else f" at {address}"
    return f"{run.spec.name or 'llmdyno run'}: {run.model}{where}"


def emulation_notice(run: Run) -> str | None:
    """One line that says that the endpoint was emulated, and at what speed; None for a real one."""
    emulated = run.emulated
    if emulated is None:
        return None
    speed = 1.0 if emulated.speed is None else emulated.speed
    line = f"EMULATED endpoint: llmdyno's own emulator, profile {emulated.profile}, at {speed:g}× real speed"
    if speed == 1:
        return f"{line}."
    return f"{line}; durations are {speed:g}× shorter than in reality."


def status_notice(summary: dict[str, Any]) -> str | None:
    """What to know of a run that did not end as planned; None for one that did."""
    if summary["status"] == INTERRUPTED:
        return "Interrupted. The figures cover what was measured until then."
    if summary["status"] == RECOVERED:
        if not (summary["requests"]["total"] or summary["warmup_requests"] or summary["cold_starts"]):
            return "This run was stopped before its first request ended. Nothing was measured."
        return "This run never ended; read back from its journal."
    if summary["status"] == UNKNOWN:
        return "How this run ended is not known."
    return None


def lengths_text(lengths: Distribution) -> str:
    """A distribution as a person writes it: 500±25."""
    return f"{lengths.a:g}±{lengths.b:g}" if lengths.kind == "normal" else str(lengths)


def load(run: Run) -> list[str]:
    """What was sent and how it was measured, in short parts."""
    spec, environment, clock = run.spec, run.environment, run.summary["clock"]
    parts = _asked(run) if SPEC not in run.unread else ["the load is not known"]
    if run.summary["warmup_requests"]:
        parts.append(f"{run.summary['warmup_requests']} warm-up requests, not counted")
    parts += environment.endpoint.notes
    parts.append(f"prompt tokens by {environment.tokenizer.name or 'an unknown tokenizer'}")
    share = clock["kernel_stamped_share"]
    if clock.get("sdk_share"):
        parts.append("stamps at the library's iterator")
    elif share is not None:
        kind = "kernel stamps" if share == 1 else "read stamps" if share == 0 else f"{100 * share:.0f}% kernel stamps"
        parts.append(kind)
    if SPEC not in run.unread:
        parts.append(f"seed {spec.seed}")
    if spec.same_prompts:
        parts.append("the very prompts of an earlier run, as asked")
    return parts


def _asked(run: Run) -> list[str]:
    """The load that the spec asks for, and the lengths."""
    spec = run.spec
    lengths = f"{lengths_text(spec.input_tokens)} tokens in, {lengths_text(spec.output_tokens)} out"
    if spec.arrivals.startswith("replay "):
        lengths = "lengths from the trace"
    rate = run.summary["throughput"].get("planned_request_per_s")
    plan = f" (this plan: {rate:.3g}/s)" if rate is not None and spec.arrivals != "constant" else ""
    return [spec.load.describe() + plan, run.environment.workload or lengths]


def latency_rows(summary: dict[str, Any]) -> list[Row]:
    """The table of latencies; a figure without observations has no row."""
    found = []
    rows = list(_OPEN_ROWS if summary.get("load") == "open" else _ROWS)
    if summary["latency"].get("ttfr_s", {"count": 0})["count"]:
        after = next(index for index, (_, name) in enumerate(rows) if name == "ttft_s")
        rows[after + 1 : after + 1] = _REASONING_ROWS
    for label, name in rows:
        figures = summary["latency"].get(name, {"count": 0})
        if not figures["count"]:
            continue
        unit, factor = _unit(name, next(filter(None, (figures[one] for one in _TYPICAL)), 1.0))
        found.append(Row(label, unit, tuple(_cell(figures, column, factor) for column in COLUMNS)))
    return found


def marked(rows: Sequence[Row]) -> bool:
    """Whether a row has a percentile that its sample cannot support."""
    return any(cell.endswith("*") for row in rows for cell in row.cells)


def facts(run: Run) -> list[tuple[str, str]]:
    """Cold starts, throughput, requests, their course, goodput and tokens: labels and values."""
    summary = run.summary
    found = [("Cold start", cold_start_text(one)) for one in summary.get("cold_starts", [])]
    found += _throughput(summary)
    if not measured(summary):
        return found + cold_starts_together(summary["cold_starts"])
    found.append(("Requests", _requests(summary)))
    found += over_time(summary.get("slices") or [])
    goodput = summary["throughput"]["goodput_request_per_s"]
    if goodput is not None:
        bounds = ", ".join(f"{name} ≤ {bound:g} s" for name, bound in run.spec.slo.items())
        clock = " at real speed" if (run.emulated is not None and run.emulated.speed != 1) else ""
        found.append(("Goodput", f"{goodput:.3f} requests/s with {bounds}{clock}"))
    return found + answers(summary)


def answers(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """What is known of tokens, of the ends of answers and of connections: labels and values."""
    tokens, found = summary["tokens"], []
    if tokens["output_tokens"]["count"]:
        source = ", ".join(_SOURCES[name] for name in tokens["output_tokens_from"])
        medians = f"{tokens['input_tokens']['p50']:,.0f} in, {tokens['output_tokens']['p50']:,.0f} out"
        lines = [f"{medians} per request (p50; output {source})", *_more_tokens(tokens)]
        found += [("" if index else "Tokens", line) for index, line in enumerate(lines)]
    if summary["finish_reasons"]:
        ends = ", ".join(f"{count} × {_plain(name)}" for name, count in summary["finish_reasons"].items())
        found.append(("Ended by", ends))
    tiers = summary.get("service_tiers", {})
    if set(tiers) - _USUAL_TIERS or len(tiers) > 1:
        found.append(("Tiers", ", ".join(f"{count} × {_plain(name)}" for name, count in tiers.items())))
    connections = summary["connections"]
    if connections.get("closed_after_every_answer"):
        opened = f"{connections['opened']} were opened: the server closes each one after its answer"
        found.append(("Connections", opened))
    elif connections.get("closed_by_timeouts") and connections.get("excess"):
        closed = f"this client closed {connections['closed_by_timeouts']}, whose requests timed out or were stopped"
        found.append(("Connections", f"{connections['opened']} were opened: {closed}"))
    return found


def _more_tokens(tokens: dict[str, Any]) -> list[str]:
    """Tokens by kind, hidden and cached ones, and those beyond the prompt; nothing where nothing is special."""
    lines = []
    kinds = {name: count for name, count in tokens.get("by_kind", {}).items() if count}
    if set(kinds) - {"text"}:
        lines.append("streamed: " + ", ".join(f"{count:,} {name}" for name, count in kinds.items()))
    if (hidden := tokens.get("not_streamed")) is not None:
        share = f"{100 * hidden['share']:.0f}% of the output" if hidden["share"] is not None else "of the output"
        lines.append(f"hidden: {hidden['total']:,} tokens, {share}, were counted and not streamed")
    if (cached := tokens.get("cached")) is not None and cached["total"]:
        line = f"cached: {cached['total']:,} input tokens, {100 * (cached['share'] or 0):.0f}% of the input"
        lines.append(
            line + ("" if cached["total"] <= cached["expected"] else f"; at most {cached['expected']:,} were expected")
        )
    if (beyond := tokens.get("beyond_prompt")) is not None and beyond["p50"] > 0:
        share = f"{100 * beyond['share']:.0f}% of the input"
        lines.append(f"template: {plural(round(beyond['p50']), 'token')} beyond the prompt, {share}")
    return lines


def over_time(slices: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Throughput, TTFT and failures slice by slice, as bars; nothing for fewer than four slices."""
    if len(slices) < 4:
        return []
    last = "" if slices[-1]["length_s"] == slices[0]["length_s"] else "; the last is shorter"
    rates = [one["output_token_per_s"] for one in slices]
    lines = [f"{bars(rates)} tokens/s, up to {max(rates):,.0f} ({slices[0]['length_s']:g} s a bar{last})"]
    ttfts = [one["ttft_p50_s"] for one in slices]
    if any(ttfts):
        largest = max(value for value in ttfts if value is not None)
        lines.append(f"{bars(ttfts)} TTFT p50, up to {1e3 * largest:,.0f} ms")
    failed = [one["failed"] for one in slices]
    if any(failed):
        lines.append(f"{bars(failed)} failures, up to {max(failed)}")
    return [("" if index else "Over time", line) for index, line in enumerate(lines)]


def errors(summary: dict[str, Any]) -> list[str]:
    """Each kind of failure in one line, the most frequent first."""
    lines = []
    for error in summary["errors"]:
        code = f" {error['code']}" if error["code"] is not None else ""
        code += f" {error['type']}" if error["type"] else ""
        others = error["messages"] - 1
        more = f" (and {others} other message{'s' * (others != 1)})" if others else ""
        lines.append(f"{error['count']} × {error['kind']}{code}: {_plain(str(error['message']))}{more}")
    return lines


def _plain(text: str) -> str:
    """A server's text on one line, without control characters: they could rewrite what a terminal shows."""
    return "".join(character if character.isprintable() else " " for character in text).strip()


def _show_rows(rows: Sequence[Row], page: Page) -> None:
    # A star takes the place of a space, so that the digits are aligned.
    cells = [(row.label, row.unit, *(cell if cell.endswith("*") else f"{cell} " for cell in row.cells)) for row in rows]
    page.table(("", "unit", *(f"{column} " for column in COLUMNS)), cells, left=(0, 1), dim=1, gap=1)
    if marked(rows):
        page.aside(UNSUPPORTED)


def show_verdict(verdict: dict[str, Any], page: Page) -> None:
    """Show the verdict: each reason, which figures it touches, and what to do about it."""
    if verdict["trustworthy"]:
        page.fact("Verdict", "trustworthy: no reason found to doubt this measurement", style="green")
        return
    page.fact("Verdict", "read with care:", style="yellow")
    for reason in verdict["reasons"]:
        page.point(reason_text(reason), 14)


def _unit(name: str, typical: float) -> tuple[str, float]:
    """The unit to show a figure in, and what to multiply the summary's value by."""
    if not name.endswith("_s") or name.endswith("per_s"):
        return _RATE, 1.0
    return ("s", 1.0) if typical >= 1 else (_MS, 1e3)


def _cell(figures: dict[str, Any], column: str, factor: float) -> str:
    if figures[column] is None:
        return "failed"
    return figure(figures[column] * factor) + ("*" if column in figures["unsupported"] else "")


def _throughput(summary: dict[str, Any]) -> list[tuple[str, str]]:
    steady, whole = summary["throughput"]["steady"], summary["throughput"]["whole_run"]
    if whole is None:
        return []
    line = f"{whole['output_token_per_s']:,.1f} output tokens/s over the whole run of {whole['length_s']:.1f} s"
    if steady is not None:
        line = f"{steady['output_token_per_s']:,.1f} output tokens/s in the steady {steady['length_s']:.1f} s; {line}"
    return [("Throughput", line)]


def _requests(summary: dict[str, Any]) -> str:
    requests, whole = summary["requests"], summary["throughput"]["whole_run"]
    line = f"{requests['succeeded']} succeeded, {requests['failed']} failed"
    if requests["cancelled"]:
        line += f", {requests['cancelled']} cancelled in flight"
    if requests["retries"]:
        line += f", {requests['retries']} of them attempts after throttling"
        if "unanswered" in requests:
            line += f" ({requests['unanswered']} of {requests['asked']} requests finally got no answer)"
    if requests.get("resends"):
        line += f", {requests['resends']} written again after the server closed a kept connection"
    if requests["without_text"]:
        line += f", {requests['without_text']} of them without any text"
    if whole is not None:
        peak = summary["throughput"]["peak_concurrency"]
        line += f" · {60 * whole['request_per_s']:,.1f} a minute · at most {peak} in flight"
    return line
