"""Which files a run ends with, and which formats a finished run can be turned into.

Takes a spec, the name of a format or a run directory. Gives functions from a run to (file name, bytes), and the reports
that later commands left in the directory. It writes nothing and knows no format: a format is a module in
``reports/exports``, a command's report is a module in ``reports``, and both are found by their names.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.errors import InputError
from llmdyno.reports import exports as _formats

if TYPE_CHECKING:
    from llmdyno.runs.run import Run
    from llmdyno.spec.spec import Spec

Export = Callable[["Run"], Iterable[tuple[str, bytes]]]
"""From a run to files: their names, relative to the run directory, and their bytes."""


class Kept(NamedTuple):
    """The report that a command left in a run directory as ``<name>.json``, and the module that shows it."""

    name: str
    report: dict[str, Any]
    module: ModuleType


def exports(spec: Spec) -> tuple[Export, ...]:
    """The exports whose files every run directory of this spec gets at its end."""
    from llmdyno.reports.llmperf import EXPORT as LLMPERF

    return (LLMPERF,)


def known_formats() -> tuple[str, ...]:
    """The names of the formats, in alphabetical order. No format is imported."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(_formats.__path__)))


def find_export(name: str) -> Export:
    """The export of a format.

    Raises:
        InputError: there is no such format.
    """
    if name not in known_formats():
        fits = "choose one of: " + ", ".join(("text", *known_formats()))
        raise InputError("--format", f"{name!r} is not a known format", fits)
    export: Export = import_module(f"{_formats.__name__}.{name}").EXPORT
    return export


def kept_reports(path: Path) -> Iterator[Kept]:
    """The reports that later commands left in a run directory, in alphabetical order.

    A module of this folder shows the report of its own name when it defines `show(report, page, path)`,
    `title(report)` and `facts(report)`.
    """
    from llmdyno.runs.directory import load_json

    folder = Path(__file__).parent
    for name in sorted(module.name for module in pkgutil.iter_modules([str(folder)])):
        if name == "summary" or not (path / f"{name}.json").is_file():
            continue
        report, module = load_json(path, f"{name}.json"), import_module(f"llmdyno.reports.{name}")
        if report is not None and hasattr(module, "facts"):
            yield Kept(name, report, module)
