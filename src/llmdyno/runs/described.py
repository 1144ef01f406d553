"""Reads what a run directory says of its run: the spec and the environment.

In: the directory, which of its files are not as they were, and the copies in its journal. Out: a spec and an
environment. What cannot be read is left open rather than guessed, and is named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from llmdyno.errors import InputError
from llmdyno.runs.content import Unreadable, read_bytes
from llmdyno.runs.environment import Emulation, EndpointFacts, Environment, decode_environment
from llmdyno.runs.journal import Head
from llmdyno.runs.names import ENVIRONMENT, SPEC
from llmdyno.spec.keys import KEYS, Layer
from llmdyno.spec.left_out import kept, missing_in, object_in
from llmdyno.spec.spec import Spec, build
from llmdyno.spec.toml import parse_toml
from llmdyno.timeline.emulated import read_label

_LARGEST_NS, _LARGEST_S, _FASTEST = 2**63, 1e11, 1e6


class Described:
    """The spec and the environment of a run directory.

    Args:
        path: the directory.
        changed: files that are known to be damaged.
        heads: what its journal says of the run, the last one last.
        emulated: the label of an emulator in its journal; None: it has none.

    Attributes:
        damages: what cannot be read, in words.
        unread: the names of files whose content is not known from any other source.
    """

    def __init__(self, path: Path, changed: set[str], heads: Sequence[Head], emulated: str | None = None) -> None:
        self.damages: list[str] = []
        self.unread: set[str] = set()
        self._path = path
        self._changed = changed
        self._heads = heads
        self._told = read_label(emulated)

    def environment(self, summary: dict[str, Any] | None) -> Environment:
        """The environment. If it cannot be read, it holds what the summary says of an emulator, and nothing else."""
        content = self._content(ENVIRONMENT, [head.environment for head in self._heads])
        if content is not None:
            try:
                return self._labelled(_sane(decode_environment(content)))
            except (ValueError, RecursionError) as error:  # msgspec's and Unicode's errors are ValueErrors
                self.damages.append(f"{ENVIRONMENT} is not an environment ({error})")
        self.unread.add(ENVIRONMENT)
        try:
            emulated = msgspec.convert((summary or {}).get("emulated"), Emulation | None)
            return self._labelled(_sane(Environment(endpoint=EndpointFacts(emulated=emulated))))
        except ValueError:
            return self._labelled(Environment())

    def _labelled(self, environment: Environment) -> Environment:
        """The environment with what the journal says of an emulator. A run that was killed has written its environment
        before the first answer. A label that cannot be computed with is left out.
        """
        known, told = environment.emulated, self._told
        if told is None or (known is not None and known.since_unix_s is not None):
            return environment
        found = Emulation(told.profile, told.speed, known is not None and known.embedded, told.since_unix_s)
        endpoint = msgspec.structs.replace(environment.endpoint, emulated=found)
        try:
            return _sane(msgspec.structs.replace(environment, endpoint=endpoint))
        except ValueError:
            return environment

    def spec(self, summary: dict[str, Any] | None) -> Spec:
        """The run's own spec. If it cannot be read, it holds the names in the summary, and nothing else.

        The file leaves out secrets, and so does the spec.
        """
        content = self._content(SPEC, [head.spec for head in self._heads])
        if content is not None:
            try:
                return build([self._layer(content)])
            except UnicodeDecodeError:
                self.damages.append(f"{SPEC} is not UTF-8 text")
            except InputError as error:
                self.damages.append(f"{SPEC} cannot be read ({error.where}: {error.problem})")
        self.unread.add(SPEC)
        named = {name: (summary or {}).get(name) for name in ("name", "model")}
        try:
            return build([{name: (value, SPEC) for name, value in named.items() if value is not None}])
        except InputError:
            return Spec()

    def _layer(self, content: bytes) -> Layer:
        """The spec's keys. Those of a later version are left out."""
        text, label = content.decode("utf-8-sig"), str(self._path / SPEC)
        try:
            layer = parse_toml(text, label)
        except InputError:
            known, unknown = _known(text)
            if not unknown:
                raise
            self.damages.append(f"{SPEC} has keys that this version does not know: {', '.join(unknown)}")
            layer = {name: (value, f"{label}: {name}") for name, value in known.items()}
        return {
            name: (kept(object_in(value)) if missing_in(value) else value, where)
            for name, (value, where) in layer.items()
        }

    def _content(self, name: str, copies: list[str]) -> bytes | None:
        """A file's bytes, or the journal's copy of them if it has one; None: there is neither."""
        kept = [copy.encode() for copy in copies]
        if name in self._changed:
            return kept[-1] if kept else None
        try:
            content = read_bytes(self._path / name)
        except Unreadable as error:
            self.damages.append(f"{name} {error}" + (": the journal's copy is read" if kept else ""))
            return kept[-1] if kept else None
        if kept and content not in kept:
            self.damages.append(f"{name} is not as it was written: the journal's copy is read")
        return kept[-1] if kept else content


def _known(text: str) -> tuple[dict[str, Any], list[str]]:
    """The keys of a spec file that this version knows, in their tables, and the names of the others."""
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}, []
    flat: list[tuple[str, str, Any]] = []
    for outer, content in document.items():
        if isinstance(content, dict):
            flat += [(outer, name, value) for name, value in content.items()]
        else:
            flat.append(("", outer, content))
    known = {name: value for table, name, value in flat if name in KEYS and KEYS[name].table == table}
    unknown = [f"{table}.{name}" if table else name for table, name, _ in flat if name not in known]
    return known, unknown


def _sane(environment: Environment) -> Environment:
    """The environment, if its numbers can be computed with.

    Raises:
        ValueError: a time or a speed is out of range.
    """
    clock, emulated = environment.clock, environment.emulated
    if not (0 <= clock.origin_monotonic_ns < _LARGEST_NS and 0 <= clock.origin_unix_ns < _LARGEST_NS):
        raise ValueError("the origin of its clock is out of range")
    if emulated is not None:
        if not 0 < (emulated.speed or 1.0) <= _FASTEST:
            raise ValueError("the emulator's speed is out of range")
        if not 0 <= (emulated.since_unix_s or 0.0) < _LARGEST_S:
            raise ValueError("the start of the emulator's clock is out of range")
    return environment
