"""A run as one JSON object, for a script.

Takes a run. Gives ``run.json``: `summary` as summary.json holds it, `spec` with the keys of spec.toml and no secrets,
`environment` as environment.json holds it, and the reports of later commands under their names (`check`, `scaling`,
`capacity`, `cost`) where they were left in the run directory. No NaN and no infinity is written.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import msgspec

from llmdyno.reports.files import kept_reports
from llmdyno.runs.run import Run


def export(run: Run) -> Iterator[tuple[str, bytes]]:
    """The one file.

    Raises:
        ValueError: a report in the run directory holds NaN or infinity.
    """
    document = {
        "summary": run.summary,
        "spec": tomllib.loads(run.spec.to_toml()),
        "environment": msgspec.to_builtins(run.environment),
        **{kept.name: kept.report for kept in kept_reports(run.path)},
    }
    yield "run.json", json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


EXPORT = export
