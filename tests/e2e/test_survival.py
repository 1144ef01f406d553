"""What survives, in a short form of ``python -m benchmarks.survival``: a trial or a few of each kind."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks import survival_disk, survival_files, survival_kills, survival_streams
from benchmarks.survival import Part, Setting

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, limits and signals of Linux")


@pytest.mark.parametrize(
    ("part", "scale"),
    [
        (survival_kills.rows, 0.005),
        (survival_disk.rows, 0.01),
        (survival_files.rows, 0.005),
        (survival_streams.rows, 0.02),
    ],
    ids=["kills", "disk", "files", "streams"],
)
def test_a_short_form(part: Part, scale: float, tmp_path: Path) -> None:
    rows = list(part(Setting(7, scale, None, tmp_path)))
    assert sum(row.tried for row in rows) >= 2
    assert [(row.what, row.note) for row in rows if row.bad > row.bound] == []
