"""llmdyno's figures beside those that a real server keeps about itself: vLLM, llama.cpp.

    python -m benchmarks.real_servers [--vllm URL] [--llamacpp URL --llamacpp-log FILE] [--users 4] [--requests 40]
        [--vllm-tokenizer FOLDER] [--llamacpp-tokenizer FOLDER] [--out benchmarks/results]

It needs servers that are up, idle and used by nobody else, so it is not part of `python -m benchmarks`. It installs and
starts nothing. A small model is enough, also one with random weights, since only times and counts are compared:

    vllm serve MODEL --load-format dummy --enforce-eager --enable-prompt-tokens-details --port 8000
    llama-server -m MODEL.gguf --metrics -np 4 -c 8192 --port 8080 > FILE 2>&1

vLLM has a build for CPUs. `--enable-prompt-tokens-details` makes it count cached input tokens in its answers. A server
on the same machine should leave a core to the client (vLLM: `OMP_NUM_THREADS=1 VLLM_CPU_OMP_THREADS_BIND=nobind`;
llama.cpp: `-t 1 -tb 1 --poll 0`).

Each load is one run of the whole command: users on the chat and on the completions route, the same prompts a second
time, and an open loop at half the rate that the users reached. The server's `/metrics` are read before and after it.
They hold sums and counts, so means are compared. llama.cpp's metrics have no time of a request, but its log has.

Times of vLLM begin when the API process has read the request. So the difference includes reading it, counting its
tokens and writing the answer. Times of llama.cpp begin when a slot takes the request, between two steps of decoding.
The log has that instant, too. Ends in the log and ends of the run's requests, both in their order, give the offset of
the two clocks. So the wait for a slot is known, and the table has it in the server's times. A delay that all bytes
share does not show there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import llmdyno

INPUT_TOKENS, OUTPUT_TOKENS = "normal(200,40)", "uniform(16,48)"
_LINE = re.compile(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$")
_TIMES = ("prompt eval time", "total time")
_TIMED = re.compile(rf"(?:{'|'.join(_TIMES)}) = +([\d.]+) ms")
_TAKEN = re.compile(r"^(\d+)\.(\d+)\.(\d+)\.(\d+) .* task (\d+) \| (processing task|stop processing)", re.MULTILINE)
_SETTLED_S = 1.0
HEADS = (
    "server",
    "route",
    "load",
    "TTFT",
    "inter-token",
    "end-to-end",
    "tokens in",
    "tokens out",
    "cached",
    "ended by",
)

Metrics = Mapping[tuple[str, str], float]
"""Values of a server's metrics, by name and labels."""


@dataclass(frozen=True)
class Server:
    """A server that is up.

    Attributes:
        name: in tables.
        url: its base URL.
        tokenizer: the folder of the tokenizer that counts prompts.
        log: the file that it writes its log to.
        read: what it says of itself, from the growth of its metrics, its log meanwhile and the number of requests.
    """

    name: str
    url: str
    tokenizer: str | None
    log: str | None
    read: Callable[[Metrics, str, int], dict[str, Any]]

    @property
    def root(self) -> str:
        """Where `/metrics` and the version are."""
        return self.url.rstrip("/").removesuffix("/v1")

    def ask(self, path: str) -> str:
        """The text at a path below the root.

        Raises:
            SystemExit: it does not answer.
        """
        try:
            with urllib.request.urlopen(self.root + path, timeout=10) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise SystemExit(f"{self.name}: {self.root + path} does not answer: {error}") from None

    def metrics(self) -> Metrics:
        """All its metrics at this time."""
        found = map(_LINE.match, self.ask("/metrics").splitlines())
        return {(line[1], line[2] or ""): float(line[3]) for line in found if line}

    def logged(self, start: int = 0) -> str:
        """Its log from a byte on; empty without a log."""
        return Path(self.log).read_bytes()[start:].decode(errors="replace") if self.log else ""

    def log_size(self) -> int:
        """How many bytes its log has."""
        return Path(self.log).stat().st_size if self.log else 0


def changed(before: Metrics, after: Metrics) -> Metrics:
    """How much each value has grown."""
    return {key: value - before.get(key, 0.0) for key, value in after.items()}


def total(metrics: Metrics, name: str) -> float | None:
    """A metric's sum over all its labels; None: the server does not have it."""
    values = [value for (own, _), value in metrics.items() if own == name]
    return sum(values) if values else None


def _mean_s(metrics: Metrics, name: str) -> float | None:
    """The mean of a histogram, in seconds."""
    return _over(total(metrics, f"{name}_sum"), total(metrics, f"{name}_count"))


def _over(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def read_vllm(grown: Metrics, log: str, requests: int) -> dict[str, Any]:
    """What vLLM says about its requests: means in seconds, counts of tokens, finish reasons."""
    reasons = {
        found[1]: int(value)
        for (name, labels), value in grown.items()
        if name == "vllm:request_success_total" and value and (found := re.search(r'finished_reason="(\w+)"', labels))
    }
    return {
        "requests": sum(reasons.values()),
        "ttft_s": _mean_s(grown, "vllm:time_to_first_token_seconds"),
        "inter_token_latency_s": _mean_s(grown, "vllm:inter_token_latency_seconds"),
        "end_to_end_latency_s": _mean_s(grown, "vllm:e2e_request_latency_seconds"),
        "queue_s": _mean_s(grown, "vllm:request_queue_time_seconds"),
        "input_tokens": total(grown, "vllm:prompt_tokens_total"),
        "output_tokens": total(grown, "vllm:generation_tokens_total"),
        "cached_tokens": total(grown, "vllm:prefix_cache_hits_total"),
        "finish_reasons": reasons,
        "preemptions": total(grown, "vllm:num_preemptions_total"),
    }


def read_llamacpp(grown: Metrics, log: str, requests: int) -> dict[str, Any]:
    """What llama.cpp says. It has no finish reasons, and the times of its requests are in its log only.

    The first token comes with the prompt, so n tokens have n - 1 steps.
    """
    processed, cached = (total(grown, f"llamacpp:prompt_tokens{more}_total") for more in ("", "_cached"))
    predicted, predicted_s = (total(grown, f"llamacpp:tokens_predicted{more}_total") for more in ("", "_seconds"))
    timed = [[float(line[1]) / 1e3 for line in _TIMED.finditer(log) if line[0].startswith(name)] for name in _TIMES]
    prompt_s, whole_s = (sum(times) / requests if times and len(times) == requests else None for times in timed)
    return {
        "requests": len(timed[0]) or None,
        "ttft_s": prompt_s,
        "inter_token_latency_s": _over(predicted_s, None if predicted is None else predicted - requests),
        "end_to_end_latency_s": whole_s,
        "queue_s": None,
        "input_tokens": None if processed is None else processed + (cached or 0),
        "output_tokens": predicted,
        "cached_tokens": cached,
        "finish_reasons": None,
        "preemptions": None,
    }


def wait_for_slot_s(log: str, sent_ns: Sequence[int], end_ns: Sequence[int]) -> float | None:
    """The mean time from a request's send until a slot of llama.cpp took it; None if the log does not have all of them.

    Args:
        log: what llama.cpp logged during the run. A line begins with minutes, seconds, milliseconds, microseconds.
        sent_ns: when each request was sent, on the client's clock.
        end_ns: when each request ended, in the same order.
    """
    taken: dict[str, float] = {}
    left: dict[str, float] = {}
    for line in _TAKEN.finditer(log):
        minutes, seconds, milliseconds, microseconds = map(int, line.groups()[:4])
        at_s = 60 * minutes + seconds + milliseconds / 1e3 + microseconds / 1e6
        (taken if line[6] == "processing task" else left)[line[5]] = at_s
    if not left or len(left) != len(sent_ns) or not left.keys() <= taken.keys():
        return None
    ended = sorted(zip(end_ns, sent_ns, strict=True))
    tasks = sorted(left, key=lambda task: left[task])
    offset_s = statistics.median(end / 1e9 - left[task] for (end, _), task in zip(ended, tasks, strict=True))
    waits = (taken[task] + offset_s - sent / 1e9 for (_, sent), task in zip(ended, tasks, strict=True))
    return statistics.mean(waits)


def run_load(server: Server, model: str, route: str, load: str, flags: list[str], out: Path) -> dict[str, Any]:
    """Run llmdyno once. Gives its figures and what the server's metrics grew by meanwhile.

    Raises:
        SystemExit: the run left no result.
    """
    # Without a preflight and a warm-up, the server sees the measured requests and nothing else.
    command = [sys.executable, "-m", "llmdyno", "run", *flags, "--quiet", "--no-preflight", "--base-url", server.url]
    command += ["--model", model, "--route", route, "--ignore-eos", "--out", str(out)]
    if server.tokenizer:
        command += ["--tokenizer", server.tokenizer]
    before, log_start = server.metrics(), server.log_size()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not (out / "summary.json").exists():
        raise SystemExit(f"{server.name}, {route}, {load}: the run failed: {done.stderr.strip()[-300:]}")
    time.sleep(_SETTLED_S)  # servers add the last request to their metrics after its last byte
    run, log = llmdyno.load(out), server.logged(log_start)
    theirs = server.read(changed(before, server.metrics()), log, run.succeeded)
    sent_ns, end_ns = (run.measured.requests[name].tolist() for name in ("sent_ns", "end_ns"))
    wait_s = wait_for_slot_s(log, sent_ns, end_ns)
    if wait_s is not None:
        theirs["wait_for_slot_s"] = wait_s
        for name in ("ttft_s", "end_to_end_latency_s"):
            theirs[name] = None if theirs[name] is None else theirs[name] + wait_s
    row = {"server": server.name, "route": route, "load": load, "llmdyno": _ours(run.summary), "theirs": theirs}
    print("| " + " | ".join(cells(row)) + " |", flush=True)
    return row


def _ours(summary: Mapping[str, Any]) -> dict[str, Any]:
    tokens, latency = summary["tokens"], summary["latency"]
    steady = summary["throughput"]["steady"] or summary["throughput"]["whole_run"]
    return {
        "requests": summary["requests"]["succeeded"],
        "failed": summary["requests"]["failed"],
        **{name: latency[name].get("mean") for name in ("ttft_s", "inter_token_latency_s", "end_to_end_latency_s")},
        "input_tokens": tokens["total_input_tokens"],
        "output_tokens": tokens["total_output_tokens"],
        "cached_tokens": (tokens["cached"] or {}).get("total"),
        "finish_reasons": summary["finish_reasons"],
        "request_per_s": steady["request_per_s"],
        "resends": summary["requests"]["resends"],
        "closed_after_every_answer": summary["connections"]["closed_after_every_answer"],
        "verdict": [reason["reason"] for reason in summary["verdict"]["reasons"]],
    }


def cells(row: Mapping[str, Any]) -> list[str]:
    """A row of the table: llmdyno's figure / the server's (difference) for times, equal or not for counts."""
    ours, theirs = row["llmdyno"], row["theirs"]
    times = [_time_cell(ours[name], theirs[name]) for name in ("ttft_s", "inter_token_latency_s")]
    times.append(_time_cell(ours["end_to_end_latency_s"], theirs["end_to_end_latency_s"]))
    counts = [_count_cell(ours[name], theirs[name]) for name in ("input_tokens", "output_tokens", "cached_tokens")]
    reasons = ", ".join(f"{count} {name}" for name, count in ours["finish_reasons"].items()) or "–"
    if theirs["finish_reasons"] is not None:
        same = theirs["finish_reasons"] == ours["finish_reasons"]
        reasons += ", equal" if same else f" / {theirs['finish_reasons']}"
    return [row["server"], row["route"], row["load"], *times, *counts, reasons]


def _time_cell(ours_s: float | None, theirs_s: float | None) -> str:
    """Milliseconds."""
    if ours_s is None or theirs_s is None:
        return " / ".join("–" if value is None else f"{1e3 * value:.2f}" for value in (ours_s, theirs_s))
    return f"{1e3 * ours_s:,.2f} / {1e3 * theirs_s:,.2f} ({1e3 * (ours_s - theirs_s):+.2f})"


def _count_cell(ours: float | None, theirs: float | None) -> str:
    if ours == theirs:
        return "–" if ours is None else f"{ours:,.0f}, equal"
    return " / ".join("–" if value is None else f"{value:,.0f}" for value in (ours, theirs))


def run_server(server: Server, asked: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """All loads on one server, a row for each."""
    model = json.loads(server.ask("/v1/models"))["data"][0]["id"]
    common = ["--requests", str(asked.requests)]
    common += ["--input-tokens", asked.input_tokens, "--output-tokens", asked.output_tokens]
    closed = ["--concurrency", str(asked.users), *common]
    rows = []
    for route in ("chat", "completions"):
        out = folder / f"{server.name}-{route}"
        rows.append(run_load(server, model, route, f"{asked.users} users", closed, out))
    first = folder / f"{server.name}-chat"
    again = [str(first / "spec.toml"), "--same-prompts"]
    rows.append(run_load(server, model, "chat", "the same prompts", again, folder / f"{server.name}-again"))
    rate = f"{rows[0]['llmdyno']['request_per_s'] / 2:.2g}"
    opened = ["--rate", rate, "--arrivals", "poisson", *common]
    rows.append(run_load(server, model, "chat", f"Poisson, {rate}/s", opened, folder / f"{server.name}-open"))
    return rows


def main() -> None:
    """Print the table and write it to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", metavar="URL", help="base URL of a vLLM server, such as http://127.0.0.1:8000/v1")
    parser.add_argument("--llamacpp", metavar="URL", help="base URL of llama.cpp's server")
    parser.add_argument("--llamacpp-log", metavar="FILE", help="the file that llama.cpp's server writes its log to")
    parser.add_argument("--vllm-tokenizer", metavar="FOLDER", help="count prompts with this tokenizer")
    parser.add_argument("--llamacpp-tokenizer", metavar="FOLDER", help="the same for llama.cpp")
    parser.add_argument("--users", type=int, default=4)
    parser.add_argument("--requests", type=int, default=40, help="requests of each load")
    parser.add_argument("--input-tokens", default=INPUT_TOKENS, metavar="LENGTH")
    parser.add_argument("--output-tokens", default=OUTPUT_TOKENS, metavar="LENGTH")
    parser.add_argument("--out", default=str(Path(__file__).with_name("results")))
    arguments = parser.parse_args()
    servers = [
        Server("vLLM", arguments.vllm, arguments.vllm_tokenizer, None, read_vllm),
        Server("llama.cpp", arguments.llamacpp, arguments.llamacpp_tokenizer, arguments.llamacpp_log, read_llamacpp),
    ]
    servers = [server for server in servers if server.url]
    if not servers:
        parser.error("name a server: --vllm URL, --llamacpp URL, or both")
    found: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "llmdyno": llmdyno.__version__,
        "python": platform.python_version(),
        "host": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        "servers": {server.name: version(server) for server in servers},
        "load": f"{arguments.requests} requests, {arguments.input_tokens} tokens in, {arguments.output_tokens} out",
    }
    print("; ".join(f"{name} {value}" for name, value in found.items()))
    print("\nMeans, ms: llmdyno / server (difference). Counts: llmdyno / server\n")
    print("| " + " | ".join(HEADS) + " |\n" + "|---" * len(HEADS) + "|", flush=True)
    with tempfile.TemporaryDirectory() as name:
        for server in servers:
            rows = run_server(server, arguments, Path(name))
            found.setdefault("rows", []).extend(rows)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"real-servers-{time.strftime('%Y%m%d-%H%M')}.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nKept in {path}")


def version(server: Server) -> str:
    """The server's version as it says itself: vLLM at `/version`, llama.cpp at `/props`."""
    if server.name == "vLLM":
        return str(json.loads(server.ask("/version"))["version"])
    return str(json.loads(server.ask("/props")).get("build_info", "unknown"))


if __name__ == "__main__":
    main()
