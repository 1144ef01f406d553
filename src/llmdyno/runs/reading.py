"""Reads a run directory back, and names what cannot be read.

In: a directory that a run left, whole or damaged, of this or an earlier version. Out: a
:class:`~llmdyno.runs.run.Run`. Each file is checked before it is parsed. A file that is not as it was written is not
used: what it held comes from another file, or is left out, and the run's `damages` say so. It writes nothing.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from llmdyno.errors import InputError
from llmdyno.runs.checksum import BROKEN, SEAL, WHOLE, Digest, digest_of_file, state_of
from llmdyno.runs.content import Unreadable, is_regular, json_object, read_bytes
from llmdyno.runs.described import Described
from llmdyno.runs.environment import Environment
from llmdyno.runs.journal import Recovered, read_journal
from llmdyno.runs.names import CHUNKS, DAMAGES, ENVIRONMENT, FILES, JOURNAL, REPORTS, REQUESTS, SPEC, SUMMARY
from llmdyno.runs.run import RECOVERED, UNKNOWN, Run, conclude_run
from llmdyno.runs.shape import check_summary
from llmdyno.spec.spec import Spec
from llmdyno.timeline import READABLE_VERSIONS
from llmdyno.timeline.columns import MISSING, TIME_COLUMNS, Timeline, from_records

FITS = "give a run directory, such as runs/<time>-<name>"
_MISMATCH = "does not match its checksum"
_AGAIN, _AS_STORED = "figures are computed again", "figures are those stored at the end of the run"
_LONGEST = 300
"""Characters of a damage that are shown."""
_NOT_PARQUET = (OSError, ValueError, KeyError, TypeError, OverflowError)
"""What reading a Parquet file raises that is not a run's."""


def read_run(path: Path) -> Run:
    """Read a run directory. If the run was killed, read its journal.

    Raises:
        InputError: the path is not a run directory, nothing of it can be read, or it is of a later version.
    """
    try:
        names = set(os.listdir(path))
    except FileNotFoundError:
        raise InputError(str(path), "is not a run directory", FITS) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(str(path), f"is not a run directory ({reason})", FITS) from None
    if not names & {SUMMARY, JOURNAL, REQUESTS}:
        problem = f"has neither {SUMMARY} nor {JOURNAL}" if names & {SPEC, ENVIRONMENT} else "is not a run directory"
        raise InputError(str(path), problem, FITS)
    return _Reader(path, names).run()


class _Stored(NamedTuple):
    """What summary.json holds: the figures (None: they cannot be used), and each other file's digest.

    `state` is :data:`WHOLE` if the file is as it was written, :data:`UNSEALED` if nobody can tell, and :data:`BROKEN`
    if it is not or cannot be read.
    """

    summary: dict[str, Any] | None
    files: dict[str, Digest]
    state: str


class _Entry(msgspec.Struct):
    """A file in the list of summary.json."""

    bytes: int
    sha256: str


class _Reader:
    """Reads one directory. `damages` and `unread` collect what cannot be read, in words and as names of files;
    `changed` are files that are missing, or not as they were at the end of the run."""

    def __init__(self, path: Path, names: set[str]) -> None:
        self.path = path
        self.names = names
        self.damages: list[str] = []
        self.unread: set[str] = set()
        self.changed: set[str] = set()

    def run(self) -> Run:
        """The run.

        Raises:
            InputError: there is nothing to show, or the run is of a later version.
        """
        stored = self._stored()
        self._compare_with(stored)
        recovered = self._journal() if stored.summary is None else None
        timeline = self._parquet(stored) if recovered is None else self._recovered(recovered)
        if timeline is None and stored.summary is not None and (recovered := self._journal()) is not None:
            timeline = self._recovered(recovered)
        heads, label = (recovered.heads, recovered.emulated) if recovered is not None else ([], None)
        described = Described(self.path, self.changed, heads, label)
        environment, spec = described.environment(stored.summary), described.spec(stored.summary)
        self.damages += described.damages
        self.unread |= described.unread
        self._check_reports()
        if timeline is not None:
            origin_ns = environment.clock.origin_monotonic_ns
            if recovered is not None:
                _count_from(timeline, _earliest_ns(timeline) if ENVIRONMENT in self.unread else origin_ns)
            timeline = Timeline(timeline.requests, timeline.chunks, origin_ns)
        if stored.summary is not None:
            return self._stored_run(spec, environment, timeline, stored)
        if timeline is None:
            raise InputError(str(self.path), f"cannot be read as a run ({'; '.join(map(_short, self.damages))})", FITS)
        status = RECOVERED if recovered is not None else UNKNOWN
        run = conclude_run(self.path, spec, environment, timeline, status, damages=map(_short, self.damages))
        return dataclasses.replace(run, unread=frozenset(self.unread))

    def _stored_run(self, spec: Spec, environment: Environment, timeline: Timeline | None, stored: _Stored) -> Run:
        """A run whose figures are those of its summary."""
        assert stored.summary is not None
        if timeline is None:
            timeline = self._requests_alone(stored)
        damages = tuple(map(_short, (*stored.summary.pop(DAMAGES, ()), *self.damages)))
        unread = frozenset(self.unread)
        return Run(self.path, spec, environment, timeline, stored.summary, damages=damages, unread=unread)

    def _tell(self, name: str, problem: str) -> None:
        self.damages.append(f"{name} {problem}")

    # --- the summary, and what it says of the other files

    def _stored(self) -> _Stored:
        if SUMMARY not in self.names:
            if JOURNAL not in self.names:
                self._tell(SUMMARY, f"is missing: {_AGAIN}")
            return _Stored(None, {}, BROKEN)
        try:
            content = read_bytes(self.path / SUMMARY)
            value = json_object(content)
        except Unreadable as error:
            self._tell(SUMMARY, f"{error}: {_AGAIN}")
            return _Stored(None, {}, BROKEN)
        files, state = _digests(value.pop(FILES, None)), state_of(content)
        value.pop(SEAL, None)
        if state == BROKEN:
            self._tell(SUMMARY, f"{_MISMATCH}: {_AGAIN}")
            return _Stored(None, files, BROKEN)
        self._check_version(value)
        try:
            check_summary(value)
        except (ValueError, RecursionError) as error:
            self._tell(SUMMARY, f"is no summary ({error}): {_AGAIN}")
            return _Stored(None, files, state)
        return _Stored(value, files, state)

    def _check_version(self, value: dict[str, Any]) -> None:
        """Raise InputError if the file is of a later version. A later one that only adds keys has the same number."""
        version, by = value.get("schema_version"), value.get("llmdyno_version")
        if not isinstance(version, int | float) or int(version) in READABLE_VERSIONS:
            return
        wrote = f"; llmdyno {by} wrote it and reads it" if isinstance(by, str) else ""
        raise InputError(
            str(self.path / SUMMARY),
            f"has schema version {version!r}",
            f"this version of llmdyno reads {', '.join(map(str, READABLE_VERSIONS))}{wrote}",
        )

    def _compare_with(self, stored: _Stored) -> None:
        """See which files are not as they were at the end of the run."""
        if stored.state != WHOLE:
            return
        for name, digest in stored.files.items():
            found = _digest(self.path / name)
            if found != digest:
                self.changed.add(name)
                problem = _MISMATCH if found is not None else "is missing or cannot be read"
                figures = stored.summary is not None and name in (REQUESTS, CHUNKS)
                self._tell(name, f"{problem}: {_AS_STORED}" if figures else problem)

    def _check_reports(self) -> None:
        """See which reports of later commands are not as they were written."""
        for name in REPORTS:
            if name in self.names:
                try:
                    read_report(self.path / name)
                except Unreadable as error:
                    self._tell(name, f"{error}: it is left out")

    # --- the timeline

    def _parquet(self, stored: _Stored) -> Timeline | None:
        """The timeline from the Parquet files; None: they cannot be used."""
        absent = {REQUESTS, CHUNKS} - self.names
        for name in sorted(absent - self.changed):
            self._tell(name, f"is missing: {_AS_STORED}" if stored.summary is not None else "is missing")
        if absent or self.changed & {REQUESTS, CHUNKS}:
            self.unread |= absent | self.changed & {REQUESTS, CHUNKS}
            return None
        requests, chunks = self.path / REQUESTS, self.path / CHUNKS
        known = [stored.files.get(name) for name in (REQUESTS, CHUNKS)]
        if None in known or known != [_digest(requests), _digest(chunks)]:
            return self._tried(stored)
        return self._timeline(stored)

    def _tried(self, stored: _Stored) -> Timeline | None:
        """The timeline from files whose checksums are not known."""
        from llmdyno.runs.trial import problem_of

        requests, chunks = self.path / REQUESTS, self.path / CHUNKS
        if not (is_regular(requests) and is_regular(chunks)):
            problem: str | None = "are not both regular files"
        else:
            try:
                problem = problem_of(requests, chunks)
            except OSError as error:
                problem = f"cannot be tried ({error.strerror})"
        if problem is None:
            return self._timeline(stored)
        self._no_parquet(stored, problem)
        return None

    def _timeline(self, stored: _Stored) -> Timeline | None:
        from llmdyno.runs.parquet import read_timeline

        try:
            return read_timeline(self.path / REQUESTS, self.path / CHUNKS, 0)
        except _NOT_PARQUET as error:
            self._no_parquet(stored, f"cannot be read ({error})")
            return None

    def _no_parquet(self, stored: _Stored, problem: str) -> None:
        figures = f": {_AS_STORED}" if stored.summary is not None else ""
        self.damages.append(f"{REQUESTS} and {CHUNKS} {problem}{figures}")
        self.unread |= {REQUESTS, CHUNKS}

    def _requests_alone(self, stored: _Stored) -> Timeline:
        """The requests without their chunks if these alone are damaged, or else an empty timeline."""
        from llmdyno.runs.parquet import read_requests

        nothing = from_records((), 0)
        if stored.state != WHOLE or REQUESTS in self.unread:
            self.unread.add(REQUESTS)
            return nothing
        try:
            return Timeline(read_requests(self.path / REQUESTS), nothing.chunks, 0)
        except _NOT_PARQUET:
            self.unread.add(REQUESTS)
            return nothing

    # --- the journal

    def _journal(self) -> Recovered | None:
        """The journal; None if it does not exist or cannot be read."""
        if JOURNAL not in self.names:
            return None
        try:
            if not is_regular(self.path / JOURNAL):
                raise Unreadable("is not a regular file")
            return read_journal(self.path / JOURNAL)
        except (OSError, Unreadable) as error:
            self._tell(JOURNAL, f"cannot be read ({error})")
            return None

    def _recovered(self, recovered: Recovered) -> Timeline:
        timeline = from_records(recovered, 0)
        self.unread -= {REQUESTS, CHUNKS}
        self.damages += (f"{JOURNAL}: {damage}" for damage in recovered.damages())
        if not recovered.lines and not recovered.heads and ENVIRONMENT in self.names:
            self._tell(JOURNAL, "is empty")  # a run writes its head before the environment
        return timeline


def _short(damage: str) -> str:
    """A damage on one line. It may quote a file, which may hold anything."""
    line = "".join(character if character.isprintable() else "?" for character in damage)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _digests(value: Any) -> dict[str, Digest]:
    """The digests that summary.json lists; none if it lists something else, or files outside the directory."""
    try:
        listed = msgspec.convert(value, dict[str, _Entry])
    except msgspec.ValidationError:
        return {}
    inside = {name: one for name, one in listed.items() if not {"", ".."} & set(name.split("/"))}
    return {name: Digest(one.bytes, one.sha256) for name, one in inside.items()}


def _digest(path: Path) -> Digest | None:
    """The digest of a file; None: it is missing or cannot be read."""
    try:
        return digest_of_file(path) if is_regular(path) else None
    except (OSError, ValueError):
        return None


def _count_from(timeline: Timeline, origin_ns: int) -> None:
    """Make times count from an origin."""
    for name in TIME_COLUMNS:
        column = timeline.requests[name]
        column[column != MISSING] -= origin_ns
    for name in ("arrival_ns", "read_ns"):
        timeline.chunks[name][:] -= origin_ns


def _earliest_ns(timeline: Timeline) -> int:
    """The earliest time of a timeline; 0 if it has none."""
    times = [column[column != MISSING] for name, column in timeline.requests.items() if name in TIME_COLUMNS]
    return min((int(column.min()) for column in times if len(column)), default=0)


def read_report(path: Path) -> dict[str, Any]:
    """What a command left in a run directory, without its checksum.

    Raises:
        Unreadable: the file is missing, is no JSON object, or is not as it was written.
    """
    content = read_bytes(path)
    if state_of(content) == BROKEN:
        raise Unreadable(_MISMATCH)
    value = json_object(content)
    value.pop(SEAL, None)
    return value
