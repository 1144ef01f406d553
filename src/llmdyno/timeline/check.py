"""Whether facts that were read back are facts that a run can have written.

It takes a record, or a timeline. It gives a yes or a no. It is for files without checksums: a flipped bit in one may
leave values that can be read and mean nothing. It cannot find a value that is wrong and possible.
"""

from __future__ import annotations

from array import array

import numpy as np

from llmdyno.protocols.events import OTHER, REFUSAL
from llmdyno.timeline.columns import INTEGER_COLUMNS, MISSING, TEXT_COLUMNS, TIME_COLUMNS, Column, Timeline
from llmdyno.timeline.record import CANCELLED, FAILED, KERNEL, OK, SDK, USER, RequestRecord

_STATES, _CLOCKS = {OK, FAILED, CANCELLED}, {KERNEL, USER, SDK}
_LONGEST_NS = 1 << 52
"""No two times of a run are further apart: 52 days."""
_LARGEST = 1 << 62
_REQUIRED_TEXTS = ("phase", "state", "clock")


def is_plausible(record: RequestRecord) -> bool:
    """Whether a record's arrays fit together, its names are known, and its times are close to each other."""
    chunks = len(record.kinds)
    arrays = [(record.arrivals, 8), (record.reads, 8), (record.sizes, 4)]
    if record.cumulative_tokens:
        arrays.append((record.cumulative_tokens, 4))
    if any(len(packed) != size * chunks for packed, size in arrays):
        return False
    if record.state not in _STATES or record.clock not in _CLOCKS:
        return False
    if any(kind > REFUSAL for kind in record.kinds) or any(size < 0 for size in array("i", record.sizes)):
        return False
    given = [value for name in INTEGER_COLUMNS if (value := getattr(record, name, None)) is not None]
    if any(abs(value) > _LARGEST for value in given):
        return False
    times = [value for name in TIME_COLUMNS if (value := getattr(record, name)) is not None]
    times += [*array("q", record.arrivals), *array("q", record.reads)]
    return not times or max(times) - min(times) < _LONGEST_NS


def is_possible(timeline: Timeline) -> bool:
    """Whether a timeline's requests and chunks fit together, its names are known, and its times are close to its
    origin."""
    requests, chunks = timeline.requests, timeline.chunks
    numbers, owners = requests["request"], chunks["request"]
    lengths = {len(column) for column in requests.values()}, {len(column) for column in chunks.values()}
    if any(len(found) > 1 for found in lengths):
        return False
    if not (np.diff(numbers) > 0).all() or not (np.diff(owners) >= 0).all() or not np.isin(owners, numbers).all():
        return False
    if not (_known(requests["state"], _STATES) and _known(requests["clock"], _CLOCKS)):
        return False
    texts = (requests[name].tolist() for name in TEXT_COLUMNS if name not in _REQUIRED_TEXTS)
    if not all(value is None or isinstance(value, str) for column in texts for value in column):
        return False
    if not all(isinstance(value, str) for value in requests["phase"].tolist()):
        return False
    kinds = chunks["kind"]
    if not ((kinds >= OTHER) & (kinds <= REFUSAL)).all() or not (chunks["characters"] >= 0).all():
        return False
    times = [requests[name] for name in TIME_COLUMNS] + [chunks["arrival_ns"], chunks["read_ns"]]
    return all(_near(column) for column in times)


def _known(column: Column, names: set[str]) -> bool:
    return all(isinstance(value, str) and value in names for value in column.tolist())


def _near(times_ns: Column) -> bool:
    """Whether every time is within the longest run of the origin."""
    given = times_ns[times_ns != MISSING]
    return bool(((given > -_LONGEST_NS) & (given < _LONGEST_NS)).all())
