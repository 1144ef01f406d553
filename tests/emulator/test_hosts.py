"""Which Host headers are answered."""

from __future__ import annotations

import pytest

from llmdyno.emulator.hosts import Hosts

LOOPBACK = [
    "127.0.0.1",
    "127.0.0.1:8080",
    "127.9.9.9",
    "localhost",
    "LocalHost:1",
    "localhost.",
    "[::1]:8080",
    "a.localhost",
]
ADDRESSES = ["10.0.0.5", "10.0.0.5:8080", "[fe80::5]:80"]
NAMES = ["foreign.example", "foreign.example:8080", "localhost.foreign.example", "127.0.0.1.foreign.example"]
BROKEN = ["", " ", "a b", "[::1", "::1", "user@localhost", "localhost:x", "localhost/", "localhost\x00"]


@pytest.mark.parametrize(
    ("bound", "more", "allowed", "refused"),
    [
        ("127.0.0.1", (), LOOPBACK, [*ADDRESSES, *NAMES, *BROKEN]),
        ("10.0.0.5", (), [*LOOPBACK, "10.0.0.5:1"], ["10.0.0.6", *NAMES, *BROKEN]),
        ("0.0.0.0", (), [*LOOPBACK, *ADDRESSES, "0.0.0.0:80"], [*NAMES, *BROKEN]),
        ("::", (), [*LOOPBACK, *ADDRESSES, "[::]:80"], [*NAMES, *BROKEN]),
        ("box", (), [*LOOPBACK, "box", "BOX.:80"], [*ADDRESSES, *NAMES, "box.example"]),
        ("127.0.0.1", ("Box.example", "::5"), [*LOOPBACK, "box.example:80", "[::5]"], [*ADDRESSES, *NAMES, "box"]),
        ("127.0.0.1", ("*",), [*LOOPBACK, *ADDRESSES, *NAMES], BROKEN),
    ],
)
def test_who_is_answered(bound: str, more: tuple[str, ...], allowed: list[str], refused: list[str]) -> None:
    hosts = Hosts(bound, more)
    for _ in range(2):  # the second time it is remembered
        assert [one for one in allowed if not hosts.allow(one)] == []
        assert [one for one in refused if hosts.allow(one)] == []


def test_what_is_remembered_is_bounded() -> None:
    hosts = Hosts("127.0.0.1")
    assert not any(hosts.allow(f"h{number}.example") for number in range(3000))
    assert len(hosts._known) == 1000
