"""A full disk at a random byte: by a limit on the size of a file, and by a file system that is too small.

In: a setting. Out: two rows. A trial is bad if there is a traceback, if a failed run does not name its directory in a
line of its own, or if the directory afterwards has fewer requests than its journal has whole lines. The small file
system needs user namespaces (Linux); where there are none, the row says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from benchmarks.survival import Row, Setting
from benchmarks.truth import TruthServer

REQUESTS, TOKENS = 40, 16
_TRIALS = 120
_LARGEST = 120_000
"""More bytes than any file of such a run has, so that some trials succeed."""
_PAGE = 4096

_LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
os.execv(sys.executable, [sys.executable, "-m", "llmdyno", *sys.argv[2:]])
"""
_SMALL = """
import subprocess, sys
size, folder, *rest = sys.argv[1:]
subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
ran = subprocess.run([sys.executable, "-m", "llmdyno", *rest], capture_output=True, text=True)
import json, pathlib
journal = pathlib.Path(folder, "r", "journal.jsonl")
whole = journal.read_bytes().split(b"\\n")[:-1] if journal.exists() else []
lines = sum(not line.startswith(b'{"spec":') for line in whole)
show = [sys.executable, "-m", "llmdyno", "show", folder + "/r", "--format", "json"]
shown = subprocess.run(show, capture_output=True, text=True)
print(json.dumps([ran.returncode, ran.stderr, lines, shown.returncode, shown.stdout, shown.stderr]))
"""


def rows(setting: Setting) -> Iterator[Row]:
    """The rows of a limit on the size of a file, and of a small file system."""
    random = Random(f"disk {setting.seed}")
    trials = setting.count(_TRIALS)
    with TruthServer(setting.truth_server, ttft_ms=2, gap_ms=1) as server:
        line = ["run", "--quiet", "--base-url", server.url, "--model", server.model, "--requests", str(REQUESTS)]
        line += ["--concurrency", "8", "--output-tokens", str(TOKENS), "--no-preflight", "--out"]
        problems: Counter[str] = Counter()
        for trial in range(trials):
            out = setting.folder / f"limit-{trial}"
            limit = random.randrange(_LARGEST)
            ran = _python(_LIMITED, [str(limit), *line, str(out)])
            problems[_judge(ran.returncode, ran.stderr, str(out), _lines(out), *_shown(out))] += 1
        yield _row(f"file size limited to 0 to {_LARGEST:,} bytes", problems)
        if not _namespaces():
            yield Row("a file system that is too small", 0, 0, 0, "not tried: this system gives no user namespaces")
            return
        problems = Counter()
        for trial in range(trials):
            folder = setting.folder / f"small-{trial}"
            folder.mkdir()
            size = _PAGE * random.randrange(2, 100)
            inside = ["unshare", "-rm", sys.executable, "-c", _SMALL, str(size), str(folder), *line, str(folder / "r")]
            ran = subprocess.run(inside, capture_output=True, text=True, check=False)
            code, errors, lines, *shown = json.loads(ran.stdout)
            problems[_judge(code, errors, str(folder / "r"), lines, *shown)] += 1
        yield _row("a file system of 8 to 396 kB", problems)


def _row(what: str, problems: Counter[str]) -> Row:
    fine = {"complete", "told and kept"}
    note = "; ".join(f"{times} × {problem}" for problem, times in problems.most_common())
    return Row(what, problems.total(), sum(times for name, times in problems.items() if name not in fine), 0, note)


def _python(program: str, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


def _lines(out: Path) -> int:
    """How many whole records a journal has. Its other lines hold the spec."""
    journal = out / "journal.jsonl"
    whole = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
    return sum(not line.startswith(b'{"spec":') for line in whole)


def _shown(out: Path) -> tuple[int, str, str]:
    line = [sys.executable, "-m", "llmdyno", "show", str(out), "--format", "json"]
    shown = subprocess.run(line, capture_output=True, text=True, check=False)
    return shown.returncode, shown.stdout, shown.stderr


def _judge(code: int, errors: str, out: str, lines: int, show: int, shown: str, show_errors: str) -> str:
    """What became of a run whose disk was full. `lines`: whole records in its journal."""
    if "Traceback" in errors + show_errors:
        return "traceback"
    if code < 0 or show < 0:
        return f"died of signal {max(-code, -show)}"
    if code != 0 and not any(out in line for line in errors.splitlines()):
        return "the directory is not named"
    if show == 0:
        requests = json.loads(shown)["summary"]["requests"]
        read = requests["succeeded"] + requests["failed"] + requests["cancelled"]
    elif len(show_errors.strip().splitlines()) != 1:
        return "show does not say what is wrong in one line"
    else:
        read = 0
    if code == 0:
        return "complete" if read == REQUESTS else f"success with {read} of {REQUESTS} requests"
    return "told and kept" if read >= lines else "requests lost"


def _namespaces() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False
