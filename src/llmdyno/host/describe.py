"""Describes the machine of a run: versions, host, CPU.

In: nothing. Out: a dictionary for environment.json. It has no command lines and no environment variables, because both
may hold keys.
"""

from __future__ import annotations

import os
import platform
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from llmdyno._version import __version__

_PARTS = ("uvloop", "httptools", "msgspec", "numpy", "arro3-core", "tokenizers")


def describe_host() -> dict[str, Any]:
    """The versions of the packages, and facts about the host."""
    return {
        "llmdyno": __version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "host": platform.node(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "packages": {part: found for part in _PARTS if (found := _package_version(part)) is not None},
    }


@cache
def _cpu_model() -> str:
    if sys.platform == "linux":
        try:
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith(("model name", "Model", "Hardware")):
                    return line.partition(":")[2].strip()
        except OSError:
            pass
    return platform.processor() or platform.machine()


def _package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
