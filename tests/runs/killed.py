"""Runs that the kernel kills in the middle of a write: ``python -m tests.runs.killed FOLDER LIMIT…``.

Each limit on the size of a file is one run in a process of its own, in the folder of that name. With the signal's usual
effect, the write that goes beyond the limit ends the process at that byte. It prints how many were killed.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from tests.runs.test_faults import MANY, lived


def killed(path: Path, limit: int) -> bool:
    """Whether the kernel killed a run with this limit."""
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        lived(path, MANY)
        os._exit(0)
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)


if __name__ == "__main__":
    print(sum(killed(Path(sys.argv[1]) / limit, int(limit)) for limit in sys.argv[2:]))
