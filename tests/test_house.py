"""The house rules that a test can keep: who may import whom, what is imported when, what a room says of itself."""

from __future__ import annotations

import ast
import gc
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "llmdyno"

# From left to right: a room may import those before it and its own, nothing behind it.
ORDER = [
    "_version",
    "errors",
    "host",
    "emulator",
    "spec",
    "workload",
    "protocols",
    "timeline",
    "transports",
    "engine",
    "metrics",
    "runs",
    "aws",
    "services",
    "targets",
    "reports",
    "executors",
    "experiments",
    "measure",
    "cli",
]
PURE = {"_version", "errors", "spec", "workload", "protocols", "timeline", "metrics"}
PURE_EMULATOR = (
    "answers",
    "model",
    "copies",
    "control",
    "counts",
    "faults",
    "openai",
    "bedrock",
    "frames",
    "signatures",
)
PURE_MODULES = {f"emulator/{name}.py" for name in PURE_EMULATOR}
NOT_PURE = {
    "asyncio",
    "socket",
    "time",
    "select",
    "ssl",
    "subprocess",
    "threading",
    "boto3",
    "botocore",
    "urllib.request",
}
# The engine records and does not know what becomes of it; the emulator shares no code with what measures it.
FORBIDDEN = {
    "engine": {"emulator"},
    "timeline": {"emulator"},
}
HEAVY_HOMES = {
    "tokenizers": {"host/tokenizer.py"},
    "huggingface_hub": {"host/tokenizer.py"},
    "rich": {"reports/console.py", "reports/live.py"},
    "arro3": {"runs/parquet.py"},
    "tomli_w": {"spec/toml.py"},
    "litellm": {"targets/litellm/library.py"},
    "openai": {"targets/litellm/library.py"},
    "httpx": {"targets/litellm/library.py"},
    "jinja2": {"protocols/templates.py"},
    "boto3": {"emulator/moto.py", "aws/clients.py"},
    "botocore": {"aws/session.py", "aws/signing.py", "aws/clients.py", "services/bedrock_import/imports.py"},
}

FILES = sorted(ROOT.rglob("*.py"))


@cache
def parsed(path: Path) -> ast.Module:
    gc.disable()  # a collection in the middle of it makes CPython 3.11 raise SystemError now and then (gh-106905)
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_rooms_import_only_what_stands_before_them(path: Path) -> None:
    own = room(path)
    if own in ("__init__", "__main__"):
        return
    assert own in ORDER, f"the room {own} has no place in the order"
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "llmdyno" and len(parts) > 1 and parts[1] in ORDER:
            assert ORDER.index(parts[1]) <= ORDER.index(own), f"{path.name} imports {name}"
            assert parts[1] not in FORBIDDEN.get(own, set()), f"{path.name} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_rooms_stay_pure_and_heavy_parts_at_home(path: Path) -> None:
    relative = path.relative_to(ROOT).as_posix()
    tops = {name.partition(".")[0] for name in imports(path)}
    if room(path) in PURE or relative in PURE_MODULES:
        assert not (tops | imports(path)) & NOT_PURE, relative
    for heavy, homes in HEAVY_HOMES.items():
        assert heavy not in tops or relative in homes, f"{relative} imports {heavy}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(parsed(path))


def test_the_order_names_every_room() -> None:
    assert {room(path) for path in FILES} - {"__init__", "__main__"} == set(ORDER)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import llmdyno", ("numpy", "asyncio", "rich", "argparse")),
        ("from llmdyno.cli import main; main([])", ("numpy", "asyncio", "rich", "msgspec")),
        ("import llmdyno.cli.run, llmdyno.measure", ("rich", "tokenizers", "arro3")),
    ],
)
def test_start_up_imports_little(statement: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; {statement}; print([name for name in {absent!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of a machine, no tracker's numbers in what is shipped."""
    import re

    for path in FILES + sorted(ROOT.parent.parent.glob("*.md")) + sorted((ROOT.parent.parent / "docs").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/work/|/root/|issue \d|session \d", text), path
