"""Limits on connections are foreseen: open files and ephemeral ports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmdyno import InputError, Spec
from llmdyno.executors.executor import allow_connections
from llmdyno.host.limits import allow_open_files, connections_within

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
ASK = """
import resource, sys
from llmdyno import InputError, Spec
from llmdyno.executors.executor import allow_connections
from llmdyno.host.limits import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 1000))  # a hard limit cannot be raised again: hence a process
try:
    allow_open_files(int(sys.argv[1]), needed=sys.argv[2] == "needed")
except InputError as error:
    print(error)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def asked(connections: int, needed: str = "needed") -> list[str]:
    """What is said, and the limits afterwards, in a process with a soft limit of 128 files and a hard one of 1000."""
    command = [sys.executable, "-c", ASK, str(connections), needed]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


@pytest.mark.parametrize(("connections", "soft"), [(1, 128), (64, 128), (65, 129), (936, 1000)])
def test_the_limit_is_raised_as_far_as_it_is_needed(connections: int, soft: int) -> None:
    assert asked(connections) == [f"{soft} 1000"]


def test_more_than_the_hard_limit_is_refused() -> None:
    assert asked(937) == [
        "--concurrency: 937 connections do not fit under this process's limit of 1000 open files; "
        "use at most 936, or raise the hard limit (ulimit -Hn)",
        "128 1000",
    ]


def test_what_is_not_needed_goes_as_far_as_the_limit_goes() -> None:
    assert asked(937, "wished") == ["1000 1000"]


@pytest.mark.skipif(not PORT_RANGE.exists(), reason="this system does not say how many ports it has")
def test_more_than_the_ephemeral_ports_is_refused() -> None:
    low, high = map(int, PORT_RANGE.read_text(encoding="ascii").split())
    ports = high - low + 1
    with pytest.raises(InputError) as refused:
        allow_open_files(ports + 1)
    assert str(refused.value) == (
        f"--concurrency: {ports + 1} connections to one address do not fit into this host's {ports} ephemeral ports; "
        f"use at most {ports}, or widen net.ipv4.ip_local_port_range"
    )


@pytest.mark.skipif(not PORT_RANGE.exists(), reason="this system does not say how many ports it has")
@pytest.mark.parametrize(
    ("keys", "flag"),
    [
        ({"concurrency": 99_999, "requests": 1}, "--concurrency"),
        ({"rate": 1.0, "requests": 1, "max_concurrency": 99_999}, "--max-concurrency"),
        ({"stages": ["concurrency=99999,duration=1"]}, "--stage"),
    ],
)
def test_the_flag_is_named_that_asks_for_the_connections(keys: dict[str, Any], flag: str) -> None:
    with pytest.raises(InputError) as refused:
        allow_connections(Spec(base_url="http://h/v1", model="m", **keys))
    assert refused.value.where == flag


@pytest.mark.parametrize(
    ("files", "connections"), [(None, None), (1, 1), (64, 32), (100, 50), (1024, 960), (20_000, 19_936)]
)
def test_connections_within_a_limit(files: int | None, connections: int | None) -> None:
    assert connections_within(files) == connections


@pytest.mark.parametrize(("soft", "hard"), [(100, 200), (200, 200)])
def test_the_limit_is_raised_as_far_as_it_goes(soft: int, hard: int) -> None:
    code = (
        "import resource; from llmdyno.host.limits import raise_open_files; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard})); "
        "print(raise_open_files(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "200 200 200\n"
