"""What is secret: in a spec, in a URL, in environment variables, on a command line. PURE.

In: what the user gave. Out: the secret values, for :class:`llmdyno.spec.masking.Masker`; or the same value without
them, as a file may hold it. A value is secret by its place (an API key, a header, the user of a URL) or by its name
(``api_key``, ``?sig=``), however deep it lies. It reads no file, and no variable that it is not given.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, unquote_plus, urlsplit

from llmdyno.spec.masking import MASK, REDACTED, is_dummy

if TYPE_CHECKING:
    from llmdyno.spec.spec import Spec

SECRET_HEADER = re.compile(r"auth|key|token|secret|cookie|credential|passw|signature|session", re.IGNORECASE)
"""Header names whose values are always secret."""

_NAME = re.compile(
    r"(?:key|key_?id|secret|token|credentials?)$|(?:^|_)(?:auth|dsn|jwt|pat|pwd|sig)$|"
    r"secret|passw|passphrase|credential|bearer|authoriz|cookie|signature|connection_?string|"
    r"(?:api|access|private|auth|license|subscription)_?key|(?:access|auth|session|security|refresh)_?token"
)
_PUBLIC = re.compile(
    r"(?:^|_)(?:bos|eos|eot|pad|unk|sep|cls|mask|stop|image|video|audio|think\w*|begin\w*|end\w*|start\w*)_token(?:_id)?$|"
    r"(?:^|_)cache_key$|(?:^|_)kms_key(?:_id|_arn)?$|(?:^|_)client_request_token$|"
    r"^(?:public|sort|group|partition|primary|foreign)_key$|"
    r"_(?:file|path|dir|folder|sock|name|type|url|uri|endpoint|limit|size|length|timeout)$"
)
_ALL_BELOW = re.compile(r"^auth$|secret|passw|credential|authoriz|cookie")
_IN_QUERY = re.compile(r"^(?:code|pw|pass|sas|sid|session|signed)$")
_HEADERS = re.compile(r"(?:^|_)headers?$")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PAIR = re.compile(r"([?&;#])([^=&;?#\s]*)=([^&;#\s'\"]*)")
_USER = re.compile(r"(?<=://)([^/?#\s'\"]*)@")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{2,20}\s+(\S+)")
_COMMON = re.compile(
    r"(?:application|audio|image|multipart|text|video|\*)/[\w.+*-]+(?:;.*)?|no-(?:cache|store)|keep-alive|identity",
    re.IGNORECASE,
)
_OPEN_HEADERS = ("host",)
"""Headers whose values are no secret: what a Host header names is where the request goes."""
_SHORTEST_HEADER = 8
"""A shorter value of a header that no name calls secret is likely to be a word. It is looked for nowhere."""
_SHAPE = re.compile(
    r"\b(?:sk|pk|rk|gsk|xai|hf|ghp|gho|ghs|glpat|nvapi|r8|pplx|csk|tgp|fw|AKIA|ASIA|AIza)[-_A-Z0-9a-z]{15,}|"
    r"\beyJ[\w-]{10,}\.[\w-]{10,}(?:\.[\w-]*)?"
)
_PATH_FLAGS = ("--client-key", "--client-cert", "--ca-file", "--tokenizer", "--chat-template")


def is_secret_name(name: str) -> bool:
    """Whether a name says that its value is secret: the name of a field, a parameter, a variable or a flag."""
    plain = _CAMEL.sub("_", name).lower().replace("-", "_").replace(".", "_")
    return _NAME.search(plain) is not None and _PUBLIC.search(plain) is None


# --- URLs


def masked_url(text: str, mask: str = MASK) -> str:
    """A text with its URLs without users, and without the values of their queries whose names are secret."""
    return _USER.sub(f"{mask}@", _PAIR.sub(lambda found: _masked_pair(found, mask), text))


def _masked_pair(found: re.Match[str], mask: str) -> str:
    return f"{found[1]}{found[2]}={mask}" if found[3] and _in_query(found[2]) else found[0]


def _in_query(name: str) -> bool:
    plain = unquote(name)
    return is_secret_name(plain) or _IN_QUERY.search(plain.lower()) is not None


def url_secrets(text: str) -> list[str]:
    """The secrets in the URLs of a text, as they are written and as they are meant."""
    found = [value for _, name, value in _PAIR.findall(text) if value and _in_query(name)]
    for who in _USER.findall(text):
        user, _, password = who.partition(":")
        found += [who, user, password]
    return [one for value in found if value for one in dict.fromkeys((value, unquote(value), unquote_plus(value)))]


# --- headers and nested values


def header_secrets(name: str, value: str) -> list[str]:
    """The secrets in a header: its value without the scheme, and what a Basic header or a cookie holds."""
    value = value.strip()
    if name.strip().lower() in _OPEN_HEADERS:
        return []
    if not SECRET_HEADER.search(name) and (len(value) < _SHORTEST_HEADER or _COMMON.fullmatch(value)):
        return []
    scheme = _SCHEME.fullmatch(value)
    token = scheme[1] if scheme is not None else value
    found = [token, *_in_basic(token)] if scheme is not None else [token]
    found += [part.partition("=")[2].strip(' "') for part in re.split(r"[;,]", value) if "=" in part]
    return [one for one in (*found, *url_secrets(value)) if one]


def _in_basic(token: str) -> list[str]:
    try:
        plain = base64.b64decode(token, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return []
    user, colon, password = plain.partition(":")
    return [plain, user, password] if colon else []


def value_secrets(value: Any, *, name: str = "", below: bool = False) -> Iterator[str]:
    """The secrets in a nested value. `name`: what it is called. `below`: all of its texts are secret."""
    if isinstance(value, Mapping):
        headers = _HEADERS.search(_CAMEL.sub("_", name).lower().replace("-", "_")) is not None
        for inner, one in value.items():
            if headers and isinstance(one, str):
                yield from header_secrets(str(inner), one)
            else:
                yield from value_secrets(
                    one, name=str(inner), below=below or _ALL_BELOW.search(str(inner).lower()) is not None
                )
    elif isinstance(value, list | tuple):
        for one in value:
            yield from value_secrets(one, name=name, below=below)
    elif isinstance(value, str):
        if below or is_secret_name(name):
            yield value
            yield from header_secrets("Authorization", value)
        yield from url_secrets(value)
        if (inner_value := json_in(value)) is not None:
            yield from value_secrets(inner_value, name=name, below=below)
    elif isinstance(value, int | float) and not isinstance(value, bool) and (below or is_secret_name(name)):
        yield str(value)


def json_in(text: str) -> Any:
    """The object or list that a text holds; None: it holds none."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def redacted(value: Any, *, name: str = "", below: bool = False) -> Any:
    """A nested value as a file may hold it. A dummy stays, so that a run with one can be run again as it is."""
    if isinstance(value, Mapping):
        if _HEADERS.search(_CAMEL.sub("_", name).lower().replace("-", "_")):
            return redacted_headers(value)
        return {
            inner: redacted(one, name=str(inner), below=below or _ALL_BELOW.search(str(inner).lower()) is not None)
            for inner, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(one, name=name, below=below) for one in value]
    if isinstance(value, bool) or value is None:
        return value
    if below or is_secret_name(name):
        return value if is_dummy(str(value)) else REDACTED
    if isinstance(value, str):
        if (inner_value := json_in(value)) is not None and (shown := redacted(inner_value)) != inner_value:
            return json.dumps(shown)
        return masked_url(value, REDACTED)
    return value


def redacted_headers(headers: Mapping[str, Any], shown: Sequence[str] = ()) -> dict[str, Any]:
    """Headers as a file may hold them. `shown`: the names of those that are not secret."""
    public = {*_OPEN_HEADERS, *(name.lower() for name in shown)}
    return {
        name: value if str(name).lower() in public or _is_dummy_header(str(value)) else REDACTED
        for name, value in headers.items()
    }


def _is_dummy_header(value: str) -> bool:
    scheme = _SCHEME.fullmatch(value.strip())
    return is_dummy(scheme[1] if scheme is not None else value)


# --- the user's input


_SHOWN = ("api", "model", "route", "name", "region", "profile", "deployment", "arrivals", "tokenizer")
"""Keys whose values everybody may see. A header that repeats one holds no secret."""


def spec_secrets(spec: Spec, *, every_header: bool = True) -> tuple[str, ...]:
    """The secrets in a spec.

    Args:
        spec: holds them.
        every_header: the value of a header that no name calls secret counts as one.
    """
    shown = {name.lower() for name in spec.show_headers}
    found = [spec.api_key] if spec.api_key else []
    for name, value in spec.headers.items():
        if name.lower() not in shown and (every_header or SECRET_HEADER.search(name)):
            found += header_secrets(name, value)
    found += value_secrets(spec.extra_body)
    found += value_secrets(spec.litellm_param)
    for url in (spec.base_url, spec.endpoint_url):
        found += url_secrets(url or "")
    public = {getattr(spec, key) for key in _SHOWN} | {
        urlsplit(url or "").hostname for url in (spec.base_url, spec.endpoint_url)
    }
    return tuple(dict.fromkeys(one for one in found if one and one not in public))


def environ_secrets(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The secrets in environment variables: by their names, and in URLs such as a proxy's."""
    found: list[str] = []
    for name, value in environ.items():
        if is_secret_name(name) and name != "PWD" and not (name.endswith("CREDENTIALS") and value.startswith("/")):
            found += [value, *value_secrets(value, name=name)]
        if "://" in value or name.lower().endswith("_proxy"):
            found += url_secrets(value if "://" in value else f"http://{value}")
    return tuple(dict.fromkeys(filter(None, found)))


def argument_secrets(arguments: Sequence[str]) -> tuple[str, ...]:
    """The secrets on a command line, also in arguments that cannot be used."""
    shown = {value.lower() for flag, value in _flags(arguments) if flag == "--show-header"}
    found: list[str] = []
    for flag, value in _flags(arguments):
        name, colon, content = value.partition(":")
        key, sign, held = value.partition("=")
        if flag == "--header" and colon:
            found += header_secrets(name, content) if name.strip().lower() not in shown else []
        elif flag == "--header" or (is_secret_name(flag) and flag not in _PATH_FLAGS):
            found.append(value)
        elif flag == "--metadata":
            for pair in value.split(","):
                found += value_secrets({pair.partition("=")[0]: pair.partition("=")[2]})
        elif sign and flag and not value.lstrip().startswith("{"):
            found += value_secrets({key.strip(): json_in(held) or held})
        else:
            found += value_secrets(json_in(value))
        found += url_secrets(value)
    public = {value for flag, value in _flags(arguments) if flag.removeprefix("--") in _SHOWN}
    return tuple(dict.fromkeys(one for one in found if one and one not in public))


def _flags(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Flags with their values. An argument that belongs to no flag has an empty one."""
    flag = ""
    for argument in arguments:
        if argument.startswith("--"):
            flag, sign, value = argument.partition("=")
            if sign:
                yield flag, value
                flag = ""
        else:
            yield flag, argument
            flag = ""


def without_shapes(text: str) -> str:
    """A text without words that look like a key of a well-known provider, wherever they come from."""
    return _SHAPE.sub(MASK, text)
