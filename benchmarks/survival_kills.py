"""Kills and signals at random instants of a run. What the server knows to have ended before must be in the files.

In: a setting. Out: a row for SIGKILL, and one for each signal that ends a run in good order. A request is lost if the
server had ended its answer :data:`SETTLED_NS` before the instant and the run directory does not have it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import llmdyno
from benchmarks.survival import Row, Setting
from benchmarks.truth import TruthServer
from llmdyno.errors import InputError

SETTLED_NS = 150_000_000
"""An answer that ended later than this before a kill counts as in flight: the client may not have had the CPU."""
USERS, TOKENS = 8, 16
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_KILLS, _SIGNALLED = 200, 40


class Outcome(NamedTuple):
    """One run that was ended from outside. `problem`: what is wrong with it; empty: nothing is."""

    read: int
    lost: int
    problem: str


def rows(setting: Setting) -> Iterator[Row]:
    """The rows of kills and signals."""
    random = Random(f"kills {setting.seed}")
    with TruthServer(setting.truth_server, ttft_ms=40, gap_ms=5) as server:
        yield _row(server, setting, signal.SIGKILL, setting.count(_KILLS), random)
        for number in _SIGNALS:
            yield _row(server, setting, number, setting.count(_SIGNALLED), random)


def _row(server: TruthServer, setting: Setting, number: signal.Signals, trials: int, random: Random) -> Row:
    read = lost = 0
    problems: Counter[str] = Counter()
    for trial in range(trials):
        out = setting.folder / f"{number.name}-{trial}"
        found = _end(server, out, number, random.uniform(0.0, 1.5), early=trial % 4 == 0)
        read, lost = read + found.read, lost + found.lost
        if found.problem or found.lost:
            problems[found.problem or "requests lost"] += 1
    note = f"{read:,} requests read back, {lost} lost"
    note += "".join(f"; {times} × {problem}" for problem, times in problems.items())
    return Row(f"{number.name} at a random instant", trials, problems.total(), 0, note)


def _end(server: TruthServer, out: Path, number: signal.Signals, after_s: float, *, early: bool) -> Outcome:
    """Start a run and end it. The instant counts from the start of the process if `early`, else from the journal."""
    server.reset()
    line = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--base-url", server.url, "--model", server.model]
    line += ["--requests", "3000", "--concurrency", str(USERS), "--output-tokens", str(TOKENS)]
    line += ["--no-preflight", "--out", str(out)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not early and not (out / "journal.jsonl").exists() and process.poll() is None:
        time.sleep(0.005)
    time.sleep(after_s)
    ended_ns = time.monotonic_ns()
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=60)
    if "Traceback" in errors:
        return Outcome(0, 0, f"traceback: {errors.strip().splitlines()[-1][:60]}")
    done = {one.number for one in server.truth().values() if 0 < one.end_ns < ended_ns - SETTLED_NS}
    if not out.exists():
        return Outcome(0, len(done), "")
    try:
        run = llmdyno.load(out)
    except InputError as error:
        shown = subprocess.run(
            [sys.executable, "-m", "llmdyno", "show", str(out)], capture_output=True, text=True, check=False
        )
        fine = shown.returncode == 2 and len(shown.stderr.splitlines()) == 1 and not done
        return Outcome(0, len(done), "" if fine else f"cannot be read: {error.problem[:60]}")
    ids = [one for one in run.timeline.requests["response_id"] if one]
    return Outcome(len(ids), len(done - {server.number_of(one) for one in ids}), "")
