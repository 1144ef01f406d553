"""What a type checker makes of a spec: lenient parameters, exact attributes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ACCEPTED = """
from typing import assert_type
from collections.abc import Mapping
from dataclasses import replace
from llmdyno import Spec
from llmdyno.spec.distribution import Distribution
from llmdyno.spec.load import Ramp, Stage

spec = Spec(
    input_tokens=500,
    output_tokens="normal(500,25)",
    stages=["rate=10,duration=30s", {"rate": 40, "duration": "1m"}],
    slo={"ttft_s": 0.5},
    headers={"X-Team": "blue"},
    extra_body={"temperature": 0},
    litellm_param=["top_p=0.9"],
    ramp="1:50:60s",
    duration_s="10m",
    timeout_s=30,
)
Spec(input_tokens=Distribution.parse(5), stages=[Stage(1.0, rate=2.0)], slo=["ttft_s=1"], headers="A: b", ramp=None)
replace(spec, seed=3)
assert_type(spec.input_tokens, Distribution)
assert_type(spec.input_tokens.mean, float)
assert_type(spec.stages, tuple[Stage, ...])
assert_type(spec.slo, Mapping[str, float])
assert_type(spec.headers, Mapping[str, str])
assert_type(spec.ramp, Ramp | None)
assert_type(spec.duration_s, float | None)
assert_type(spec.timeout_s, float)
assert_type(spec.concurrency, int)
"""

REFUSED = """
from llmdyno import Spec
Spec(input_tokens=[500])
Spec(slo=5)
Spec(stages=5)
Spec(concurrency="many")
Spec(conurrency=5)
Spec().input_tokens = 5
"""


CONFIG = """
[mypy]
strict = True
mypy_path = {src}
[mypy-llmdyno.*]
follow_imports = silent
[mypy-llmdyno.measure,llmdyno.runs.*]
follow_imports = skip
"""


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int]]:
    """File and line of each error that mypy finds in the two sources."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "accepted.py").write_text(ACCEPTED, encoding="utf-8")
    (folder / "refused.py").write_text(REFUSED, encoding="utf-8")
    (folder / "mypy.ini").write_text(CONFIG.format(src=Path(__file__).parents[2] / "src"), encoding="utf-8")
    line = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "accepted.py", "refused.py"]
    result = subprocess.run(line, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert "(checked 2 source files)" in result.stdout, result.stdout + result.stderr
    found = re.findall(r"^(\S+?):(\d+): error", result.stdout, re.MULTILINE)
    return [(name, int(number)) for name, number in found]


def test_lenient_values_are_accepted_and_exact_ones_read(findings: list[tuple[str, int]]) -> None:
    assert [line for name, line in findings if name != "refused.py"] == []


def test_each_wrong_use_is_found(findings: list[tuple[str, int]]) -> None:
    assert [line for name, line in findings if name == "refused.py"] == [3, 4, 5, 6, 7, 8]
