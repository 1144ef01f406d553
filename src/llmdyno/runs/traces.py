"""Reads a trace file. :mod:`llmdyno.workload.sources.traces` knows the formats."""

from __future__ import annotations

from llmdyno.host.files import read_text
from llmdyno.spec.load import REPLAY
from llmdyno.spec.spec import Spec
from llmdyno.workload.sources.traces import FITS, WHERE, Entry, parse_trace


def read_trace(path: str, time_scale: float, where: str = WHERE, fits: str = FITS) -> list[Entry]:
    """The requests of a trace file. For the arguments, see :func:`llmdyno.workload.sources.traces.parse_trace`.

    Raises:
        InputError: the file cannot be read, a line does not fit, or a time goes backwards.
    """
    return parse_trace(read_text(path, where, f"what fits: {fits}"), path, time_scale, where, fits)


def load_trace(spec: Spec) -> list[Entry] | None:
    """The trace that a spec replays; None: it replays no trace.

    Raises:
        InputError: as for :func:`read_trace`.
    """
    if not spec.load.replays:
        return None
    return read_trace(spec.arrivals.removeprefix(REPLAY), spec.time_scale)
