"""What survives: kills, signals, a full disk, damaged files, random streams, bad input, secrets, a long run.

    python -m benchmarks.survival [--seed 1] [--scale 1] [--truth-server BINARY] [--only NAME ...]
        [--out benchmarks/results]

It prints one table and keeps it as JSON. Everything that is random comes from the seed. A row has the number of trials,
the number of bad ones, and the bound on these. `--scale 0.1` does a tenth of the trials. The whole table takes about
half an hour on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from llmdyno import __version__


class Row(NamedTuple):
    """One line of the table: `bad` of `tried` trials went wrong, and `bound` may. `note`: what else was counted."""

    what: str
    tried: int
    bad: int
    bound: int
    note: str


class Setting(NamedTuple):
    """What every part of the table is given. `count` scales a number of trials; it is at least 1."""

    seed: int
    scale: float
    truth_server: str | None
    folder: Path

    def count(self, trials: int) -> int:
        """How many trials to do of this many."""
        return max(1, round(trials * self.scale))


Part = Callable[[Setting], Iterator[Row]]


def parts() -> dict[str, Part]:
    """The parts of the table by name. A part is imported when it is wanted."""
    from benchmarks import (
        survival_disk,
        survival_files,
        survival_input,
        survival_kills,
        survival_soak,
        survival_streams,
    )

    return {
        "kills": survival_kills.rows,
        "disk": survival_disk.rows,
        "files": survival_files.rows,
        "streams": survival_streams.rows,
        "input": survival_input.rows,
        "soak": survival_soak.rows,
    }


def main() -> int:
    """Print the table and keep it. The exit code is 1 if a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--truth-server", default=os.environ.get("LLMDYNO_TRUTH_SERVER"))
    parser.add_argument("--only", nargs="+", choices=sorted(parts()), default=list(parts()))
    parser.add_argument("--out", default=str(Path(__file__).with_name("results")))
    arguments = parser.parse_args()
    found: dict[str, Any] = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "llmdyno": __version__,
        "python": platform.python_version(),
        "host": f"{platform.system()} {platform.release()}, {os.cpu_count()} cores",
        "seed": arguments.seed,
        "scale": arguments.scale,
        "rows": [],
    }
    print("; ".join(f"{name} {value}" for name, value in found.items() if name != "rows"))
    print("\n| what | tried | bad | bound | | note |\n|---|---|---|---|---|---|")
    kept = True
    with tempfile.TemporaryDirectory() as name:
        setting = Setting(arguments.seed, arguments.scale, arguments.truth_server, Path(name))
        for part in arguments.only:
            for row in parts()[part](setting):
                kept = kept and row.bad <= row.bound
                found["rows"].append(row._asdict())
                cells = [
                    row.what,
                    f"{row.tried:,}",
                    f"{row.bad:,}",
                    row.bound,
                    "kept" if row.bad <= row.bound else "OVER",
                ]
                print("| " + " | ".join(map(str, [*cells, row.note])) + " |", flush=True)
    out = Path(arguments.out)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"survival-{time.strftime('%Y%m%d-%H%M')}.json"
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nKept in {path}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
