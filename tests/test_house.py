"""The rules of the house that a test can hold: who imports whom, what stays pure, how long a function may be."""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "llmdyno"
FILES = sorted(ROOT.rglob("*.py"))
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]

# From left to right, as in the data flow: a folder may import itself and the folders before it.
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
# The emulator shares no code with what measures it. The engine records and does not know who answers.
ONLY = {"emulator": {"_version", "errors", "host", "emulator"}}
NEVER = {"engine": {"emulator"}, "timeline": {"emulator"}}

PURE_FOLDERS = {"_version", "errors", "spec", "workload", "protocols", "timeline", "metrics"}
NOT_PURE = {
    # sockets and processes
    *("asyncio", "socket", "select", "selectors", "ssl", "subprocess", "threading", "multiprocessing", "signal"),
    *("http.client", "http.server", "urllib.request", "boto3", "botocore"),
    # clocks
    "time",
    # files
    *("os", "io", "pathlib", "tempfile", "shutil", "glob", "fileinput", "mmap", "fcntl"),
}
CLOCK_CALLS = {"now", "utcnow", "today"}
IMPURE_BUT = {
    "emulator/model.py": {"time"},
}
"""Modules that call themselves pure and use one thing that is not, with what it is for."""

HEAVY_HOMES = {
    "anthropic": set[str](),
    "arro3": {"runs/parquet.py"},
    "boto3": {"emulator/moto.py", "aws/clients.py"},
    "botocore": {"aws/session.py", "aws/signing.py", "aws/clients.py", "services/bedrock_import/imports.py"},
    "httptools": {"transports/http1/answer.py", "emulator/incoming.py"},
    "httpx": {"targets/litellm/library.py", "targets/litellm/catching.py"},
    "h2": {"emulator/http2.py", "emulator/http2_rules.py"},
    "huggingface_hub": {"host/tokenizer.py"},
    "jinja2": {"protocols/templates.py"},
    "litellm": {"targets/litellm/library.py"},
    "moto": set[str](),
    "openai": {"targets/litellm/library.py"},
    "rich": {"reports/console.py", "reports/live.py"},
    "tokenizers": {"host/tokenizer.py"},
    "tomli_w": {"spec/toml.py"},
    "uvloop": {"host/loop.py"},
}

MODULE_LINES, FUNCTION_LINES = 350, 60
LONG_MODULES = {"spec/keys.py": "the table of all keys, one row a key"}

# Whose attributes a module may set on an object that is not its own `self`: a value that it builds or fills, never a
# method or a setting of another part.
MAY_SET = {
    "cli/__init__.py": {"sys"},  # standard streams that the caller closed
    "emulator/control.py": {"job"},
    "emulator/copies.py": {"copy", "spare"},
    "emulator/http2_rules.py": {"self.decoder"},  # a bound that h2 takes there
    "emulator/model.py": {"stream"},
    "emulator/null.py": {"connection"},
    "emulator/reply.py": {"self.truth"},
    "emulator/routes.py": {"truth"},
    "emulator/runtime.py": {"truth"},
    "emulator/server.py": {"job"},
    "engine/driver.py": {"self.observed", "exchange"},  # the planned instant of an exchange that it just made
    "engine/pacing.py": {"lane"},  # how many sessions wait, which the lane shows
    "engine/recorder.py": {"record"},
    "executors/inline.py": {"observed"},
    "host/timer.py": {"self._setting.value"},  # a struct of the C library
    "runs/directory.py": {"directory"},  # the instance that its own class method makes
    "services/bedrock_import/billing.py": {"bills[chosen]"},
    "services/bedrock_import/simulation.py": {
        *("self.result", "self._hour(...)", "hour", "copy", "spare", "chosen"),
    },
    "targets/litellm/library.py": {"litellm"},  # LiteLLM's settings are its module's attributes
    "transports/assemble.py": {"record"},
    "transports/chunks.py": {"record"},
    "transports/conceal.py": {"record"},
    "transports/http1/client.py": {"exchange"},
    "transports/http1/answer.py": {"exchange"},
    "transports/http1/connection.py": {"exchange"},
    "transports/http1/tls.py": {"context"},  # an SSLContext that it just made
    "transports/library.py": {"exchange", "record"},
}


@cache
def parsed(name: str) -> ast.Module:
    gc.disable()  # a collection in the middle of it makes CPython 3.11 raise SystemError now and then (gh-106905)
    try:
        return ast.parse((ROOT / name).read_text(encoding="utf-8"))
    finally:
        gc.enable()


@cache
def imports(name: str) -> frozenset[str]:
    found = set()
    for node in ast.walk(parsed(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: imports are absolute"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def folder(name: str) -> str:
    """The folder of a module, or its own name where it lies beside the folders."""
    return name.partition("/")[0].removesuffix(".py")


def own_imports(name: str) -> set[str]:
    """The folders of this project that a module imports from."""
    parts = (imported.split(".") for imported in imports(name))
    return {part[1] for part in parts if part[0] == "llmdyno" and len(part) > 1 and part[1] in ORDER}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_imports_only_itself_and_those_before_it(name: str) -> None:
    own = folder(name)
    if own in ("__init__", "__main__"):
        return
    assert own in ORDER, f"the folder {own} is not in the order"
    before = set(ORDER[: ORDER.index(own) + 1])
    assert own_imports(name) <= before & ONLY.get(own, before) - NEVER.get(own, set())


def test_the_order_names_every_folder() -> None:
    assert {folder(name) for name in NAMES} - {"__init__", "__main__"} == set(ORDER)


def pure(name: str) -> bool:
    """Whether a module is pure: all of a pure folder, and every other one that says so."""
    return folder(name) in PURE_FOLDERS or "PURE." in (ast.get_docstring(parsed(name)) or "")


@pytest.mark.parametrize("name", [name for name in NAMES if pure(name)])
def test_a_pure_module_has_no_sockets_clocks_or_files(name: str) -> None:
    tops = {imported.partition(".")[0] for imported in imports(name)}
    assert (tops | imports(name)) & NOT_PURE == IMPURE_BUT.get(name, set())
    calls = [node.func for node in ast.walk(parsed(name)) if isinstance(node, ast.Call)]
    assert not [call.id for call in calls if isinstance(call, ast.Name) and call.id == "open"]
    assert not [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in CLOCK_CALLS]


@pytest.mark.parametrize("name", NAMES)
def test_a_heavy_package_is_imported_in_its_home_only(name: str) -> None:
    tops = {imported.partition(".")[0] for imported in imports(name)}
    assert [heavy for heavy, homes in HEAVY_HOMES.items() if heavy in tops and name not in homes] == []


def test_every_home_is_needed() -> None:
    for heavy, homes in HEAVY_HOMES.items():
        for name in homes - {"emulator/moto.py"}:  # it looks whether boto3 is there, and imports it nowhere
            assert heavy in {imported.partition(".")[0] for imported in imports(name)}, name


@pytest.mark.parametrize("name", NAMES)
def test_every_module_says_what_it_is_for(name: str) -> None:
    assert ast.get_docstring(parsed(name))


def is_api(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "api"


@pytest.mark.parametrize("name", [name for name in NAMES if folder(name) != "targets"])
def test_an_api_is_compared_in_targets_only(name: str) -> None:
    compared = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(parsed(name))
        if isinstance(node, ast.Compare) and any(map(is_api, (node.left, *node.comparators)))
    ]
    matched = [f"line {n.lineno}" for n in ast.walk(parsed(name)) if isinstance(n, ast.Match) and is_api(n.subject)]
    assert compared + matched == []


@pytest.mark.parametrize("name", NAMES)
def test_modules_and_functions_are_short(name: str) -> None:
    lines = len((ROOT / name).read_text(encoding="utf-8").splitlines())
    assert lines <= MODULE_LINES or name in LONG_MODULES, f"{lines} lines"
    functions = (node for node in ast.walk(parsed(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    counts = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {one: count for one, count in counts.items() if count >= FUNCTION_LINES} == {}


def stored(name: str) -> Iterator[str]:
    """Whose attributes a module sets, by assignment or `setattr`; `self` and `cls` are left out."""
    for node in ast.walk(parsed(name)):
        base: ast.expr | None = None
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            base = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            base = node.args[0]
        if base is not None:
            text = ast.unparse(base)
            yield text if not isinstance(base, ast.Call) else f"{ast.unparse(base.func)}(...)"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_reassigned_on_another_object(name: str) -> None:
    """The list is exact: an entry that is no longer needed has to go."""
    assert set(stored(name)) - {"self", "cls"} == MAY_SET.get(name, set())


def test_the_exceptions_name_modules_that_exist() -> None:
    assert {*MAY_SET, *LONG_MODULES, *IMPURE_BUT, *(home for homes in HEAVY_HOMES.values() for home in homes)} <= {
        *NAMES
    }
    assert all(len((ROOT / name).read_text(encoding="utf-8").splitlines()) > MODULE_LINES for name in LONG_MODULES)


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
    top = ROOT.parent.parent
    for path in [*FILES, *sorted(top.glob("*.md")), *sorted((top / "docs").glob("*.md"))]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/work/|/root/|issue \d|session \d", text), path
