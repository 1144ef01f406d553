"""The files of a model folder: their names, sizes and texts.

In: a folder. Out: a :class:`Files`, with which the checks read small files. It does not know what the files mean.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmdyno.errors import InputError
from llmdyno.host.files import read_text
from llmdyno.services.bedrock_import.folder.finding import Finding, Findings

FOLDER = ""
"""The `where` of a finding about the folder itself. That of a file is its name, that of a flag begins with ``--``."""

_POINTER, _LARGEST_POINTER = b"version https://git-lfs.github.com/spec/", 1024
_AGAIN = "save the model again, or copy the file again"


@dataclass(frozen=True, slots=True)
class Files:
    """A folder's files with their sizes in bytes, by name; `pointers` are those that Git LFS left in their place."""

    path: Path
    sizes: dict[str, int]
    pointers: frozenset[str] = field(default_factory=frozenset)

    def __contains__(self, name: object) -> bool:
        return name in self.sizes

    def any_of(self, *names: str) -> bool:
        """Whether one of these files is there."""
        return any(name in self.sizes for name in names)

    def read_json(self, name: str) -> dict[str, Any]:
        """The JSON object in a file; see :func:`read_json`.

        Raises:
            InputError: it cannot be read, or holds no JSON object.
        """
        return read_json(self.path / name)

    def json_problem(self, name: str) -> Findings:
        """What is wrong with a file that must hold a JSON object. Of a pointer, nothing is said here."""
        if name not in self.pointers:
            try:
                self.read_json(name)
            except InputError as error:
                yield Finding(name, error.problem, error.fits)


def list_files(path: Path) -> Files:
    """The files of a folder and of those within it. Hidden ones and caches are left out."""
    sizes = {name: entry.stat().st_size for entry in sorted(path.rglob("*")) if (name := _name(entry, path))}
    return Files(path, sizes, frozenset(name for name in sizes if is_pointer(path / name)))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        InputError: it cannot be read, or holds no JSON object.
    """
    text = read_text(path, str(path), _AGAIN)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InputError(str(path), "is not a JSON object", _AGAIN)
    return found


def is_pointer(path: Path) -> bool:
    """Whether Git LFS left a pointer in place of a file."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_POINTER:
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except OSError:
        return False


def pointer(name: str) -> Finding:
    """The finding about a pointer."""
    return Finding(name, "is a Git LFS pointer, not the file itself", "fetch the files (git lfs pull)")


def _name(entry: Path, folder: Path) -> str | None:
    """A file's name in its folder; None: it is no file, it is hidden, or it is a cache."""
    inside = entry.relative_to(folder)
    if not entry.is_file() or any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
        return None
    return inside.as_posix()
