"""A long run: a million chunks, with memory and handles over time.

In: a setting. Out: a row for handles and one for memory. Both are read from /proc (Linux), twice a second. What is
compared are the second and the last tenth of the load: a leak grows with the number of requests. Memory may grow by
:data:`ALLOWED_MB`, because the allocator keeps what a burst needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.survival import Row, Setting
from benchmarks.truth import TruthServer

REQUESTS, TOKENS, USERS = 8192, 128, 256
ALLOWED_MB = 10
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


class Sample(NamedTuple):
    """A process at one moment of its load: resident memory, open handles, bytes in the journal."""

    resident_mb: float
    handles: int
    journal: int


def rows(setting: Setting) -> Iterator[Row]:
    """The rows of the long run."""
    out = setting.folder / "soak"
    requests = max(USERS, setting.count(REQUESTS))
    with TruthServer(setting.truth_server, ttft_ms=50, gap_ms=10) as server:
        line = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--base-url", server.url, "--model", server.model]
        line += ["--ignore-eos", "--concurrency", str(USERS), "--requests", str(requests), "--no-preflight"]
        line += ["--output-tokens", str(TOKENS), "--out", str(out)]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        samples = list(_samples(process, out / "journal.jsonl"))
    if process.returncode:
        raise SystemExit(f"the long run ended with exit code {process.returncode}")
    last = max(one.journal for one in samples)
    loaded = [one for one in samples if one.journal > 0]
    early = [one for one in loaded if 0.1 <= one.journal / last <= 0.2] or loaded[:1]
    late = [one for one in loaded if 0.9 <= one.journal / last < 1] or loaded[-1:]  # at 1, the figures are being made
    chunks = f"{requests * TOKENS:,} chunks"
    handles = [int(median(one.handles for one in part)) for part in (early, late)]
    memory = [median(one.resident_mb for one in part) for part in (early, late)]
    note = f"{handles[0]} then {handles[1]}, at most {max(one.handles for one in loaded)}, {USERS} users"
    yield Row(f"handles over {chunks}", len(loaded), max(0, handles[1] - handles[0]), 0, note)
    note = f"{memory[0]:.1f} MB then {memory[1]:.1f} MB; MB more are counted"
    yield Row(f"memory over {chunks}", len(loaded), max(0, round(memory[1] - memory[0])), ALLOWED_MB, note)


def _samples(process: subprocess.Popen[bytes], journal: Path) -> Iterator[Sample]:
    """What /proc says while the process is driving its load: until its journal goes."""
    seen = False
    while process.poll() is None:
        try:
            size = journal.stat().st_size
            resident = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * _PAGE_MB
            handles = len(os.listdir(f"/proc/{process.pid}/fd"))
        except FileNotFoundError:
            if seen:
                process.wait()
                return
        else:
            seen = True
            yield Sample(resident, handles, size)
        time.sleep(0.5)
