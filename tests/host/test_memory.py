"""Memory that was freed goes back to the system."""

from __future__ import annotations

import subprocess
import sys

import pytest

USE = """
from pathlib import Path
from llmdyno.host.memory import give_memory_back

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

small = [bytearray(b"x") * 1000 for _ in range(100_000)]  # 100 MB in small blocks, and one after them that stays
last = bytearray(b"x") * 1000
full = resident_mb()
del small
give_memory_back()
print(full - resident_mb())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing happens elsewhere")
def test_free_memory_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", USE], capture_output=True, text=True, check=True)
    assert float(done.stdout) > 80
