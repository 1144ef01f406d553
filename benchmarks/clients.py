"""The clients of Bedrock that others wrote, each against the emulator: what works, by client, version and operation.

    python -m benchmarks.clients [--only NAME] [--venv NAME=FOLDER] [--out benchmarks/results]

Each client gets an environment of its own in a temporary folder (a virtual environment, or a folder for npm) and the
packages that it names, by their names alone: the installed configuration of pip and npm says where from. Then its
script in `client_scripts/` runs against an emulator that answers, one whose model must wake first, and one that
throttles every call; signatures are checked. It takes a few minutes, most of it for installing. `--venv` names an
environment that is there already.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from llmdyno import __version__
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY

SCRIPTS = Path(__file__).parent / "client_scripts"
SPEED = 2.0
_WARM = ("--cold-start", "0", "--first-inference", "0", "--hold", "--idle", "100000", "--verify-signatures")
_COLD = ("--cold-start", "0.01", "--first-inference", "0", "--verify-signatures")
_LIMIT_S = 600


class Client(NamedTuple):
    """A client: its script, the packages to install, the ones whose versions are shown."""

    script: str
    packages: tuple[str, ...]
    shown: tuple[str, ...]

    @property
    def node(self) -> bool:
        """Whether it runs in Node."""
        return self.script.endswith(".mjs")


CLIENTS = {
    "boto3": Client("boto3_client.py", ("boto3",), ("boto3",)),
    "aiobotocore": Client("aiobotocore_client.py", ("aiobotocore",), ("aiobotocore",)),
    "AWS SDK for JavaScript": Client(
        "javascript_client.mjs", ("@aws-sdk/client-bedrock-runtime",), ("@aws-sdk/client-bedrock-runtime",)
    ),
    "LangChain-AWS": Client("langchain_aws_client.py", ("langchain-aws",), ("langchain-aws",)),
    "llmeter": Client("llmeter_client.py", ("llmeter",), ("llmeter",)),
    "LiteLLM's proxy": Client("litellm_proxy_client.py", ("litellm[proxy]",), ("litellm",)),
    "Strands agents": Client("strands_client.py", ("strands-agents",), ("strands-agents",)),
}


@contextlib.contextmanager
def emulators() -> Iterator[dict[str, str]]:
    """Three emulators, as the environment of a script names them. The cold one wakes once, so each client gets new
    ones."""
    with contextlib.ExitStack() as stack:
        places = {}
        for name, flags in (("ROOT", _WARM), ("COLD", _COLD), ("THROTTLED", (*_WARM, "--fault", "throttle=1"))):
            found = EmbeddedEmulator(DEFAULT_PROFILE, speed=SPEED, seed=3, more=flags)
            facts = stack.enter_context(found).ready()
            places[name], model = facts["root"], facts["model"]
        yield {**places, "MODEL": model}


def environ(places: dict[str, str]) -> dict[str, str]:
    """A script's environment: nothing of the user's account, and no way to the real service's metadata."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | places | {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NODE_NO_WARNINGS": "1",
        "OTEL_SDK_DISABLED": "true",
    }  # fmt: skip


def run_script(command: list[str], places: dict[str, str], cwd: Path | None = None) -> list[dict[str, Any]]:
    """What a script printed: an operation a line; a line that says so if it did not come to its end."""
    done = subprocess.run(
        command, cwd=cwd, env=environ(places), capture_output=True, text=True, timeout=_LIMIT_S, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode:
        rows.append({"operation": "the script", "ok": False, "problem": done.stderr[-500:]})
    return rows


def try_client(client: Client, folder: Path, *, install: bool) -> tuple[str, list[dict[str, Any]]]:
    """Run a client's script in an environment, which is made first if it is to be: its version, and the operations."""
    if install:
        _install(client, folder)
    if client.node:
        shutil.copy(SCRIPTS / client.script, folder)
        command = ["node", client.script]
        version = ", ".join(_node_version(folder, name) for name in client.shown)
    else:
        python = _python(folder)
        command = [python, str(SCRIPTS / client.script)]
        code = f"from importlib.metadata import version; print(*map(version, {client.shown}), sep=', ')"
        version = _call([python, "-c", code]).strip()
    with emulators() as places, tempfile.TemporaryDirectory() as empty:
        return version, run_script(command, places, cwd=folder if client.node else Path(empty))


def _install(client: Client, folder: Path) -> None:
    if client.node:
        _call(["npm", "install", "--no-audit", "--no-fund", *client.packages], cwd=folder)
    else:
        venv.create(folder, with_pip=True)
        _call([_python(folder), "-m", "pip", "install", "--quiet", *client.packages])


def _python(folder: Path) -> str:
    return str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")


def _node_version(folder: Path, name: str) -> str:
    package = folder / "node_modules" / name / "package.json"
    return str(json.loads(package.read_text(encoding="utf-8"))["version"])


def _call(command: list[str], cwd: Path | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stderr[-500:]}")
    return done.stdout


def table(results: list[dict[str, Any]]) -> str:
    """The results in Markdown: a line a client, with what it cannot do."""
    lines = ["| client | version | operations that work | that do not |", "|---|---|---|---|"]
    for one in results:
        good = ", ".join(row["operation"] for row in one["operations"] if row["ok"]) or "–"
        failed = [f"{row['operation']}: {row['problem']}" for row in one["operations"] if not row["ok"]]
        bad = " ".join("; ".join(failed).replace("|", "/").split()) or "–"
        lines.append(f"| {one['client']} | {one['version']} | {good} | {bad} |")
    return "\n".join(lines)


def main() -> int:
    """Try all clients, or one of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(CLIENTS), metavar="NAME", help="try this client alone")
    parser.add_argument("--venv", action="append", default=[], metavar="NAME=FOLDER", help="use this environment")
    parser.add_argument("--out", type=Path, default=None, metavar="FOLDER", help="keep the result in this folder")
    arguments = parser.parse_args()
    there = dict(one.split("=", 1) for one in arguments.venv)
    results: list[dict[str, Any]] = []
    for name, client in CLIENTS.items():
        if arguments.only and name not in arguments.only:
            continue
        with tempfile.TemporaryDirectory(prefix="llmdyno-client-") as folder:
            operations: list[dict[str, Any]]
            try:
                version, operations = try_client(client, Path(there.get(name, folder)), install=name not in there)
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                version, operations = "–", [{"operation": "installation", "ok": False, "problem": str(error)}]
        results.append({"client": name, "version": version, "operations": operations})
        print(table(results[-1:]).splitlines()[-1], flush=True)
    if arguments.out is not None:
        stamp = time.strftime("%Y%m%d-%H%M", time.gmtime())
        made = {"llmdyno": __version__, "python": platform.python_version(), "when": stamp, "clients": results}
        (arguments.out / f"clients-{stamp}.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0 if all(row["ok"] for one in results for row in one["operations"]) else 1


if __name__ == "__main__":
    sys.exit(main())
