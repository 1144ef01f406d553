"""Reads Parquet files in a process of its own first, since one flipped bit in them may end the process that reads.

In: two files without checksums. Out: None, or why they cannot be read. The process has bounds on its time and memory,
and nothing that it prints is shown. It is for run directories of versions that kept no checksums.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import llmdyno

_TIME_S, _BYTES_A_SECOND = 30.0, 5_000_000
_MEMORY, _MEMORY_A_BYTE = 4 << 30, 50
"""Bounds in seconds and in bytes; the files' sizes add to both."""
_READABLE = 42
"""The exit status of a process that has read both files. A process that dies has another one."""


def problem_of(requests: Path, chunks: Path) -> str | None:
    """Why the files are no timeline, as words after a file's name; None: they can be read here.

    Raises:
        OSError: a file cannot be found, or no process can be started.
    """
    size = requests.stat().st_size + chunks.stat().st_size
    time_s, memory = _TIME_S + size / _BYTES_A_SECOND, _MEMORY + _MEMORY_A_BYTE * size
    root = str(Path(llmdyno.__file__).parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        process = subprocess.run(  # noqa: S603  our own interpreter and module, no shell
            [sys.executable, "-P", "-m", "llmdyno.runs.trial", str(requests), str(chunks), str(memory)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=time_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"cannot be read within {time_s:.0f} s"
    return None if process.returncode == _READABLE else "are no whole timeline"


def _try(requests: Path, chunks: Path, memory: int) -> int:
    """Read the files in this process, which may die of it, and return the exit status."""
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        _, hard = resource.getrlimit(limit)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (most, hard))
    from llmdyno.runs.parquet import read_timeline
    from llmdyno.timeline.check import is_possible

    return _READABLE if is_possible(read_timeline(requests, chunks, 0)) else 1


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(_try(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
