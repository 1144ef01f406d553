"""A run as one JSON object, for a script.

Takes a run. Gives ``run.json``: `damages`, a sentence for each thing in the run directory that is missing or not as it
was written; `summary` as summary.json holds it, without checksums; `spec` with the keys of spec.toml and no secrets;
`environment` as environment.json holds it; and the reports of later commands under their names (`check`, `scaling`,
`capacity`, `cost`) where they were left in the run directory. A spec or an environment that cannot be read is null. No
NaN and no infinity is written.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator

import msgspec

from llmdyno.reports.files import foreign_reports, kept_reports
from llmdyno.runs.names import ENVIRONMENT, SPEC
from llmdyno.runs.run import Run


def export(run: Run) -> Iterator[tuple[str, bytes]]:
    """The one file.

    Raises:
        ValueError: a report in the run directory holds NaN or infinity.
    """
    document = {
        "damages": [*run.damages, *foreign_reports(run.path)],
        "summary": run.summary,
        "spec": tomllib.loads(run.spec.to_toml()) if SPEC not in run.unread else None,
        "environment": msgspec.to_builtins(run.environment) if ENVIRONMENT not in run.unread else None,
        **{kept.name: kept.report for kept in kept_reports(run.path)},
    }
    yield "run.json", json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


EXPORT = export
