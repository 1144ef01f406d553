"""The run directory: how its files are written during a run, and where the functions are that read them.

In: what a run leaves, piece by piece. Out: files; and from these files alone, the run again. Each file is written under
a temporary name first and then renamed. The journal is removed last, after the files that are made from it. A run that
is killed at any time leaves either its files or its journal. So does a run whose disk fails.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from llmdyno.errors import InputError, Unwritten
from llmdyno.host.memory import give_memory_back
from llmdyno.runs.checksum import Digest, sealed
from llmdyno.runs.content import Unreadable
from llmdyno.runs.environment import Environment, encode_environment
from llmdyno.runs.journal import Journal, Recovered
from llmdyno.runs.late import Late, answer_line
from llmdyno.runs.names import ANSWERS, CHUNKS, DAMAGES, ENVIRONMENT, FILES, JOURNAL, REQUESTS, SPEC, SUMMARY
from llmdyno.runs.output import Output
from llmdyno.runs.run import Run
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import Timeline, from_records
from llmdyno.timeline.record import RequestRecord


class RunDirectory:
    """A run directory that is being written.

    `recorded` counts the records in its journal. `damages`: what of the journal could not be read back, in words.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recorded = 0
        self.damages: list[str] = []
        self._spec = b""
        self._origin_ns = 0
        self._journal: Journal | None = None
        self._files: dict[str, Digest] = {}
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
        """Write what is known before the load, so that the directory of a killed run can be read.

        Raises:
            Unwritten: a write failed.
        """
        self._spec = spec.to_toml().encode()
        self.write(SPEC, self._spec)
        self._describe(environment)
        self._origin_ns = environment.clock.origin_monotonic_ns

    def _describe(self, environment: Environment) -> None:
        """Write the environment: into the journal first, which can be read alone, and then into its file."""
        content = encode_environment(environment)
        if self._journal is not None:
            with self._writing():
                self._journal.begin(self._spec, content)
        self.write(ENVIRONMENT, content)

    def write(self, name: str, content: bytes) -> None:
        """Write one file, completely or not at all.

        Raises:
            Unwritten: the write failed.
        """
        with self._output(name) as output:
            output.write(content)

    @contextlib.contextmanager
    def _output(self, name: str) -> Iterator[Output]:
        """A file of the directory to write to; the directory remembers its digest."""
        with self._writing(), Output(self.path / name) as output:
            yield output
        self._files[name] = output.digest

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Turn what the system says of a failed write into an error that names this directory."""
        try:
            yield
        except OSError as error:
            raise Unwritten(error, str(self.path), kept=self._kept()) from None

    def _kept(self) -> str | None:
        """The directory that holds what was measured; None: nothing was measured yet.

        If somebody has removed the journal, its records are written into a directory beside this one.
        """
        if self._journal is None or (self.recorded and self._journal.has_name()):
            return str(self.path)
        if not self.recorded:
            return None
        place = _free(self.path.with_name(f"{self.path.name}-rescued"))
        with contextlib.suppress(OSError):
            place.mkdir(parents=True)
            self._journal.copy(place / JOURNAL)
            return str(place)
        return str(self.path)

    def append(self, record: RequestRecord) -> None:
        """Add a record to the journal.

        Raises:
            Unwritten: the write failed.
        """
        assert self._journal is not None
        with self._writing():
            self._journal.append(record)
        self.recorded += 1

    def records(self) -> Recovered:
        """The records in the journal, in the order in which their requests ended."""
        assert self._journal is not None
        return self._journal.records()

    def timeline(self, late: Late) -> Timeline:
        """The run's facts, read from the journal. `late` completes each record. The answers are kept if it says so.

        Raises:
            Unwritten: the answers cannot be written.
        """
        give_memory_back()
        recovered = self.records()
        records: Iterator[RequestRecord] = map(late.read, recovered)
        if late.keep_answers:
            with self._output(ANSWERS) as output:
                timeline = from_records(_keeping_answers(records, output), self._origin_ns)
        else:
            timeline = from_records(records, self._origin_ns)
        self.damages += (f"{JOURNAL}: {damage}" for damage in recovered.damages())
        give_memory_back()
        return late.finish(timeline)

    def finish(self, run: Run, exports: Iterable[Export] = ()) -> None:
        """Write the environment, the exports, the timeline and the summary. Then remove the journal.

        If somebody has removed the directory meanwhile, it is made again.

        Raises:
            Unwritten: a write failed. What was written before stays, and so does the journal.
        """
        if self._spec and not (self.path / SPEC).exists():
            self.write(SPEC, self._spec)
        self._describe(run.environment)
        for export in exports:
            for name, content in export(run):
                self.write(name, content)
        from llmdyno.runs.parquet import write_chunks, write_requests  # not imported before the last request

        give_memory_back()
        with self._output(REQUESTS) as output:
            write_requests(run.timeline, run.all_figures, output)
        with self._output(CHUNKS) as output:
            write_chunks(run.timeline, output)
        damages = {DAMAGES: self.damages} if self.damages else {}
        self.write(SUMMARY, sealed({**run.summary, **damages, FILES: self._digests()}))
        if self.damages:  # somebody may get more out of it
            self.close()
        else:
            self.discard_journal()

    def _digests(self) -> dict[str, dict[str, Any]]:
        return {name: digest._asdict() for name, digest in sorted(self._files.items())}

    def discard_journal(self) -> None:
        """Close and remove the journal. The other files have everything that it has."""
        self.close()
        (self.path / JOURNAL).unlink(missing_ok=True)

    def abandon(self) -> None:
        """Remove the directory and its files, because nothing was measured."""
        with contextlib.suppress(OSError):  # the folder has files of somebody else, or is gone
            self.discard_journal()
            for name in (SPEC, ENVIRONMENT):
                (self.path / name).unlink(missing_ok=True)
            for folder in self._made:
                folder.rmdir()

    def close(self) -> None:
        """Close the journal and keep its file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None


def _keeping_answers(records: Iterator[RequestRecord], output: Output) -> Iterator[RequestRecord]:
    """The same records. Each answer goes into a file on the way, so that memory does not hold them all."""
    for record in records:
        output.write(answer_line(record))
        yield record


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
    return _free(folder / f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(now_s))}-{slug}")


def _free(base: Path) -> Path:
    """A path that does not exist yet: `base`, with a number at the end if needed."""
    path, again = base, 1
    while path.exists():
        again += 1
        path = base.with_name(f"{base.name}-{again}")
    return path


def add_json(path: Path, name: str, value: dict[str, Any]) -> None:
    """Add a JSON file to the directory of a finished run. The file carries its own checksum.

    Raises:
        Unwritten: it cannot be written. The run can be read as before.
    """
    RunDirectory(path).write(name, sealed(value))


def load_json(path: Path, name: str) -> dict[str, Any] | None:
    """What a command left in a run directory; None: there is no such file, or it is not as it was written."""
    from llmdyno.runs.reading import read_report

    try:
        return read_report(path / name)
    except Unreadable:
        return None


def load(path: str | Path) -> Run:
    """Read a run directory. If the run was killed, read its journal.

    What cannot be read, and whether the rest is as it was written, is in the run's `damages`.

    Raises:
        InputError: the path is not a run directory, nothing of it can be read, or it is of a later version.
    """
    from llmdyno.runs.reading import read_run

    return read_run(Path(path))
