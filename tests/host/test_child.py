"""Programs of ours beside a run: they say one line of JSON, and end with their parent, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from llmdyno import InputError
from llmdyno.host.child import Child

SERVES = """
import json, os, sys, time
from llmdyno.host.child import leave_with_parent
leave_with_parent()
print(json.dumps({"pid": os.getpid(), "session": os.getsid(0)}), flush=True)
time.sleep(60)
"""
PARENT = """
import sys, time
from llmdyno.host.child import Child
child = Child(["-c", sys.argv[1]])
print(child.ready()["pid"], flush=True)
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def ends_within(pid: int, patience_s: float) -> bool:
    deadline_s = time.monotonic() + patience_s
    while is_running(pid):
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.01)
    return True


def test_a_child_says_its_line_and_ends_with_the_context() -> None:
    with Child(["-c", SERVES]) as child:
        facts = child.ready()
        assert is_running(facts["pid"])
        assert facts["session"] == facts["pid"] != os.getsid(0)  # Ctrl-C in the terminal does not reach it
    assert not is_running(facts["pid"])


def test_a_child_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, SERVES], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert is_running(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert ends_within(pid, 5)


def test_a_child_that_ends_instead_of_its_line() -> None:
    with Child(["-c", "import sys; sys.exit(3)"]) as child, pytest.raises(InputError) as refused:
        child.ready()
    assert str(refused.value) == "embedded emulator: ended with status 3; see its message above"


def test_the_lines_of_a_child_come_until_it_ends() -> None:
    with Child(["-c", "print('{}'); print('a'); print('b')"]) as child:
        assert child.ready() == {}
        assert list(child.lines()) == [b"a\n", b"b\n"]


@pytest.mark.parametrize(("quiet", "seen"), [(False, b"gone"), (True, b"")])
def test_a_quiet_child_shows_no_error(quiet: bool, seen: bytes) -> None:
    child = f"Child(['-c', 'import sys; sys.exit(\"gone\")'], quiet={quiet})"
    main = f"from llmdyno.host.child import Child\nwith {child}:\n    pass"
    shown = subprocess.run([sys.executable, "-c", main], capture_output=True, check=True).stderr
    assert shown.strip() == seen
