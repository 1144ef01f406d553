"""Damages a run directory at random, from a seed, in the ways of a disk, an editor and another program."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e300, 10**30, "", "x", "\ud800", "\x1b[2J", [], {}, [None], [[1, 2, 3]], {"a": 1},
    "9" * 400,
)  # fmt: skip
"""What takes the place of a value."""


def flip(path: Path, dice: random.Random) -> str:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    if not content:
        return "nothing to flip"
    position, bit = dice.randrange(len(content)), dice.randrange(8)
    content[position] ^= 1 << bit
    path.write_bytes(content)
    return f"bit {bit} of byte {position}"


def cut(path: Path, dice: random.Random) -> str:
    """Cut the file off."""
    content = path.read_bytes()
    end = dice.randrange(len(content) + 1)
    path.write_bytes(content[:end])
    return f"cut at {end}"


def fill(path: Path, dice: random.Random) -> str:
    """Write zeros or noise over a part, as a disk may."""
    content = bytearray(path.read_bytes())
    start, length = dice.randrange(len(content) + 1), dice.choice((1, 64, 512, 4096))
    content[start : start + length] = dice.choice((bytes(length), dice.randbytes(length)))
    path.write_bytes(content)
    return f"{length} bytes over {start}"


def remove(path: Path, dice: random.Random) -> str:
    """Remove the file, or put something else there."""
    path.unlink()
    kind = dice.choice(("nothing", "a directory", "a loop", "a broken link", "an empty file"))
    if kind == "a directory":
        path.mkdir()
    elif kind == "a loop":
        path.symlink_to(path.name)
    elif kind == "a broken link":
        path.symlink_to("nowhere")
    elif kind == "an empty file":
        path.touch()
    return f"replaced by {kind}"


def change(path: Path, dice: random.Random) -> str:
    """Change a value of a JSON file, or remove a key."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return flip(path, dice)
    places = list(_places(document))
    if not places:
        return "nothing to change"
    holder, key, name = dice.choice(places)
    if dice.random() < 0.3:
        del holder[key]
        told = f"{name} removed"
    else:
        holder[key] = dice.choice(VALUES)
        told = f"{name} = {holder[key]!r:.40}"
    path.write_text(json.dumps(document), encoding="utf-8")
    return told


def _places(value: Any, name: str = "$") -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, below in items:
        yield value, key, f"{name}.{key}"
        yield from _places(below, f"{name}.{key}")


KINDS: tuple[Callable[[Path, random.Random], str], ...] = (flip, flip, cut, fill, remove, change, change, change)


def damaged(base: Path, path: Path, dice: random.Random, kinds: tuple[Any, ...] = KINDS) -> str:
    """Copy a run directory, damage one file of the copy, and say how."""
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(base, path)
    file = dice.choice(sorted(entry for entry in path.rglob("*") if entry.is_file()))
    kind = dice.choice(kinds)
    if kind is change and file.suffix != ".json":
        kind = flip
    return f"{file.relative_to(path)}: {kind(file, dice)}"


def unseal(path: Path) -> None:
    """Make a run directory one of a version without checksums."""
    for file in path.glob("*.json"):
        value = json.loads(file.read_text(encoding="utf-8"))
        value.pop("sha256", None), value.pop("files", None)
        file.write_text(json.dumps(value, indent=2), encoding="utf-8")
