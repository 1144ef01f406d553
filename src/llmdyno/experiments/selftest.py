"""What this machine can measure: the whole command against a null server, with more streams and higher rates each step.

In: a function that measures a spec. Out: steps, each with its error against the null server's own record; the range in
which the error stays below a millisecond; a file in the user's cache. Later runs compare their load with that file.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.host.child import Child
from llmdyno.host.files import read_text
from llmdyno.spec.spec import Spec
from llmdyno.transports.http1.tls import make_context

if TYPE_CHECKING:
    from llmdyno.runs.run import Run

STREAMS = (1, 32, 64, 128, 256, 512, 1024, 2048, 4096)
RATES = (10, 100, 300, 1000, 2000, 4000, 8000)
ERROR_S = 0.001
CPU_SHARE, READ_LAG_S, DELIVERED = 0.95, 0.005, 0.98
TTFT_MS, GAP_MS, TOKENS = 100, 20, 64
FEW_STREAMS = 8
FEW_REQUESTS = 4
"""With FEW_STREAMS or fewer, a step sends FEW_REQUESTS, and may not open all streams at once."""

Measure = Callable[[Spec], "Run"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step.

    `kind`: "streams" or "rate". `asked` and `reached`: the planned and the real number of streams or of sends per
    second. Errors and lags are in seconds. `beyond`: why the step is beyond the machine's range (None: it is within the
    range).
    """

    kind: str
    asked: float
    reached: float
    chunks_per_s: float
    ttft_error_p99_s: float
    gap_error_p99_s: float | None
    send_lateness_p99_s: float | None
    read_lag_p99_s: float | None
    cpu_share: float
    beyond: str | None


def selftest(
    measure: Measure,
    on_step: Callable[[Step], None],
    streams: tuple[int, ...] = STREAMS,
    rates: tuple[int, ...] = RATES,
) -> dict[str, Any]:
    """Measure step by step, until a step of each kind is beyond the range.

    Args:
        measure: measures a spec.
        on_step: gets each step when it is done.
        streams: the numbers of streams to try, rising.
        rates: the rates to try, in requests per second, rising.

    Returns:
        `streams`, `chunks_per_s` and `rate`: the highest values with an error below a millisecond; `when`; `steps`.
    """
    import tempfile

    steps: list[Step] = []
    with NullServer() as server, tempfile.TemporaryDirectory() as folder:
        for kind, values in (("streams", streams), ("rate", rates)):
            for value in values:
                step = measure_step(measure, server, kind, value, Path(folder) / f"{kind}-{value}")
                steps.append(step)
                on_step(step)
                if step.beyond is not None:
                    break
    held = [step for step in steps if step.beyond is None]
    return {
        "streams": int(max((step.asked for step in held if step.kind == "streams"), default=0)),
        "chunks_per_s": max((step.chunks_per_s for step in held if step.kind == "streams"), default=0.0),
        "rate": max((step.asked for step in held if step.kind == "rate"), default=0.0),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "steps": [asdict(step) for step in steps],
    }


def cache_file() -> Path:
    """The file that holds the last result."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmdyno" / "selftest.json"


def remember(found: dict[str, Any]) -> Path:
    """Write a result to the cache file.

    Raises:
        OSError: the file cannot be written.
    """
    path = cache_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return path


_BEYOND = " may be too many for this machine: its last selftest reached"


def beyond_range(spec: Spec) -> str | None:
    """A warning if a spec's load is beyond the range of the last result; None: it is not, or there is no result."""
    try:
        found = json.loads(read_text(cache_file(), "selftest.json", ""))
        streams, rate = int(found["streams"]), float(found["rate"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, OverflowError):
        return None
    rates = [spec.rate or 0.0, *(stage.rate or 0.0 for stage in spec.stages)]
    rates += [spec.ramp.rate_from, spec.ramp.rate_to] if spec.ramp is not None else []
    if spec.open_loop and max(rates) > rate:
        return f"{max(rates):g} requests/s{_BEYOND} {rate:g} requests/s with an error below 1 ms"
    if not spec.open_loop and spec.users > streams:
        return f"{spec.users} users{_BEYOND} {streams} streams with an error below 1 ms"
    return None


class NullServer(Child):
    """The null server, in a child process. With a PEM file (certificate and key), it uses TLS."""

    def __init__(self, pem: str | None = None) -> None:
        super().__init__(["-m", "llmdyno.emulator.null", *([pem] if pem else [])])
        facts = self.ready()
        self.url, self.root = facts["url"], facts["root"]
        self._trusting = make_context(insecure=True) if pem else None  # we have just started this server

    def ask(self, path: str, method: str = "GET") -> bytes:
        """Send a control request to the server and return its answer: ``/truth`` or ``/reset``."""
        import urllib.request

        request = urllib.request.Request(self.root + path, method=method)  # noqa: S310  our own server
        with urllib.request.urlopen(request, context=self._trusting) as answer:  # noqa: S310
            return bytes(answer.read())


def measure_step(measure: Measure, server: NullServer, kind: str, value: int, out: Path) -> Step:
    """Measure one step.

    Args:
        measure: measures a spec.
        server: the null server.
        kind: "streams" or "rate".
        value: the number of streams, or of sends per second.
        out: the directory of the run.
    """
    from llmdyno.metrics.verdict import mean_share

    server.ask("/reset", "POST")
    run = measure(_step_spec(server, kind, value, out))
    ttft_p99, gap_p99 = errors_p99_s(run, server.ask("/truth"))
    lag = run.summary["clock"]["read_lag_s"]
    throughput = run.summary["throughput"]
    steady = throughput["steady"] or throughput["whole_run"]
    step = Step(
        kind,
        value,
        throughput["peak_concurrency"] if kind == "streams" else _sends_per_s(run),
        steady["output_token_per_s"] if steady else 0.0,
        ttft_p99,
        gap_p99,
        run.summary["latency"].get("send_lateness_s", {}).get("p99"),
        lag["p99"] if lag else None,
        mean_share(run.environment.process.cpu_s) or 0.0,
        None,
    )
    failed = len(run.timeline) - run.succeeded
    reasons = [*([f"{failed} requests failed"] if failed else []), *_beyond(step)]
    return replace(step, beyond="; ".join(reasons) or None)


def _step_spec(server: NullServer, kind: str, value: int, out: Path) -> Spec:
    common: dict[str, Any] = {"base_url": server.url, "preflight": False, "input_tokens": 50, "out": str(out)}
    if kind == "streams":
        requests = 2 * value if value > FEW_STREAMS else FEW_REQUESTS
        load: dict[str, Any] = {"concurrency": value, "requests": requests, "output_tokens": TOKENS}
        return Spec(model=f"null-{TTFT_MS}-{GAP_MS}", **common, **load)
    load = {"rate": value, "requests": max(30, 2 * value), "output_tokens": 2}
    return Spec(model="null-1-1", **common, **load)


def errors_p99_s(run: Run, truth_lines: bytes) -> tuple[float, float | None]:
    """The p99 of the errors of TTFT and of the gaps against the server's record, in seconds.

    Returns:
        The error of TTFT (infinite: there was no answer), and of the gaps (None: no gap can be compared).
    """
    import numpy as np

    truth = {one["n"]: one for one in map(json.loads, truth_lines.splitlines())}
    timeline, figures = run.timeline, run.all_figures
    ttft, gaps = [], []
    output = timeline.chunks["kind"] > 0
    for index, name in enumerate(timeline.requests["response_id"]):
        true = truth.get(int(str(name).rpartition("-")[2] or "-1", 16)) if name else None
        if true is None or not figures.succeeded[index]:
            continue
        ttft.append(abs(figures.ttft_s[index] - (true["t"][0] - true["arrive"]) / 1e9))
        span = slice(timeline.first_chunk[index], timeline.first_chunk[index + 1])
        arrival = timeline.chunks["arrival_ns"][span][output[span]]
        if len(arrival) == len(true["t"]) > 1:
            gaps.append(np.abs(np.diff(arrival) - np.diff(np.array(true["t"]))) / 1e9)
    ttft_p99 = float(np.percentile(ttft, 99)) if ttft else float("inf")
    return ttft_p99, float(np.percentile(np.concatenate(gaps), 99)) if gaps else None


def _sends_per_s(run: Run) -> float:
    """The rate of the sends, in requests per second."""
    import numpy as np

    sent = np.sort(run.timeline.requests["sent_ns"])
    return float((len(sent) - 1) / ((sent[-1] - sent[0]) / 1e9)) if len(sent) > 1 else 0.0


def _beyond(step: Step) -> list[str]:
    """The reasons why a step is beyond the range; empty: it is within the range."""
    gap_s, late_s, lag_s = step.gap_error_p99_s or 0.0, step.send_lateness_p99_s or 0.0, step.read_lag_p99_s or 0.0
    reasons = []
    if step.ttft_error_p99_s > ERROR_S:
        reasons.append(f"TTFT off by {1e3 * step.ttft_error_p99_s:.2f} ms at p99")
    if gap_s > ERROR_S:
        reasons.append(f"gaps off by {1e3 * gap_s:.2f} ms at p99")
    if late_s > ERROR_S:
        reasons.append(f"sends late by {1e3 * late_s:.2f} ms at p99")
    if lag_s > READ_LAG_S:
        reasons.append(f"read lag {1e3 * lag_s:.1f} ms at p99")
    if step.cpu_share > CPU_SHARE:
        reasons.append(f"{100 * step.cpu_share:.0f}% of a core")
    if step.kind == "streams" and step.asked > FEW_STREAMS and step.reached < step.asked:
        reasons.append(f"{step.reached:.0f} of {step.asked:.0f} streams at once")
    if step.kind == "rate" and step.reached < DELIVERED * step.asked:
        reasons.append(f"only {step.reached:.0f} requests/s were sent")
    return reasons
