"""Damaged files of a run directory, by kind: is the damage told?

In: a setting. Out: a row for each file of a finished run that `llmdyno show` reads, and one for the journal of a killed
run. The kinds of damage are flipped bits, cuts, overwritten spans and an absent file. A trial is bad if the command
crashes, prints a traceback, hangs, or does not name the damaged file. Each trial is a forked process, since a parser
may abort the process that it runs in.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from benchmarks.survival import Row, Setting
from benchmarks.truth import TruthServer
from llmdyno.cli import main as command

FILES = ("requests.parquet", "chunks.parquet", "summary.json", "environment.json", "spec.toml", "journal.jsonl")
_TRIALS = {"requests.parquet": 400, "chunks.parquet": 400}
_OTHERS = 200
_PATIENCE_S = 20


def rows(setting: Setting) -> Iterator[Row]:
    """A row for each file."""
    with TruthServer(setting.truth_server, ttft_ms=20, gap_ms=2) as server:
        finished, killed = _finished(server, setting.folder / "whole"), _killed(server, setting.folder / "killed")
    for name in FILES:
        source = killed if name == "journal.jsonl" else finished
        random = Random(f"files {setting.seed} {name}")
        found: Counter[str] = Counter()
        usual = _shown(source)[1].count(name)
        for trial in range(setting.count(_TRIALS.get(name, _OTHERS))):
            copy = setting.folder / f"copy-{trial}"
            shutil.copytree(source, copy)
            kind = _damage(copy / name, random)
            found[f"{_outcome(copy, name, usual)} ({kind})"] += 1
            shutil.rmtree(copy)
        bad = sum(times for outcome, times in found.items() if not outcome.startswith("told"))
        note = "; ".join(f"{times} × {outcome}" for outcome, times in sorted(found.items()))
        yield Row(f"damaged {name}", found.total(), bad, 0, note)


def _line(server: TruthServer, out: Path) -> list[str]:
    line = [sys.executable, "-m", "llmdyno", "run", "--quiet", "--base-url", server.url, "--model", server.model]
    return [*line, "--concurrency", "50", "--output-tokens", "16", "--no-preflight", "--out", str(out)]


def _finished(server: TruthServer, out: Path) -> Path:
    subprocess.run([*_line(server, out), "--requests", "100"], check=True, capture_output=True)
    return out


def _killed(server: TruthServer, out: Path) -> Path:
    process = subprocess.Popen([*_line(server, out), "--requests", "3000"], stdout=subprocess.DEVNULL)
    journal = out / "journal.jsonl"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 100:
        pass
    process.kill()
    process.wait()
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.rindex(b"\n") + 1])  # a cut last line would be told in every trial
    return out


def _damage(path: Path, random: Random) -> str:
    """Damage a file, and return the kind of damage."""
    content = bytearray(path.read_bytes())
    kind = random.choice(("flip", "flip", "flip", "cut", "span", "absent"))
    index = random.randrange(len(content))
    if kind == "flip":
        content[index] ^= 1 << random.randrange(8)
    elif kind == "cut":
        del content[index:]
    elif kind == "span":
        span = content[index : index + random.randint(1, 64)]
        other = random.randbytes(len(span))
        content[index : index + len(span)] = other if other != span else bytes(byte ^ 255 for byte in span)
    if kind == "absent":
        path.unlink()
    else:
        path.write_bytes(content)
    return kind


def _outcome(directory: Path, name: str, usual: int) -> str:
    """What `llmdyno show` makes of a directory: told, silent, or how it broke. `usual`: how often the output names the
    file when it is whole."""
    status, text = _shown(directory)
    if status & 127:
        return "hung" if status & 127 == signal.SIGALRM else f"died of signal {status & 127}"
    if "Traceback" in text or "panicked" in text:
        return "traceback"
    return "told" if text.count(name) > usual or (name in text and text.startswith("exit 2")) else "silent"


def _shown(directory: Path) -> tuple[int, str]:
    """The wait status of a process that shows a directory, and its exit code and whole output."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(_PATIENCE_S)
        os.dup2(writer, 2)  # a library in another language writes to the descriptor
        output, code = io.StringIO(), -1
        try:
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                code = command(["show", str(directory)])
        except BaseException as error:
            print(f"Traceback: {type(error).__name__}", file=output)
        os.write(writer, f"exit {code}\n{output.getvalue()}".encode(errors="replace"))
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        text = pipe.read().decode(errors="replace")
    return os.waitpid(child, 0)[1], text
