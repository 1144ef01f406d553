"""What this very machine can measure: the whole command against a null server, with rising streams and rates.

In: nothing. Out: steps, each with its error against the null server's own record; the range in which it stays below a
millisecond; a file in the user's cache that later runs are held against.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmdyno.host.child import Child
from llmdyno.spec.spec import Spec
from llmdyno.transports.http1.tls import make_context

STREAMS = (1, 32, 64, 128, 256, 512, 1024, 2048, 4096)
RATES = (10, 100, 300, 1000, 2000, 4000, 8000)
ERROR_S = 0.001
CPU_SHARE, READ_LAG_S, DELIVERED = 0.95, 0.005, 0.98
TTFT_MS, GAP_MS, TOKENS = 100, 20, 64


@dataclass(frozen=True, slots=True)
class Step:
    """One step: so many streams, or so many sends a second; what came of it; why it is beyond the range, or None."""

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
    on_step: Callable[[Step], None], streams: tuple[int, ...] = STREAMS, rates: tuple[int, ...] = RATES
) -> dict[str, Any]:
    """Measure, step by step, until a step of each kind is beyond the range.

    Returns:
        `streams`, `chunks_per_s` and `rate`: the most that was held with an error below a millisecond; `steps`.
    """
    import tempfile

    steps: list[Step] = []
    with NullServer() as server, tempfile.TemporaryDirectory() as folder:
        for kind, values in (("streams", streams), ("rate", rates)):
            for value in values:
                step = measure_step(server, kind, value, Path(folder) / f"{kind}-{value}")
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
    """What of a spec's load is beyond the last result's range, in words; None: nothing, or it was never tested."""
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
        """What it answers to a request of its own: the truth, forgetting it."""
        import urllib.request

        request = urllib.request.Request(self.root + path, method=method)  # noqa: S310  our own server
        with urllib.request.urlopen(request, context=self._trusting) as answer:  # noqa: S310
            return bytes(answer.read())


def measure_step(server: NullServer, kind: str, value: int, out: Path) -> Step:
    """Measure `value` streams, or `value` sends a second (`kind` is "streams" or "rate"), writing the run to `out`."""
    import numpy as np

    from llmdyno.measure import run
    from llmdyno.metrics.request import request_metrics
    from llmdyno.metrics.verdict import mean_share

    server.ask("/reset", "POST")
    common: dict[str, Any] = {"base_url": server.url, "preflight": False, "input_tokens": 50, "out": str(out)}
    if kind == "streams":
        load: dict[str, Any] = {
            "concurrency": value,
            "requests": 2 * value if value > 8 else 8,
            "output_tokens": TOKENS,
        }
        spec = Spec(model=f"null-{TTFT_MS}-{GAP_MS}", **common, **load)
    else:
        load = {"rate": value, "requests": max(30, 2 * value), "output_tokens": 2}
        spec = Spec(model="null-1-1", **common, **load)
    result = run(spec)
    truth = {one["n"]: one for one in map(json.loads, server.ask("/truth").splitlines())}
    timeline, figures = result.timeline, request_metrics(result.timeline)
    ttft, gaps = [], []
    text = timeline.chunks["kind"] > 0
    for place, name in enumerate(timeline.requests["response_id"]):
        true = truth.get(int(str(name).rpartition("-")[2] or "-1", 16)) if name else None
        if true is None or not figures.succeeded[place]:
            continue
        ttft.append(abs(figures.ttft_s[place] - (true["t"][0] - true["arrive"]) / 1e9))
        span = slice(timeline.first_chunk[place], timeline.first_chunk[place + 1])
        arrival = timeline.chunks["arrival_ns"][span][text[span]]
        if len(arrival) == len(true["t"]) > 1:
            gaps.append(np.abs(np.diff(arrival) - np.diff(np.array(true["t"]))) / 1e9)
    cpu = mean_share(result.environment.process.cpu_s) or 0.0
    lag = result.summary["clock"]["read_lag_s"]
    steady = result.summary["throughput"]["steady"] or result.summary["throughput"]["whole_run"]
    peak = result.summary["throughput"]["peak_concurrency"]
    lateness = result.summary["latency"].get("send_lateness_s", {}).get("p99")
    sent = np.sort(timeline.requests["sent_ns"])
    achieved = (len(sent) - 1) / ((sent[-1] - sent[0]) / 1e9) if len(sent) > 1 else 0.0
    ttft_p99 = float(np.percentile(ttft, 99)) if ttft else float("inf")
    gap_p99 = float(np.percentile(np.concatenate(gaps), 99)) if gaps else None
    reasons = {
        f"{len(timeline) - result.succeeded} requests failed": result.succeeded < len(timeline),
        f"TTFT off by {1e3 * ttft_p99:.2f} ms at p99": ttft_p99 > ERROR_S,
        f"gaps off by {1e3 * (gap_p99 or 0):.2f} ms at p99": (gap_p99 or 0) > ERROR_S,
        f"sends late by {1e3 * (lateness or 0):.2f} ms at p99": (lateness or 0) > ERROR_S,
        f"read lag {1e3 * lag['p99'] if lag else 0:.1f} ms at p99": bool(lag) and lag["p99"] > READ_LAG_S,
        f"{100 * cpu:.0f}% of a core": cpu > CPU_SHARE,
        f"{peak} of {value} streams at once": kind == "streams" and value > 8 and peak < value,
        f"{achieved:.0f} requests/s left": kind == "rate" and achieved < DELIVERED * value,
    }
    return Step(
        kind,
        value,
        peak if kind == "streams" else achieved,
        steady["output_token_per_s"] if steady else 0.0,
        ttft_p99,
        gap_p99,
        lateness,
        lag["p99"] if lag else None,
        cpu,
        "; ".join(reason for reason, met in reasons.items() if met) or None,
    )
