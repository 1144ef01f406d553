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


_FOREIGN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, AssertionError)
"""What showing a report raises that holds something else than its command wrote."""


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

    A module of this folder shows a report (see :func:`module_of`) when it defines `show(report, page, path)`,
    `title(report)` and `facts(report)`. A report that it cannot show is left out: see :func:`foreign_reports`.
    """
    return (kept for kept in _found(path) if _can_show(kept, path))


def foreign_reports(path: Path) -> list[str]:
    """What to say of the reports that :func:`kept_reports` leaves out because they cannot be shown, a sentence each."""
    return [
        f"{kept.name}.json is not what a command wrote: it is left out"
        for kept in _found(path)
        if not _can_show(kept, path)
    ]


def _can_show(kept: Kept, path: Path) -> bool:
    """Whether a report can be shown: a file without a checksum may hold anything."""
    import io

    from llmdyno.reports.console import Page

    try:
        kept.module.show(kept.report, Page(io.StringIO()), path)
        kept.module.title(kept.report)
        for label, value in kept.module.facts(kept.report):
            label.strip(), value.strip()
        for note in kept.report.get("notes", ()):
            note.strip()
    except _FOREIGN:
        return False
    return True


def _found(path: Path) -> Iterator[Kept]:
    """Every report of a run directory that is a JSON object and as it was written."""
    from llmdyno.runs.directory import load_json

    for name in _modules():
        if name == "summary" or not (path / f"{name}.json").is_file():
            continue
        report = load_json(path, f"{name}.json")
        if report is not None and hasattr(module := module_of(name, report), "facts"):
            yield Kept(name, report, module)


def module_of(name: str, report: dict[str, Any]) -> ModuleType:
    """The module of this folder that shows a command's report.

    A cost report says what is billed, and each kind may have a module of its own: ``cost_tokens`` shows one with
    ``"billing": "tokens"``. Without such a module the one of the command's name shows it.
    """
    own = f"{name}_{report.get('billing')}"
    return import_module(f"llmdyno.reports.{own if own in _modules() else name}")


def _modules() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]))
