"""Puts a secret into every place that takes one, and looks for all of them in everything that llmdyno writes.

    python -m benchmarks.secret_scan [--seed N] [--short]

In: a seed. Out: the places, and where a secret was found: 0 is the bound. Each place gets a secret of its own. The
commands measure :mod:`benchmarks.echo_server`, which tells everything that it hears. Then every file and all output is
searched for every secret: as it is, in parts, and in the encodings in which a server may repeat it. Commands through
LiteLLM are left out where LiteLLM is missing.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import html
import importlib.util
import io
import json
import os
import random
import string
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from arro3.io import read_parquet

from benchmarks.echo_server import EchoServer
from llmdyno.cli import main

ARN = "arn:aws:bedrock:us-east-1:123456789012:imported-model/a1b2c3d4e5f6"
_COMMON = ("-----BEGIN",)
_PART = 10
"""So many characters of a secret, at its beginning or its end, count as found."""
_JOURNAL = 20_000
"""So much of the journal is looked at each time, from its end."""
_LOAD = ("--input-tokens", "20", "--output-tokens", "20", "--quiet", "--timeout", "5", "--seed", "1")


class Leak(NamedTuple):
    """A secret that was found: the place that it was put into, the command, the file or stream, and its form."""

    place: str
    command: str
    where: str
    form: str


@dataclass
class _Case:
    """A command with its flags and variables. `spec`, `credentials`: the text of a spec file, and of a file of AWS's,
    which it reads. These are the user's own, and they are not searched."""

    name: str
    arguments: list[str]
    environ: dict[str, str] = field(default_factory=dict)
    spec: str = ""
    credentials: str = ""


class _Places:
    """Makes secrets. The same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.made: dict[str, str] = {}

    def plain(self, place: str) -> str:
        """A secret of letters and digits, as most keys are."""
        return self._make(place, string.ascii_letters + string.digits)

    def odd(self, place: str) -> str:
        """A secret that every encoding writes in another way."""
        return self._make(place, string.ascii_letters + string.digits, "/+=&\"\\<>%'")

    def words(self, place: str) -> str:
        """A passphrase of small letters."""
        syllables = [self._random.choice("bdfgklmnprst") + self._random.choice("aeiou") for _ in range(12)]
        return self._keep(place, "-".join("".join(syllables[at : at + 4]) for at in (0, 4, 8)))

    def digits(self, place: str) -> str:
        """Digits."""
        return self._keep(place, str(self._random.randrange(10**11, 9 * 10**11)))

    def short(self, place: str) -> str:
        """A password of eight characters."""
        return self._keep(place, self._random.choice("AEIOU") + "".join(self._random.choices("bcdf2345", k=6)) + "7")

    def lines(self, place: str) -> str:
        """A private key."""
        body = ["".join(self._random.choices(string.ascii_letters + string.digits, k=64)) for _ in range(3)]
        self._keep(f"{place}, a line", body[1])
        return self._keep(place, "\n".join(("-----BEGIN PRIVATE KEY-----", *body, "-----END PRIVATE KEY-----", "")))

    def _keep(self, place: str, secret: str) -> str:
        self.made[place] = secret
        return secret

    def _make(self, place: str, letters: str, marks: str = "") -> str:
        pick = self._random.choice
        core = [pick(letters) for _ in range(24)]
        for mark in marks[: len(marks) and 6]:
            core.insert(self._random.randrange(2, len(core) - 2), mark)
        for mark in marks[6:]:
            core.insert(self._random.randrange(2, len(core) - 2), mark)
        return self._keep(place, pick(string.ascii_letters) + "".join(core) + pick(string.digits))


def scan(seed: int, *, short: bool = False) -> tuple[list[str], list[Leak]]:
    """Run the commands and search.

    Args:
        seed: makes the secrets.
        short: a few commands in a second, without LiteLLM.

    Returns:
        The places that got a secret, and every secret that was found.
    """
    places = _Places(seed)
    found: list[Leak] = []
    journals: list[bytes] = []

    def peek() -> None:
        with contextlib.suppress(OSError):
            journals.append(Path("r/journal.jsonl").read_bytes()[-_JOURNAL:])

    with EchoServer(peek) as server, tempfile.TemporaryDirectory() as folder:
        cases = list(_short(places, server) if short else _all(places, server))
        outputs = {case.name: _run(case, Path(folder)) for case in cases}
        forms = {place: _forms(secret) for place, secret in places.made.items()}
        found += _search("any", "journal.jsonl", b"\n".join(dict.fromkeys(journals)), forms)
        for name, output in outputs.items():
            found += _search(name, "output", output.encode(), forms)
            for path in sorted((Path(folder) / name).rglob("*")):
                if path.is_file():
                    where = path.relative_to(Path(folder) / name).as_posix()
                    found += _search(name, where, path.name.encode() + _content(path), forms)
    return sorted(places.made), found


def _run(case: _Case, folder: Path) -> str:
    """Run a command in a folder of its own, and return its output."""
    own = folder / case.name
    own.mkdir()
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "AWS_", "ANTHROPIC_"))}
    before, here = dict(os.environ), Path.cwd()
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="replace")
    try:
        os.environ.clear()
        os.environ.update({**keep, "COLUMNS": "400", **_NO_AWS, **case.environ})
        os.chdir(own)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            arguments = list(case.arguments)
            if case.credentials:
                path = folder / f"{case.name}.credentials"
                path.write_text(case.credentials, encoding="utf-8")
                os.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(path)
            if case.spec:
                path = folder / f"{case.name}.toml"
                path.write_text(case.spec, encoding="utf-8")
                arguments.insert(1, str(path))
            print("exit code", _code(arguments))
            if Path("r/spec.toml").is_file():
                for kind in ("text", "csv", "json", "md"):
                    print("exit code", _code(["show", "r", "--format", kind, "--out", f"as.{kind}"]))
                print("exit code", _code(["run", "r/spec.toml", "--dry-run"]))
    finally:
        os.environ.clear()
        os.environ.update(before)
        os.chdir(here)
    output.flush()
    written = output.buffer
    assert isinstance(written, io.BytesIO)
    return written.getvalue().decode("utf-8", "replace")


_NO_AWS = {
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}


def _code(arguments: list[str]) -> object:
    try:
        return main(arguments)
    except SystemExit as exit_:
        return exit_.code
    except Exception:
        sys.excepthook(*sys.exc_info())
        return "traceback"


def _content(path: Path) -> bytes:
    """A file's bytes; those of a Parquet file are its columns as text."""
    if path.suffix == ".parquet":
        columns = read_parquet(path).read_all()
        texts = [
            str(value) for name in columns.column_names for value in columns[name].to_pylist() if value is not None
        ]
        return "\n".join(texts).encode()
    return path.read_bytes()


def _forms(secret: str) -> dict[str, list[bytes]]:
    """The ways in which a secret may be written."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    texts = {
        "raw": [secret, repr(secret)[1:-1]],
        "beginning": [secret[:_PART]] if secret[:_PART] not in _COMMON else [],
        "end": [secret[-_PART:]] if secret[-_PART:].strip("-\n") else [],
        "percent": [quote(secret, safe=""), quote(secret), quote_plus(secret), quote(secret, safe="").lower()],
        "JSON": [escaped, json.dumps(escaped)[1:-1], escaped.replace("/", "\\/")],
        "HTML": [html.escape(secret), html.escape(secret, quote=False)],
    }
    forms = {name: [text.encode() for text in found] for name, found in texts.items()}
    aligned = []
    for before in range(3):
        coded = base64.b64encode(b"?" * before + raw)
        whole = coded[-(-8 * before // 6) : len(raw + b"?" * before) * 8 // 6]
        aligned += [whole, whole.replace(b"+", b"-").replace(b"/", b"_")]
    forms["base64"] = aligned
    return forms


def _search(command: str, where: str, content: bytes, forms: Mapping[str, Mapping[str, list[bytes]]]) -> Iterator[Leak]:
    for place, of_place in forms.items():
        hits = [form for form, texts in of_place.items() if any(text in content for text in texts)]
        if hits:
            yield Leak(place, command, where, ", ".join(hits))


def _headers(places: _Places, tag: str) -> list[str]:
    basic = base64.b64encode(f"user:{places.odd(f'{tag}: Basic password')}".encode()).decode()
    return [
        *("--header", f"Authorization: Bearer {places.odd(f'{tag}: Authorization')}"),
        *("--header", f"X-Forwarded-Authorization: Basic {basic}"),
        *("--header", f"X-Team: {places.odd(f'{tag}: any header')}"),
        *("--header", f"X-Sub-Key: {places.plain(f'{tag}: key header')}"),
        *("--header", f"Cookie: theme=dark; session={places.plain(f'{tag}: cookie')}"),
    ]


def _body(places: _Places, tag: str) -> str:
    return json.dumps(
        {
            "auth": {"api_key": places.odd(f"{tag}: nested key")},
            "tools": [
                {"password": places.plain(f"{tag}: key in a list")},
                [{"x": {"clientSecret": places.odd(f"{tag}: deep")}}],
            ],
            "vertex_credentials": json.dumps({"type": "x", "private_key": places.lines(f"{tag}: private key")}),
            "signing": {"password": places.words(f"{tag}: passphrase"), "pwd": places.short(f"{tag}: short password")},
            "pin_token": int(places.digits(f"{tag}: a number")),
            "accessToken": places.odd(f"{tag}: camel case"),
            "db_url": f"postgres://me:{places.plain(f'{tag}: URL in a value')}@db/x",
            "temperature": 0.5,
            "a": None,
        }
    )


def _run_openai(places: _Places, server: EchoServer, tag: str, mode: str, *more: str) -> list[str]:
    key, body = places.odd(f"{tag}: --api-key"), _body(places, f"{tag}: --extra-body")
    return [
        *("run", "--base-url", f"{server.root}/{mode}/v1", "--api-key", key, *_headers(places, f"{tag}: --header")),
        *("--extra-body", body, "--out", "r", *_LOAD, *more),
    ]


def _short(places: _Places, server: EchoServer) -> Iterator[_Case]:
    load = ("--model", "m", "--requests", "48", "--concurrency", "8", "--keep-answers")
    yield _Case("load", _run_openai(places, server, "load", "ok", *load))
    yield _Case("dry", _run_openai(places, server, "dry", "ok", "--model", "m", "--requests", "2", "--dry-run"))
    yield _Case("p401", _run_openai(places, server, "p401", "p401", "--requests", "2"))
    yield from _bad_input(places, server)


def _all(places: _Places, server: EchoServer) -> Iterator[_Case]:
    load = ("--model", "m", "--requests", "504", "--concurrency", "16", "--keep-answers")
    yield _Case("load", _run_openai(places, server, "load", "ok", *load))
    yield _Case("completions", _run_openai(places, server, "completions", "ok", *load, "--route", "completions"))
    for mode in ("list", "p400", "p401", "p403", "p404", "p302", "p422", "p500", "page"):
        yield _Case(mode, _run_openai(places, server, mode, mode, "--requests", "3", "--model", "other"))
        yield _Case(f"{mode}-nameless", _run_openai(places, server, f"{mode}-nameless", mode, "--requests", "3"))
    yield _Case("dry", _run_openai(places, server, "dry", "ok", "--model", "m", "--requests", "2", "--dry-run"))
    check = _run_openai(places, server, "check", "ok", "--model", "m")
    yield _Case("check", ["check", *check[1:], "--prompts", "20"])
    yield _Case(
        "environ",
        ["run", "--base-url", f"{server.root}/ok/v1", "--out", "r", *_LOAD, "--model", "m", "--requests", "84"],
        {"OPENAI_API_KEY": places.odd("environ: OPENAI_API_KEY")},
    )
    yield _from_toml(places, server)
    yield from _through_proxy(places, server)
    yield from _anthropic(places, server)
    yield from _bedrock(places, server)
    yield from _llmperf(places, server)
    yield from _bad_input(places, server)
    if importlib.util.find_spec("litellm") is not None:
        yield from _litellm(places, server)


def _from_toml(places: _Places, server: EchoServer) -> _Case:
    text = f"""
[endpoint]
api = "openai"
base_url = "{server.root}/ok/v1"
model = "m"
api_key = {json.dumps(places.odd("TOML: api_key"))}
[endpoint.headers]
X-Anything = {json.dumps(places.odd("TOML: header"))}
[endpoint.extra_body]
credentials = {{ user = {json.dumps(places.plain("TOML: credentials.user"))} }}
[[endpoint.extra_body.parts]]
secret = {json.dumps(places.odd("TOML: key in a list"))}
"""
    return _Case("toml", ["run", "--out", "r", *_LOAD, "--requests", "84"], spec=text)


def _through_proxy(places: _Places, server: EchoServer) -> Iterator[_Case]:
    for number, url in enumerate(("http://echo.invalid/ok/v1", "https://echo.invalid/ok/v1")):
        user, password = places.plain(f"proxy {number}: user"), places.odd(f"proxy {number}: password")
        proxy = f"http://{user}:{quote(password, safe='')}@127.0.0.1:{server.port}"
        environ = {"HTTP_PROXY": proxy, "http_proxy": proxy, "HTTPS_PROXY": proxy, "https_proxy": proxy}
        arguments = ["run", "--base-url", url, "--out", "r", *_LOAD, "--model", "m", "--requests", "42"]
        yield _Case(f"proxy{number}", [*arguments, *(("--no-preflight",) if number else ())], environ)


def _anthropic(places: _Places, server: EchoServer) -> Iterator[_Case]:
    flags = ["--api", "anthropic", "--model", "m", "--requests", "84", "--concurrency", "8", "--keep-answers"]
    arguments = ["run", "--base-url", f"{server.root}/ok/v1", "--out", "r", *_LOAD, *flags]
    key = {"ANTHROPIC_API_KEY": places.odd("anthropic: ANTHROPIC_API_KEY")}
    yield _Case("anthropic", [*arguments, *_headers(places, "anthropic: --header")], key)


def _bedrock(places: _Places, server: EchoServer) -> Iterator[_Case]:
    for mode in ("ok", "p403", "p500"):
        keys = {
            "AWS_ACCESS_KEY_ID": places.plain(f"bedrock {mode}: AWS_ACCESS_KEY_ID"),
            "AWS_SECRET_ACCESS_KEY": places.odd(f"bedrock {mode}: AWS_SECRET_ACCESS_KEY"),
            "AWS_SESSION_TOKEN": places.plain(f"bedrock {mode}: AWS_SESSION_TOKEN"),
        }
        url = ["--endpoint-url", f"{server.root}/{mode}"]
        load = [*_LOAD, "--requests", "28", "--yes", "--out", "r", "--no-warm", "--body-format", "openai-chat"]
        yield _Case(f"bedrock-{mode}", ["run", "--api", "bedrock", "--model", ARN, *url, *load], keys)
        yield _Case(f"models-{mode}", ["models", "--region", "us-east-1", *url], keys)
        warm = [
            "warm",
            "--api",
            "bedrock",
            "--model",
            ARN,
            *url,
            "--quiet",
            "--yes",
            "--out",
            "r",
            "--warm-timeout",
            "1",
        ]
        yield _Case(f"warm-{mode}", warm, keys)
    token = {"AWS_BEARER_TOKEN_BEDROCK": places.odd("bedrock: AWS_BEARER_TOKEN_BEDROCK"), "AWS_MAX_ATTEMPTS": "1"}
    url = ["--endpoint-url", f"https://127.0.0.1:{server.port}/ok"]
    yield _Case("bedrock-token", ["run", "--api", "bedrock", "--model", ARN, *url, "--quiet", "--requests", "1"], token)
    yield _with_profile(places, server)
    profile = {"AWS_PROFILE": "nobody", "AWS_SECRET_ACCESS_KEY": places.odd("bedrock: half a key")}
    yield _Case("bedrock-half", ["run", "--api", "bedrock", "--model", ARN, "--quiet", "--requests", "1"], profile)


def _with_profile(places: _Places, server: EchoServer) -> _Case:
    """Credentials in a file of AWS's."""
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    lines = [f"{name} = {places.plain(f'bedrock profile: {name}')}" for name in names]
    flags = [
        "--profile",
        "mine",
        "--region",
        "us-east-1",
        "--endpoint-url",
        f"{server.root}/ok",
        "--body-format",
        "mistral",
    ]
    load = [*_LOAD, "--requests", "28", "--yes", "--out", "r", "--no-warm"]
    arguments = ["run", "--api", "bedrock", "--model", ARN, *flags, *load]
    return _Case("bedrock-profile", arguments, credentials="\n".join(("[mine]", *lines, "")))


def _llmperf(places: _Places, server: EchoServer) -> Iterator[_Case]:
    for program, flags in (("token-benchmark", ("--num-concurrent-requests", "8")), ("correctness", ())):
        environ = {
            "OPENAI_API_BASE": f"{server.root}/ok/v1",
            "OPENAI_API_KEY": places.odd(f"llmperf {program}: OPENAI_API_KEY"),
        }
        sampling = _body(places, f"llmperf {program}: --additional-sampling-params")
        metadata = f"team=a,token={places.plain(f'llmperf {program}: --metadata')}"
        arguments = ["llmperf", program, "--model", "m", "--results-dir", "r", "--max-num-completed-requests", "42"]
        more = ["--additional-sampling-params", sampling, "--metadata", metadata, *flags]
        yield _Case(f"llmperf-{program}", [*arguments, *more], environ)


def _bad_input(places: _Places, server: EchoServer) -> Iterator[_Case]:
    secret = places.odd
    key = f'{{"api_key": "{places.plain("bad JSON")}"'
    given = {
        "user": ["--base-url", f"http://me:{places.plain('bad: user information')}@127.0.0.1:1/v1"],
        "query": [
            "--base-url",
            f"http://127.0.0.1:{server.port}/ok/v1?api-version=1&sig={places.plain('bad: query')}#x",
        ],
        "endpoint": [
            "--endpoint-url",
            f"ftp://me:{places.plain('bad: --endpoint-url')}@h?code={places.plain('bad: code')}",
        ],
        "json": ["--extra-body", key],
        "header": ["--header", secret("bad: no header")],
        "key": ["--api-key", secret("bad: control character") + "\n"],
        "param": ["--litellm-param", f"api_key={secret('bad: --litellm-param')}"],
        "flag": [f"--apikey={secret('bad: unknown flag')}"],
        "flags": ["--api-keys", secret("bad: unknown flag with a value")],
        "number": ["--concurrency", "x", "--api-key", secret("bad: beside another")],
        "stray": ["a.toml", "sk-" + places.plain("bad: stray argument")],
        "command": ["sk-" + places.plain("bad: no file")],
    }
    for name, flags in given.items():
        yield _Case(f"bad-{name}", ["run", *flags])
    url = f"http://me:{places.plain('bad: OPENAI_BASE_URL')}@127.0.0.1:1/v1"
    yield _Case("bad-environ", ["run", "--api", "openai", "--requests", "1"], {"OPENAI_BASE_URL": url})
    texts = {
        "table": f"endpoint = {json.dumps(secret('bad TOML: no table'))}",
        "wrong": f"api_key = {json.dumps(secret('bad TOML: wrong table'))}",
        "unknown": f"[endpoint]\napi_kee = {json.dumps(secret('bad TOML: unknown key'))}",
        "syntax": f"[endpoint]\napi_key = {secret('bad TOML: syntax')}",
        "type": f"[endpoint]\nheaders = [{json.dumps(secret('bad TOML: type'))}]",
        "url": f'[endpoint]\nbase_url = "http://me:{places.plain("bad TOML: URL")}@h/v1"',
        "param": f'[endpoint]\nlitellm_param = {{ a = {{ key = "{places.plain("bad TOML: deep")}" }} }}',
    }
    for name, text in texts.items():
        yield _Case(f"badtoml-{name}", ["run"], spec=text)


def _litellm(places: _Places, server: EchoServer) -> Iterator[_Case]:
    for mode in ("auto", "wire", "sdk"):
        for model, name in (("openai/m", "openai"), ("hosted_vllm/m", "vllm")):
            tag = f"litellm {mode} {name}"
            params = {
                "extra_body": json.loads(_body(places, f"{tag}: --litellm-param")),
                "extra_headers": {"X-More": places.odd(f"{tag}: extra_headers")},
                "aws_secret_access_key": places.odd(f"{tag}: aws_secret_access_key"),
            }
            given = [
                part for key, value in params.items() for part in ("--litellm-param", f"{key}={json.dumps(value)}")
            ]
            flags = ["--api", "litellm", "--model", model, "--litellm-mode", mode, "--base-url", f"{server.root}/ok/v1"]
            load = [*_LOAD, "--requests", "28", "--keep-answers", "--out", "r", "--no-preflight"]
            key = ["--api-key", places.odd(f"{tag}: --api-key")]
            yield _Case(f"litellm-{mode}-{name}", ["run", *flags, *load, *key, *given])
            refused = ["run", *flags[:-1], f"{server.root}/p401/v1", *_LOAD, "--requests", "2", "--out", "r"]
            yield _Case(f"litellm-{mode}-{name}-401", [*refused, *key, *given])
    keys = {"ANTHROPIC_API_KEY": places.odd("litellm: ANTHROPIC_API_KEY"), "ANTHROPIC_API_BASE": f"{server.root}/ok"}
    flags = ["--api", "litellm", "--model", "anthropic/m", *_LOAD, "--requests", "28", "--out", "r", "--no-preflight"]
    yield _Case("litellm-anthropic", ["run", *flags, "--keep-answers"], keys)
    keys = {"OPENAI_API_KEY": places.odd("litellm: unused variable")}
    yield _Case(
        "litellm-unknown", ["run", "--api", "litellm", "--model", "nobody/m", "--requests", "1", "--quiet"], keys
    )


def _main() -> int:
    parser = argparse.ArgumentParser(description="Look for secrets in everything that llmdyno writes.")
    parser.add_argument("--seed", type=int, default=1, help="make the secrets from this seed (default: 1)")
    parser.add_argument("--short", action="store_true", help="run a few commands only")
    arguments = parser.parse_args()
    places, found = scan(arguments.seed, short=arguments.short)
    for leak in found:
        print(f"FOUND {leak.place} | {leak.command} | {leak.where} | {leak.form}")
    print(f"seed {arguments.seed}: {len(places)} secrets in {len(places)} places, found {len(found)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(_main())
