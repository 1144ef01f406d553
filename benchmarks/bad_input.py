"""Bad input, one by one: each costs one clear line, or it fits after all.

    python -m benchmarks.bad_input [--seed N] [--count N] [--processes N]

:func:`cases` gives flags, spec files, keywords, traces, tokenizers, templates and environment variables with values
from :mod:`benchmarks.bad_values`, in an order that follows from a seed. :func:`outcome` tries one in this process. It
sends nothing but a few connections to a closed port of this machine. ``--processes`` tries that many more as processes.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import io
import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from benchmarks import bad_values as values
from llmdyno import InputError, Spec
from llmdyno.cli import COMMANDS, command_module, main
from llmdyno.cli.parser import Parser
from llmdyno.spec.keys import KEYS

REFUSED, TAKEN = "refused", "taken"
"""The two good outcomes: exit code 2 and one line; or the value fits."""

PATIENCE_S = 10.0
MEMORY_BYTES = 6_000_000_000
LONGEST_LINE = 3000
CLOSED = "http://127.0.0.1:9/v1"
_FILE, _MODEL, _RUN, _PORT = "bad.file", "model", "{run}", "{port}"
_ROLE = "arn:aws:iam::123456789012:role/r"
_KEPT = ("HOME", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")


class Case(NamedTuple):
    """One bad input.

    `kind`: what is bad, such as "flag" or "trace". `name`: where and what, in words. `argv`: the command line.
    `content`: what the file named in it holds, or which special file it is. `environ`: environment variables.
    `keyword`: a keyword of `Spec`, and the name of its value in :data:`~benchmarks.bad_values.OBJECTS`. `secret`: the
    word :data:`~benchmarks.bad_values.SECRET` in it is in the place of a secret, so that nothing may print it.
    """

    kind: str
    name: str
    argv: tuple[str, ...] = ()
    content: bytes | str | None = None
    environ: tuple[tuple[str, str], ...] = ()
    keyword: tuple[str, str] | None = None
    secret: bool = True


# --- where it is tried: each command with arguments that send nothing

_DRIVEN = {
    "run": (),
    "warm": (),
    "coldstart": (),
    "check": (),
    "scaling": (),
    "capacity": ("--slo", "ttft_s=1"),
}
_ENDPOINTS = (
    (),
    ("--base-url", CLOSED, "--model", "m"),
    ("--api", "bedrock", "--model", "m", "--region", "us-east-1"),
    ("--api", "anthropic", "--base-url", CLOSED, "--model", "m"),
    ("--api", "litellm", "--model", "openai/m"),
    ("--route", "chat"),
)
_LOADS = ((), ("--requests", "3"), ("--duration", "5s"), ("--rate", "2", "--requests", "3"))


def _lines(rng: random.Random) -> list[tuple[str, tuple[str, ...]]]:
    """Each command with arguments that make it send nothing."""
    found = []
    for name, more in _DRIVEN.items():
        load = rng.choice(_LOADS) if name == "run" else ()
        found.append((name, ("--dry-run", *more, *rng.choice(_ENDPOINTS), *load)))
    return [
        *found,
        ("llmperf", ("token-benchmark", "--model", "m", "--dry-run")),
        ("llmperf", ("correctness", "--model", "m", "--dry-run")),
        ("cost", (_RUN, "--copies", "1", "--units", "1", "--requests-per-hour", "5")),
        ("show", (_RUN,)),
        ("compare", (_RUN, _RUN)),
        ("serve", ("--port", _PORT, "--no-aws-services")),
        ("import", ("absent-folder", "--bucket", "bucket", "--name", "n", "--role", _ROLE, "--region", "us-east-1")),
        ("models", ("show", "--region", "us-east-1")),
    ]


def _actions(command: str, line: Sequence[str]) -> list[argparse.Action]:
    """The arguments of a command, or of the program of it that the line names."""
    parser = Parser(prog=command, allow_abbrev=False)
    command_module(command).add_arguments(parser)
    found: list[argparse.Action] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices[line[0]]._actions
        else:
            found.append(action)
    # A hidden flag is no user's: with --embedded, serve ends the whole process when its standard input does.
    return [one for one in found if not isinstance(one, argparse._HelpAction) and one.help != argparse.SUPPRESS]


# --- the cases


def cases(seed: int) -> Iterator[Case]:
    """All cases, each kind in an order that follows from the seed, the kinds mixed."""
    rng = random.Random(f"bad input {seed}")
    kinds: dict[Callable[[random.Random], Iterable[Case | Callable[[], Case | None]]], int] = {
        _flags: 10,
        _shapes: 1,
        _toml: 3,
        _toml_files: 1,
        _keywords: 4,
        _traces: 2,
        _files: 2,
        _tokenizers: 1,
        _environment: 2,
    }
    left: list[list[Case | Callable[[], Case | None]]] = []
    for make, weight in kinds.items():
        made = list(make(rng))
        rng.shuffle(made)
        left += [made[part::weight] for part in range(weight)]
    while left:
        rng.shuffle(left)
        for one in left:
            made_now = one.pop()
            case = made_now if isinstance(made_now, Case) else made_now()
            if case is not None:
                yield case
        left = [one for one in left if one]


_SECRETS = ("--api-key", "--header", "--litellm-param", "--extra-body", "--additional-sampling-params")


def _flags(rng: random.Random) -> Iterator[Callable[[], Case | None]]:
    """Every argument of every command with every text. There are many, so each is made when it is its turn."""
    for command, line in _lines(rng):
        for action in _actions(command, line):
            flag = action.option_strings[0] if action.option_strings else ""
            what = flag or str(action.metavar or action.dest)
            for name in values.ARGUMENTS:
                yield functools.partial(_flag, command, line, flag, what, name)


def _flag(command: str, line: tuple[str, ...], flag: str, what: str, name: str) -> Case | None:
    """The case of one flag and one text; None: it would do something."""
    label, text = f"{command} {what}: {name}", values.ARGUMENTS[name]
    rng = random.Random(f"{label} {line}")
    if command == "show" and flag == "--out" and text.startswith("/"):
        return None  # it would write there
    if command == "serve" and flag == "--port" and text.strip() in ("0", "-0"):
        return None  # it fits, and serves
    if command in ("models", "import") and rng.random() < 0.9:
        return None  # these wait for a connection
    given = [f"{flag}={text}"] if flag and rng.random() < 0.7 else [flag, text] if flag else [text]
    secret = flag in _SECRETS or text in values.URLS.values()
    if command == "run" and flag in ("--ca-file", "--client-cert", "--client-key") and rng.random() < 0.5:
        base = ["--base-url", CLOSED.replace("http", "https"), "--requests", "1", "--quiet"]
        cert = ["--client-cert", "absent"] if flag == "--client-key" else []
        return Case("flag", label, (command, *base, *cert, *given), secret=secret)
    return Case("flag", label, (command, *line, *given), secret=secret)


def _shapes(rng: random.Random) -> Iterator[Case]:
    """Command lines of an odd shape: no value, a flag as the value, a flag twice, unknown flags and commands."""
    for command, line in _lines(rng):
        for action in _actions(command, line):
            for flag in action.option_strings:
                takes = action.nargs != 0
                yield Case("shape", f"{command} {flag} last", (command, *line, flag))
                yield Case("shape", f"{command} {flag} before a flag", (command, *line, flag, "--quiet"))
                yield Case("shape", f"{command} {flag}=", (command, *line, f"{flag}="))
                yield Case("shape", f"{command} {flag[:-1]}", (command, *line, flag[:-1]))
                yield Case("shape", f"{command} {flag}x=secret", (command, *line, f"{flag}x={values.SECRET}"))
                if not takes:
                    yield Case("shape", f"{command} {flag}=1", (command, *line, f"{flag}={values.SECRET}"))
        yield Case("shape", f"{command} with too much", (command, *line, "a", "b", "c", "d"))
        yield (
            Case("shape", f"{command} alone", (command,))
            if command in ("import", "cost", "llmperf")
            else Case("shape", f"{command} --", (command, *line, "--", "--x", "--y", "--z"))
        )
    for name, text in values.TEXTS.items():
        yield Case("shape", f"command: {name}", (text,))
    litellm = ("run", "--dry-run", "--api", "litellm", "--model", "m", "--requests", "1", "--litellm-param")
    for parameter in ("api_base", "aws_bedrock_runtime_endpoint"):
        for name, text in values.URLS.items():
            yield Case("shape", f"{parameter}: {name}", (*litellm, f"{parameter}={text}"))


def _literals(rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """(table, key, name of a literal) for every key."""
    for name, key in KEYS.items():
        for literal in values.TOML:
            yield key.table, name, literal


def _toml(rng: random.Random) -> Iterator[Case]:
    for table, key, name in _literals(rng):
        text = (f"[{table}]\n" if table else "") + f"{key} = {values.TOML[name]}\n"
        yield Case("key", f"{table}.{key}: {name}", ("run", _FILE, "--dry-run"), text.encode())
    for table in sorted({key.table for key in KEYS.values()} - {""}):
        for name, literal in values.TOML.items():
            yield Case("key", f"{table}: {name}", ("run", _FILE, "--dry-run"), f"{table} = {literal}\n".encode())


def _toml_files(rng: random.Random) -> Iterator[Case]:
    texts = {
        "byte order mark and CR LF": b"\xef\xbb\xbf[load]\r\nrequests = 3\r\n",
        "key twice": b"seed = 1\nseed = 2\n",
        "table twice": b"[load]\n[load]\n",
        "list of tables": b"[[load]]\nrequests = 3\n",
        "empty key": b'"" = 1\n',
        "key with a new line": b'"a\\nb" = 1\n',
        "long key": b"a" * 100_000 + b" = 1\n",
        "dotted key": b"load.requests.x = 1\n",
        "deeply dotted": b"a" + b".a" * 5000 + b" = 1\n",
        "many keys": b"".join(b"k%d = 1\n" % number for number in range(20_000)),
        "many keys of a table": b"[load]\n" + b"".join(b"k%d = 1\n" % number for number in range(20_000)),
        "secret in a wrong table": b'[load]\napi_key = "%s"\n' % values.SECRET.encode(),
        "secret in no table": b'api_kye = "%s"\n' % values.SECRET.encode(),
        "secret header": b'[endpoint]\nheaders = ["Authorization %s"]\n' % values.SECRET.encode(),
        "secret field": b'[endpoint]\nextra_body = \'{"api_key": "%s"\'\n' % values.SECRET.encode(),
        "secret in a URL": b'[endpoint]\nbase_url = "http://u:%s@h:99999/v1"\n' % values.SECRET.encode(),
        "secret in a broken line": b'[endpoint]\napi_key = "%s\n' % values.SECRET.encode(),
    }
    for name, content in (*values.CONTENTS.items(), *texts.items(), *_special()):
        yield Case("spec file", name, ("run", _FILE, "--dry-run"), content)


def _special() -> list[tuple[str, bytes | str]]:
    return [(name, name) for name in (values.FIFO, values.FOLDER, values.UNREADABLE, values.LOOP)]


def _keywords(rng: random.Random) -> Iterator[Case]:
    for key in KEYS:
        for name in values.OBJECTS:
            yield Case("keyword", f"Spec({key}=…): {name}", keyword=(key, name))


def _traces(rng: random.Random) -> Iterator[Case]:
    replay = ("run", "--dry-run", "--base-url", CLOSED, "--model", "m", "--arrivals", f"replay {_FILE}")
    project = ("cost", _RUN, "--copies", "1", "--units", "1", "--traffic", _FILE)
    for line, what in ((replay, "replay"), (project, "traffic")):
        for columns in (
            ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
            ("Timestamp", "Request tokens", "Response tokens"),
            ("time", "requests"),
        ):
            good = ["2023-11-16 18:17:03.97"] if columns[0].isupper() else ["5"]
            good += ["7"] * (len(columns) - 1)
            for position, column in enumerate(columns):
                for name, text in values.CELLS.items():
                    cells = [*good[:position], text, *good[position + 1 :]]
                    rows = [",".join(columns), ",".join(good), ",".join(cells)]
                    content = "\r\n".join(rows if rng.random() < 0.5 else [rows[0], rows[2]]).encode()
                    yield Case("trace", f"{what}, {column}: {name}", line, content)
        for fields in (
            ("timestamp", "input_tokens", "output_tokens"),
            ("timestamp", "input_length", "output_length"),
        ):
            for field in fields:
                for value in values.VALUES:
                    parts = [f'"{name}": {value if name == field else 3}' for name in fields]
                    yield Case("trace", f"{what}, {field}: {value[:9]}", line, ("{" + ", ".join(parts) + "}").encode())
                parts = [f'"{name}": 3' for name in fields if name != field]
                yield Case("trace", f"{what}, without {field}", line, ("{" + ", ".join(parts) + "}").encode())


def _files(rng: random.Random) -> Iterator[Case]:
    """Whole files, for everything that names one."""
    closed = ("--requests", "1", "--quiet", "--base-url")
    lines = {
        "replay": ("run", "--dry-run", "--arrivals", f"replay {_FILE}"),
        "traffic": ("cost", _RUN, "--copies", "1", "--units", "1", "--traffic", _FILE),
        "tokenizer": ("run", "--dry-run", "--tokenizer", _FILE),
        "authorities": ("run", *closed, CLOSED.replace("http", "https"), "--ca-file", _FILE),
        "certificate": ("run", *closed, CLOSED.replace("http", "https"), "--client-cert", _FILE),
        "run": ("show", _FILE),
        "import": ("import", _FILE, "--bucket", "bucket", "--name", "n", "--role", _ROLE, "--region", "us-east-1"),
    }
    for what, line in lines.items():
        for name, content in (*values.CONTENTS.items(), *_special()):
            yield Case("file", f"{what}: {name}", line, content)
    for name, content in (*values.CONTENTS.items(), *_special()):
        yield Case("template", name, content=content)
        line = ("import", _MODEL, "--bucket", "bucket", "--name", "n", "--role", _ROLE, "--region", "us-east-1")
        yield Case("model", name, line, content)


def _tokenizers(rng: random.Random) -> Iterator[Case]:
    for name, content in values.TOKENIZERS.items():
        yield Case("tokenizer", name, content=content)


_TEXT_VARIABLES = (
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "COLUMNS",
    "LINES",
    "NO_COLOR",
    "TERM",
    "XDG_CACHE_HOME",
    "HF_HOME",
    "TZ",
)
_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK")
_AWS_VARIABLES = (
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CA_BUNDLE",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_DEFAULTS_MODE",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
)


def _environment(rng: random.Random) -> Iterator[Case]:
    far, here = "http://192.0.2.1:9/v1", "https://127.0.0.1:9/v1"  # the first is a documentation address
    load = ("--requests", "1", "--timeout", "1", "--quiet")
    lines: dict[str, tuple[str, ...]] = {
        "OPENAI_BASE_URL": ("run", "--api", "openai", *load),
        "OPENAI_API_BASE": ("llmperf", "token-benchmark", "--model", "m", "--dry-run"),
        "ANTHROPIC_BASE_URL": ("run", "--api", "anthropic", "--dry-run", "--model", "m", *load),
        "ANTHROPIC_API_KEY": ("run", "--api", "anthropic", "--base-url", CLOSED, *load),
        "HTTP_PROXY": ("run", "--base-url", far, *load),
        "HTTPS_PROXY": ("run", "--base-url", far.replace("http", "https"), *load),
        "ALL_PROXY": ("run", "--base-url", far, *load),
        "NO_PROXY": ("run", "--base-url", CLOSED, *load),
    }
    for name in _TEXT_VARIABLES:
        shown = (
            ("show", _RUN) if name in ("COLUMNS", "LINES", "NO_COLOR", "TERM", "TZ") else ("run", "--base-url", here)
        )
        line = lines.get(name, shown if shown[0] == "show" else (*shown, *load))
        for text_name, text in values.ARGUMENTS.items():
            if _fits_environment(text) and ((name.isupper() and "PROXY" not in name) or text_name in values.URLS):
                secret = text in values.URLS.values() or "KEY" in name
                yield Case("variable", f"{name}: {text_name}", line, environ=((name, text),), secret=secret)
    dry = ("run", "--api", "bedrock", "--model", "m", "--endpoint-url", "http://127.0.0.1:9", "--body-format", "qwen")
    keys = (("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", values.SECRET), ("AWS_REGION", "us-east-1"))
    for name in _AWS_VARIABLES:
        line = tuple(part for part in dry if name != "AWS_ENDPOINT_URL" or ("127" not in part and part != dry[5]))
        for text_name, text in values.ARGUMENTS.items():
            if _fits_environment(text) and rng.random() < 0.3:
                secret = text not in values.PAIRS.values() or name in _AWS_SECRETS
                environ = (*keys, (name, text))
                yield Case("variable", f"{name}: {text_name}", (*line, *load), environ=environ, secret=secret)


def _fits_environment(text: str) -> bool:
    """Whether the system takes the text as a variable's value."""
    try:
        return b"\0" not in os.fsencode(text) and len(text) < 100_000
    except UnicodeEncodeError:
        return False


# --- the outcome


@functools.cache
def _workplace() -> tuple[Path, str, socket.socket]:
    """A folder with special files and a finished run; a port that is taken; its socket."""
    folder = Path(tempfile.mkdtemp(prefix="bad-input-"))
    os.mkfifo(folder / "fifo.json")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "unreadable.json").write_text("{}", encoding="utf-8")
    (folder / "unreadable.json").chmod(0)
    (folder / _MODEL).mkdir()
    for name in ("a.safetensors", "tokenizer.json", "tokenizer_config.json"):
        (folder / _MODEL / name).write_text("{}", encoding="utf-8")
    line = [sys.executable, "-m", "llmdyno", "run", "--requests", "3", "--speed", "100", "--quiet", "--out", "run"]
    subprocess.run(line, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    taken = socket.create_server(("127.0.0.1", 0))
    return folder, str(taken.getsockname()[1]), taken


def clean() -> None:
    """Remove the files that :func:`outcome` made."""
    folder, _, taken = _workplace()
    taken.close()
    shutil.rmtree(folder, ignore_errors=True)
    _workplace.cache_clear()


def _place(content: bytes | str, path: Path) -> None:
    if path.is_symlink() or path.is_file() or path.is_fifo():
        path.unlink()
    elif path.is_dir():
        path.rmdir()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == values.FIFO:
        os.mkfifo(path)
    elif content == values.FOLDER:
        path.mkdir()
    elif content == values.LOOP:
        path.symlink_to(path.name)
    else:
        path.write_bytes(b"")
        path.chmod(0)


class Late(BaseException):
    """A case took too long. It is no Exception, so that nothing catches it."""


@contextlib.contextmanager
def _within(seconds: float) -> Iterator[None]:
    def late(number: int, frame: FrameType | None) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def _surroundings(case: Case, folder: Path) -> Iterator[None]:
    """The case's folder and environment."""
    before, where = dict(os.environ), Path.cwd()
    if case.content is not None:
        _place(case.content, folder / _name_of(case))
    os.chdir(folder)
    for name in before:
        if name not in _KEPT:
            del os.environ[name]
    os.environ.update({"COLUMNS": "100", "AWS_EC2_METADATA_DISABLED": "true", **dict(case.environ)})
    try:
        yield
    finally:
        os.chdir(where)
        os.environ.clear()
        os.environ.update(before)


def _name_of(case: Case) -> str:
    if case.kind == "model":
        return f"{_MODEL}/config.json"
    return "bad.json" if case.kind in ("tokenizer", "template") else _FILE


def _arguments(case: Case, port: str) -> list[str]:
    return [part.replace(_RUN, "run").replace(_PORT, port) for part in case.argv]


def outcome(case: Case) -> str:
    """What comes of a case: :data:`REFUSED` or :data:`TAKEN`, or what is wrong ("traceback: …", "hang", …)."""
    folder, port, _ = _workplace()
    out, errors = io.StringIO(), io.StringIO()
    code: object = None
    try:
        with (
            _surroundings(case, folder),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(errors),
            _within(PATIENCE_S),
        ):
            if case.argv:
                code = main(_arguments(case, port))
            else:
                _use(case)
                code = 0
    except SystemExit as left:
        code = left.code
    except InputError as error:
        code = 2
        errors.write(f"llmdyno: {error}\n")
    except Late:
        return "hang"
    except MemoryError:
        return "memory"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        return f"traceback: {type(error).__name__}: {str(error)[:80]!r} ({Path(last.filename).name}:{last.lineno})"
    return judged(code, errors.getvalue(), secret=case.secret)


_QUESTION = "Amazon Bedrock"
"""How the lines begin that say what a load may cost, before an error says that nobody agreed to it."""


def judged(code: object, said: str, *, secret: bool) -> str:
    """The outcome that an exit code and standard error mean."""
    said = "".join(line for line in said.splitlines(keepends=True) if not line.startswith(_QUESTION))
    if secret and values.SECRET in said:
        return "secret: " + said[:300]
    if code in (0, 1, 3) and "Traceback" not in said:
        return TAKEN if code == 0 or "every request failed" in said else f"exit code {code}: {said[:200]!r}"
    if code != 2:
        return f"exit code {code}: {said[-200:]!r}"
    if said.startswith("llmdyno: --port: cannot listen on 127.0.0.1"):
        return TAKEN
    if said.count("\n") != 1 or not said.endswith("\n") or not said[:-1].isprintable():
        return f"not one line: {said[:200]!r}"
    if len(said) > LONGEST_LINE:
        return f"{len(said)} characters: {said[:100]!r}"
    if not said.startswith("llmdyno: ") or ": " not in said[9:] or "; " not in said:
        return f"not what, why and what fits: {said[:200]!r}"
    return REFUSED


def _use(case: Case) -> None:
    """Use a keyword, a tokenizer or a template as a run does, as far as its first request."""
    from llmdyno.experiments.load import LOAD
    from llmdyno.targets.target import resolve, template_of
    from llmdyno.workload.session import WHOLE

    given: dict[str, Any] = {"base_url": CLOSED, "model": "m", "requests": 2, "input_tokens": 300}
    if case.keyword is not None:
        given[case.keyword[0]] = values.OBJECTS[case.keyword[1]]()
    elif case.kind == "tokenizer":
        given["tokenizer"] = _name_of(case)
    else:
        given["chat_template"] = _name_of(case)
    spec = resolve(Spec(**given), {})
    plan = LOAD.plan(spec, {})
    turn = next(iter(plan.phases[-1].sessions(WHOLE))).next(None)
    assert turn is not None
    template_of(spec.chat_template)(turn.messages)
    assert turn.input_tokens > 0
    spec.to_toml().encode()
    repr(spec)


def outcome_of_process(case: Case) -> str:
    """The outcome of a case with a command line, as a process of its own."""
    folder, port, _ = _workplace()
    with _surroundings(case, folder):
        line = [sys.executable, "-m", "llmdyno", *_arguments(case, port)]
        try:
            done = subprocess.run(line, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        except subprocess.TimeoutExpired:
            return "hang"
        except (ValueError, OSError):
            return TAKEN  # the system itself refuses the text
    return judged(done.returncode, done.stderr.decode(errors="replace"), secret=case.secret)


def main_program() -> None:
    """Try many cases, and print what is wrong."""
    parser = argparse.ArgumentParser(description="Try bad input.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--kind", help="try one kind only, such as trace")
    parser.add_argument("--processes", type=int, default=0)
    parser.add_argument("--taken", action="store_true", help="print the cases that fit, too")
    given = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
    found: Counter[tuple[str, str]] = Counter()
    try:
        chosen = (case for case in cases(given.seed) if given.kind in (None, case.kind))
        for case in islice(chosen, given.skip, given.skip + given.count):
            _count(case, outcome(case), found, taken=given.taken)
        lines = (case for case in cases(given.seed + 1) if case.argv)
        for case in islice(lines, given.processes):
            _count(case._replace(kind="process"), outcome_of_process(case), found, taken=False)
    finally:
        clean()
    total = sum(found.values())
    for (kind, what), count in sorted(found.items()):
        print(f"{kind:<10} {what:<12} {count:>6}")
    print(f"{total} inputs, commands: {len(COMMANDS)}, seed {given.seed}")


def _count(case: Case, what: str, found: Counter[tuple[str, str]], *, taken: bool) -> None:
    found[case.kind, what.partition(":")[0]] += 1
    if what not in (REFUSED, TAKEN) or (taken and what == TAKEN):
        print(f"{what}\t{case.kind}\t{case.name}", flush=True)


if __name__ == "__main__":
    main_program()
