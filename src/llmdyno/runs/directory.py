"""The run directory: the names of its files, how they are written during a run, and how they are read later.

In: what a run leaves, piece by piece. Out: files; and from these files alone, the run again. Each file is written under
a temporary name first and then renamed. The journal is removed last, after the files that are made from it. A run that
is killed at any time leaves either its files or its journal.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llmdyno.errors import InputError
from llmdyno.host.memory import give_memory_back
from llmdyno.runs.environment import Environment, decode_environment, encode_environment
from llmdyno.runs.journal import Journal, read_journal
from llmdyno.runs.late import Late, answer_line
from llmdyno.runs.run import RECOVERED, Run, conclude_run
from llmdyno.runs.specfile import read_toml
from llmdyno.spec.left_out import kept
from llmdyno.spec.spec import Spec, build
from llmdyno.timeline import READABLE_VERSIONS
from llmdyno.timeline.columns import Timeline, from_records
from llmdyno.timeline.record import RequestRecord

SPEC, ENVIRONMENT, SUMMARY = "spec.toml", "environment.json", "summary.json"
REQUESTS, CHUNKS, JOURNAL = "requests.parquet", "chunks.parquet", "journal.jsonl"
ANSWERS = "answers.jsonl"
_FITS = "give a run directory, such as runs/<time>-<name>"


class RunDirectory:
    """A run directory that is being written. `recorded` counts the records in its journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorded = 0
        self._origin_ns = 0
        self._journal: Journal | None = None
        self._made = [folder for folder in (path, *path.parents) if not folder.exists()]

    @classmethod
    def create(cls, out: str | None, name: str, now_s: float) -> RunDirectory:
        """Make a new directory: `out`, or ``runs/<time>-<name>``. An existing run is never overwritten.

        Raises:
            InputError: the directory already exists and is not empty, or it cannot be made or written.
        """
        check_out(out)
        path = Path(out) if out is not None else new_path(Path("runs"), name, now_s)
        directory = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            directory._journal = Journal(path / JOURNAL)
        except OSError as error:
            raise InputError(
                "--out",
                f"{path} cannot be written ({error.strerror})",
                "name a directory that you may write to",
            ) from None
        return directory

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the journal. A run in which nothing was measured leaves no directory, unless the disk failed: one that
        recorded nothing, or whose only request showed that the endpoint cannot be measured."""
        refused = isinstance(error, InputError) and self.recorded <= 1
        if refused or (error is not None and self.recorded == 0 and not isinstance(error, OSError)):
            self.abandon()
        self.close()

    def begin(self, spec: Spec, environment: Environment) -> None:
        """Write what is known before the load, so that the directory of a killed run can be read."""
        self.write(SPEC, spec.to_toml().encode())
        self.write(ENVIRONMENT, encode_environment(environment))
        self._origin_ns = environment.clock.origin_monotonic_ns

    def write(self, name: str, content: bytes) -> None:
        """Write one file, completely or not at all."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self._replace(path, lambda part: part.write_bytes(content))

    def write_json(self, name: str, value: Any) -> None:
        """Write one JSON file."""
        self.write(name, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    def append(self, record: RequestRecord) -> None:
        """Add a record to the journal.

        Raises:
            OSError: the write failed. Its `filename` is the run directory.
        """
        assert self._journal is not None
        try:
            self._journal.append(record)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self.recorded += 1

    def records(self) -> Iterator[RequestRecord]:
        """The records in the journal, in the order in which their requests ended."""
        return read_journal(self.path / JOURNAL)

    def timeline(self, late: Late) -> Timeline:
        """The run's facts, read from the journal. `late` completes each record. The answers are kept if it says so."""
        give_memory_back()
        records: Iterator[RequestRecord] = map(late.read, self.records())
        if late.keep_answers:
            records = self._keeping_answers(records)
        timeline = late.finish(from_records(records, self._origin_ns))
        give_memory_back()
        return timeline

    def _keeping_answers(self, records: Iterator[RequestRecord]) -> Iterator[RequestRecord]:
        """The same records. Each answer goes into answers.jsonl on the way, so that memory does not hold them all."""
        path = self.path / ANSWERS
        part = path.with_name(f".{path.name}.part")
        with part.open("wb") as file:
            for record in records:
                file.write(answer_line(record))
                yield record
        os.replace(part, path)

    def finish(self, run: Run, exports: Iterable[Export] = ()) -> None:
        """Write the environment, the exports, the timeline and the summary. Then remove the journal."""
        self.write(ENVIRONMENT, encode_environment(run.environment))
        for export in exports:
            for name, content in export(run):
                self.write(name, content)
        from llmdyno.runs.parquet import write_timeline  # the library is not imported before the last request

        give_memory_back()
        requests, chunks = self.path / REQUESTS, self.path / CHUNKS
        parts = [path.with_name(f".{path.name}.part") for path in (requests, chunks)]
        write_timeline(run.timeline, run.all_figures, *parts)
        for part, path in zip(parts, (requests, chunks), strict=True):
            os.replace(part, path)
        self.write_json(SUMMARY, run.summary)
        self.discard_journal()

    def discard_journal(self) -> None:
        """Close and remove the journal. The other files have everything that it has."""
        self.close()
        (self.path / JOURNAL).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove the directory and its files, because nothing was measured."""
        self.discard_journal()
        for name in (SPEC, ENVIRONMENT):
            (self.path / name).unlink(missing_ok=True)
        for folder in self._made:
            with contextlib.suppress(OSError):  # the folder has files of somebody else
                folder.rmdir()

    def close(self) -> None:
        """Close the journal and keep its file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _replace(self, path: Path, write: Callable[[Path], object]) -> None:
        part = path.with_name(f".{path.name}.part")
        write(part)
        os.replace(part, path)


Export = Callable[[Run], Iterable[tuple[str, bytes]]]
"""Turns a run into files: pairs of a name in the run directory and the content."""


def check_out(out: str | None) -> None:
    """See that a run may be written to a directory; None: the run makes a new one.

    Raises:
        InputError: it is there already and not empty.
    """
    path = Path(out) if out is not None else None
    if path is not None and path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise InputError("--out", f"{out} already exists", "name a directory that is new or empty")


def default_name(spec: Spec) -> str:
    """The name of a run: the user's, or the model's, or the emulated deployment's."""
    return spec.name or (spec.model or f"emulated-{spec.deployment}").rpartition("/")[2]


def new_path(folder: Path, name: str, now_s: float) -> Path:
    """A path that does not exist yet: ``<folder>/<time>-<name>``, with a number at the end if needed."""
    slug = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:60] or "run"
    base = folder / f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now_s))}-{slug}"
    path, again = base, 1
    while path.exists():
        again += 1
        path = base.with_name(f"{base.name}-{again}")
    return path


def add_json(path: Path, name: str, value: Any) -> None:
    """Add a JSON file to the directory of a finished run."""
    RunDirectory(path).write_json(name, value)


def load_json(path: Path, name: str) -> dict[str, Any] | None:
    """The content of a JSON file in a run directory; None: there is no such file, or it cannot be read."""
    try:
        value = json.loads((path / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def load(path: str | Path) -> Run:
    """Read a run directory. If the run was killed, read its journal.

    Raises:
        InputError: the path is not a run directory, or its files cannot be read or have another schema version.
    """
    directory = Path(path)
    spec_path, environment_path = directory / SPEC, directory / ENVIRONMENT
    if not spec_path.is_file() or not environment_path.is_file():
        raise InputError(str(path), "is not a run directory", _FITS)
    try:
        environment = decode_environment(environment_path.read_bytes())
        origin_ns = environment.clock.origin_monotonic_ns
        spec = _read_spec(spec_path)
        if (directory / SUMMARY).is_file():
            from llmdyno.runs.parquet import read_timeline

            summary = json.loads((directory / SUMMARY).read_text(encoding="utf-8"))
            if summary.get("schema_version") not in READABLE_VERSIONS:
                raise InputError(
                    str(directory / SUMMARY),
                    f"has schema version {summary.get('schema_version')!r}",
                    f"this version of llmdyno reads {', '.join(map(str, READABLE_VERSIONS))}",
                )
            timeline = read_timeline(directory / REQUESTS, directory / CHUNKS, origin_ns)
        else:
            timeline = from_records(read_journal(directory / JOURNAL), origin_ns)
            return conclude_run(directory, spec, environment, timeline, RECOVERED)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"cannot be read as a run ({error})", _FITS) from None
    return Run(directory, spec, environment, timeline, summary)


def _read_spec(path: Path) -> Spec:
    """A run's own spec. The file leaves out secrets, and so does the spec."""
    return build([{name: (kept(value), label) for name, (value, label) in read_toml(path).items()}])
