"""The limits that this machine sets on connections: open files and ephemeral ports."""

from __future__ import annotations

import contextlib
import resource

from llmdyno.errors import InputError

_SPARE_FILES = 64


def allow_open_files(connections: int, *, needed: bool = True, flag: str = "--concurrency") -> None:
    """Raise the process's soft limit on open files as far as the load needs, or, not `needed`, as far as it goes.
    `flag` says how many connections there are.

    Raises:
        InputError: the hard limit on open files is too low, or there are too few ephemeral ports.
    """
    files = connections + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if needed and (ports := _ephemeral_ports()) is not None and connections > ports:
        raise InputError(
            flag,
            f"{connections} connections to one address do not fit into this host's {ports} ephemeral ports",
            f"use at most {ports}, or widen net.ipv4.ip_local_port_range",
        )
    if soft == resource.RLIM_INFINITY or soft >= files:
        return
    if hard != resource.RLIM_INFINITY and hard < files:
        if needed:
            raise InputError(
                flag,
                f"{connections} connections do not fit under this process's limit of {hard} open files",
                f"use at most {hard - _SPARE_FILES}, or raise the hard limit (ulimit -Hn)",
            )
        files = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def raise_open_files() -> int | None:
    """Raise the process's soft limit on open files to the hard limit, and return it; None: there is no limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        # macOS says that the hard limit is infinite, and refuses to set it.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    return None if soft == resource.RLIM_INFINITY else soft


def connections_within(files: int | None) -> int | None:
    """How many connections a limit on open files leaves, beside what else a process opens; None: no limit."""
    return None if files is None else max(files - _SPARE_FILES, files // 2, 1)


def _ephemeral_ports() -> int | None:
    """The number of local ports that connections may use; None: the system does not tell it."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
            low, high = map(int, file.read().split())
    except (OSError, ValueError):
        return None
    return high - low + 1
