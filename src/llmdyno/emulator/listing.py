"""Lists of the control plane: filtered, sorted and cut into pages as a query asks. PURE.

In: the entries of a list with their creation times, a query. Out: one page under the service's names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.body import shown
from llmdyno.emulator.imports import Shape, refuse_all, unfit

_ORDERS, _SORTS = ("Ascending", "Descending"), ("CreationTime",)
_PAGE = 1000


class Entry(NamedTuple):
    """One entry of a list: when it was created (unix seconds), its name, how the service shows it."""

    created_s: float
    name: str
    shown: dict[str, Any]


def check_query(query: dict[str, str], name: Shape, states: tuple[str, ...] = ()) -> None:
    """Check the words of a list's query: `name` is the shape of nameContains, `states` are those of statusEquals.

    Raises:
        ServiceError: a word does not fit; the message names all of them.
    """
    found = list(unfit("nameContains", query["nameContains"], name)) if "nameContains" in query else []
    for field, words in (("sortOrder", _ORDERS), ("sortBy", _SORTS), ("statusEquals", states)):
        if words and query.get(field, words[0]) not in words:
            says = f"Value '{shown(query[field])}' at '{field}' failed to satisfy constraint"
            found.append(f"{says}: Member must satisfy enum value set: [{', '.join(words)}]")
    refuse_all(found)


def page(entries: list[Entry], query: dict[str, str], name: str) -> dict[str, Any]:
    """The page that `query` asks for, as the field `name` of the answer.

    Raises:
        ServiceError: a value of the query does not fit.
    """
    after, before = _read_time(query.get("creationTimeAfter")), _read_time(query.get("creationTimeBefore"))
    kept = [
        entry
        for entry in entries
        if (after is None or entry.created_s > after)
        and (before is None or entry.created_s < before)
        and query.get("nameContains", "") in entry.name
    ]
    kept.sort(key=lambda entry: entry.created_s, reverse=query.get("sortOrder", "Descending") == "Descending")
    try:
        size, start = int(query.get("maxResults", _PAGE)), int(query.get("nextToken", 0))
    except ValueError:
        raise _invalid("maxResults or nextToken is not valid.") from None
    if not 1 <= size <= _PAGE or start < 0:
        raise _invalid(f"maxResults must be from 1 to {_PAGE}.")
    answer: dict[str, Any] = {name: [entry.shown for entry in kept[start : start + size]]}
    if start + size < len(kept):
        answer["nextToken"] = str(start + size)
    return answer


def _read_time(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):  # the last two: a year that no clock reaches
        raise _invalid(f"{shown(text)} is not a time.") from None


def timestamp(unix_s: float) -> str:
    """A time (unix seconds) as the service writes it."""
    return datetime.fromtimestamp(unix_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "ValidationException", message)
