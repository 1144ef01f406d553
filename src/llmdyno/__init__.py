"""llmdyno: a dynamometer for LLM endpoints.

The public Python API:

- :class:`Spec`: what to measure, and with which load.
- :func:`run`, :func:`run_async`: measure, write a run directory and return a :class:`Run`.
- :func:`load`: read a run directory back.
- :class:`InputError`: an input cannot be used.

Each name is loaded on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmdyno._version import __version__

if TYPE_CHECKING:
    from llmdyno.errors import InputError
    from llmdyno.measure import run, run_async
    from llmdyno.runs.directory import load
    from llmdyno.runs.run import Run
    from llmdyno.spec.spec import Spec

__all__ = ["InputError", "Run", "Spec", "__version__", "load", "run", "run_async"]

_HOMES = {
    "InputError": "llmdyno.errors",
    "Run": "llmdyno.runs.run",
    "Spec": "llmdyno.spec.spec",
    "load": "llmdyno.runs.directory",
    "run": "llmdyno.measure",
    "run_async": "llmdyno.measure",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'llmdyno' has no attribute {name!r}")
