"""What a spec file left out because it is secret: how it is asked for, given again, or done without. PURE.

In: raw values of a file, with :data:`~llmdyno.spec.masking.REDACTED` where something was left out. Out: the places, the
flags that give them again, and the values filled or without them. It does not know what is secret.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from llmdyno.spec.masking import MASK, REDACTED
from llmdyno.spec.secrets import json_in


class Asks(NamedTuple):
    """What a file left out: the places, and the flags that give it again."""

    places: list[str]
    flags: str


def object_in(value: Any) -> Any:
    """The object or the list in a text of JSON; any other value as it is."""
    found = json_in(value) if isinstance(value, str) else None
    return value if found is None else found


def missing_in(value: Any) -> bool:
    """Whether a file left out something of a value."""
    try:
        return next(left_out(value), None) is not None
    except RecursionError:  # too deep for JSON too, which the key's reader says
        return False


def left_out(value: Any, path: str = "") -> Iterator[str]:
    """The places in a value that a file left out, as paths such as ``auth.api_key``."""
    value = object_in(value)
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from left_out(one, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            yield from left_out(one, f"{path}[{index}]")
    elif isinstance(value, str) and REDACTED in value:
        yield path


def asks(flag: str, value: Any) -> Asks:
    """How to give again what a file left out of a flag's value."""
    value = object_in(value)
    places = list(left_out(value))
    if flag == "--header":
        return Asks(places, " ".join(f"{flag} '{name}: …'" for name in places))
    if not isinstance(value, Mapping):
        return Asks([flag], f"{flag} …")
    missing = _skeleton(value)
    if flag == "--litellm-param":
        given = {
            name: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for name, one in missing.items()
        }
        return Asks(
            places,
            " ".join(f"{flag} {name}={one}" if one == "…" else f"{flag} '{name}={one}'" for name, one in given.items()),
        )
    return Asks(places, f"{flag} '{json.dumps(missing, ensure_ascii=False)}'")


def _skeleton(value: Any) -> Any:
    """A value with only those parts that a file left out."""
    if isinstance(value, Mapping):
        return {name: _skeleton(one) for name, one in value.items() if missing_in(one)}
    if isinstance(value, list):
        return [_skeleton(one) if missing_in(one) else {} if isinstance(one, Mapping) else one for one in value]
    return "…"


def ask_again(flag: str, value: Any) -> None:
    """Check that nothing is left out of a value.

    Raises:
        ValueError: something is; it says how to give it.
    """
    if missing_in(value):
        ask = asks(flag, value)
        raise ValueError(f"the value of {', '.join(ask.places)}, which this file leaves out: {ask.flags}")


def kept(value: Any) -> Any:
    """A value without what a file left out. A URL has ``***`` there."""
    if isinstance(value, Mapping):
        return {name: kept(one) for name, one in value.items() if one != REDACTED}
    if isinstance(value, list | tuple):
        return [kept(one) for one in value if one != REDACTED]
    return value.replace(REDACTED, MASK) if isinstance(value, str) else value


def filled(before: Any, given: Any) -> Any:
    """What a file left out, filled with what the user gives again."""
    if isinstance(before, Mapping) and isinstance(given, Mapping):
        return {**before, **{name: filled(before.get(name), one) for name, one in given.items()}}
    if isinstance(before, list) and isinstance(given, list) and len(before) == len(given):
        return [filled(*pair) for pair in zip(before, given, strict=True)]
    return given
