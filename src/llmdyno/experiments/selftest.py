"""What this very machine can measure: the whole command against a null server, with rising streams and rates.

In: what makes a run of a spec. Out: steps, each with its error against the null server's own record; the range in which
the error stays below a millisecond; a file in the user's cache that later loads are compared with.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.host.child import Child
from llmdyno.spec.spec import Spec
from llmdyno.transports.http1.tls import make_context

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from llmdyno.runs.run import Run

    Floats = NDArray[np.float64]

Measure = Callable[[Spec], "Run"]
"""Makes a run of a spec, as :func:`llmdyno.run` does."""

STREAMS = (1, 32, 64, 128, 256, 512, 1024, 2048, 4096)
RATES = (10, 100, 300, 1000, 2000, 4000, 8000)
ERROR_S = 0.001
CPU_SHARE, READ_LAG_S, DELIVERED = 0.95, 0.005, 0.98
TTFT_MS, GAP_MS, TOKENS = 100, 20, 64
_FEW = 8
"""So few streams may not be under way at once."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step: `asked` streams or sends a second (`kind` is "streams" or "rate"), what was reached, the errors at
    their 99th percentile, and why the step is beyond the range (`beyond`; None: it is within)."""

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
    """Measure, step by step, until a step of each kind is beyond the range.

    Args:
        measure: makes a run of a spec, as :func:`llmdyno.run` does.
        on_step: gets each step as it ends.
        streams: numbers of streams to try, rising.
        rates: requests a second to try, rising.

    Returns:
        `streams`, `chunks_per_s` and `rate`: the most that was held with an error below a millisecond; `steps`.
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
    """Where the last result is kept."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmdyno" / "selftest.json"


def remember(found: dict[str, Any]) -> Path:
    """Keep a result.

    Raises:
        OSError: it cannot be written.
    """
    path = cache_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=2), encoding="utf-8")
    return path


def beyond_range(spec: Spec) -> str | None:
    """Which part of a spec's load is beyond the last result's range; None: no part, or nothing was tested yet."""
    try:
        found = json.loads(cache_file().read_text(encoding="utf-8"))
        streams, rate = int(found["streams"]), float(found["rate"])
    except (OSError, ValueError, KeyError, TypeError, RuntimeError):
        return None
    rates = [spec.rate or 0.0, *(stage.rate or 0.0 for stage in spec.stages)]
    rates += [spec.ramp.rate_from, spec.ramp.rate_to] if spec.ramp is not None else []
    if spec.open_loop and max(rates) > rate:
        return f"{max(rates):g} requests/s: the last selftest held {rate:g} on this machine with an error below 1 ms"
    if not spec.open_loop and spec.users > streams:
        return f"{spec.users} users: the last selftest held {streams} streams on this machine with an error below 1 ms"
    return None


class NullServer(Child):
    """The null server in a process of its own; over TLS with a PEM file (certificate, key)."""

    def __init__(self, pem: str | None = None) -> None:
        super().__init__(["-m", "llmdyno.emulator.null", *([pem] if pem else [])])
        facts = self.ready()
        self.url, self.root = facts["url"], facts["root"]
        self._trusting = make_context(insecure=True) if pem else None  # our own server, just started

    def ask(self, path: str, method: str = "GET") -> bytes:
        """Its answer to a request outside the load: GET /truth gives its record, POST /reset clears it."""
        import urllib.request

        request = urllib.request.Request(self.root + path, method=method)  # noqa: S310  our own server
        with urllib.request.urlopen(request, context=self._trusting) as answer:  # noqa: S310
            return bytes(answer.read())


def measure_step(measure: Measure, server: NullServer, kind: str, value: int, out: Path) -> Step:
    """Measure `value` streams, or `value` sends a second (`kind` is "streams" or "rate"); the run is written to
    `out`."""
    import numpy as np

    from llmdyno.metrics.verdict import mean_share

    server.ask("/reset", "POST")
    run = measure(_spec(server.url, kind, value, out))
    truth = {one["n"]: one for one in map(json.loads, server.ask("/truth").splitlines())}
    ttft_s, gaps_s = _errors(run, truth)
    sent_ns = np.sort(run.timeline.requests["sent_ns"])
    achieved = (len(sent_ns) - 1) / ((sent_ns[-1] - sent_ns[0]) / 1e9) if len(sent_ns) > 1 else 0.0
    throughput, lag = run.summary["throughput"], run.summary["clock"]["read_lag_s"]
    part = throughput["steady"] or throughput["whole_run"]
    step = Step(
        kind,
        value,
        throughput["peak_concurrency"] if kind == "streams" else achieved,
        part["output_token_per_s"] if part else 0.0,
        float(np.percentile(ttft_s, 99)) if len(ttft_s) else float("inf"),
        float(np.percentile(gaps_s, 99)) if len(gaps_s) else None,
        run.summary["latency"].get("send_lateness_s", {}).get("p99"),
        lag["p99"] if lag else None,
        mean_share(run.environment.process.cpu_s) or 0.0,
        None,
    )
    return replace(step, beyond=_beyond(step, failed=len(run.timeline) - run.succeeded))


def _spec(url: str, kind: str, value: int, out: Path) -> Spec:
    """The load of one step."""
    common: dict[str, Any] = {"base_url": url, "preflight": False, "input_tokens": 50, "out": str(out)}
    if kind == "streams":
        requests = 2 * value if value > _FEW else _FEW
        load: dict[str, Any] = {"concurrency": value, "requests": requests, "output_tokens": TOKENS}
        return Spec(model=f"null-{TTFT_MS}-{GAP_MS}", **common, **load)
    load = {"rate": value, "requests": max(30, 2 * value), "output_tokens": 2}
    return Spec(model="null-1-1", **common, **load)


def _errors(run: Run, truth: Mapping[int, dict[str, Any]]) -> tuple[Floats, Floats]:
    """How far each request's TTFT and each gap are from the server's record, in seconds; shapes (requests,), (gaps,).

    Args:
        run: what was measured.
        truth: the server's record of each answer, by the number in its response id.
    """
    import numpy as np

    from llmdyno.metrics.request import request_metrics

    timeline, figures = run.timeline, request_metrics(run.timeline)
    ttft_s, gaps_s = list[float](), [np.zeros(0)]
    text = timeline.chunks["kind"] > 0
    for index, name in enumerate(timeline.requests["response_id"]):
        true = truth.get(int(str(name).rpartition("-")[2] or "-1", 16)) if name else None
        if true is None or not figures.succeeded[index]:
            continue
        ttft_s.append(abs(figures.ttft_s[index] - (true["t"][0] - true["arrive"]) / 1e9))
        span = slice(timeline.first_chunk[index], timeline.first_chunk[index + 1])
        arrival_ns = timeline.chunks["arrival_ns"][span][text[span]]
        if len(arrival_ns) == len(true["t"]) > 1:
            gaps_s.append(np.abs(np.diff(arrival_ns) - np.diff(np.array(true["t"]))) / 1e9)
    return np.array(ttft_s), np.concatenate(gaps_s)


def _beyond(step: Step, *, failed: int) -> str | None:
    """Why a step is beyond the range; None: it is within."""
    gap_s, late_s, lag_s = step.gap_error_p99_s or 0.0, step.send_lateness_p99_s or 0.0, step.read_lag_p99_s or 0.0
    streams = step.kind == "streams"
    reasons = {
        f"{failed} requests failed": failed > 0,
        f"TTFT off by {1e3 * step.ttft_error_p99_s:.2f} ms at p99": step.ttft_error_p99_s > ERROR_S,
        f"gaps off by {1e3 * gap_s:.2f} ms at p99": gap_s > ERROR_S,
        f"sends late by {1e3 * late_s:.2f} ms at p99": late_s > ERROR_S,
        f"read lag {1e3 * lag_s:.1f} ms at p99": lag_s > READ_LAG_S,
        f"{100 * step.cpu_share:.0f}% of a core": step.cpu_share > CPU_SHARE,
        f"{step.reached:.0f} of {step.asked:.0f} streams at once": streams and _FEW < step.asked > step.reached,
        f"{step.reached:.0f} requests/s were sent": not streams and step.reached < DELIVERED * step.asked,
    }
    return "; ".join(reason for reason, met in reasons.items() if met) or None
