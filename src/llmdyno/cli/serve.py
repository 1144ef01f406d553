"""``llmdyno serve``: the emulator in the foreground, or as the child process of a run.

In: the arguments. Out: an emulator that answers until it is stopped; its URLs, printed as text. An embedded emulator
prints one line of JSON for its parent instead.
"""

from __future__ import annotations

import argparse
import asyncio
import errno
import ipaddress
import json
import os
import re
import socket
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from llmdyno.emulator.bounds import Bounds
from llmdyno.emulator.copies import Scaling
from llmdyno.emulator.faults import KINDS, Faults
from llmdyno.emulator.hosts import ANY
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.emulator.moto import AwsServices, available
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY
from llmdyno.errors import InputError
from llmdyno.host.child import leave_with_parent
from llmdyno.host.limits import connections_within, raise_open_files
from llmdyno.host.loop import loop_factory
from llmdyno.host.signals import signals
from llmdyno.spec import readers
from llmdyno.spec.keys import read_flag, read_value, shown_value
from llmdyno.spec.limits import MOST_USERS

if TYPE_CHECKING:
    from llmdyno.emulator.server import Emulator

DESCRIPTION = (
    "Serve an emulated deployment. It speaks OpenAI's chat and completions, Anthropic's messages, and Bedrock's "
    "runtime, for an imported model and foundation models. /truth has the true times of each request. No language "
    "model makes the answers."
)
_PORT_ERRORS = (errno.EADDRINUSE, errno.EACCES)
_HOST = re.compile(r"[A-Za-z0-9_.-]{1,253}")
_FEWEST_FILES = 32


class _Scale(NamedTuple):
    """A flag of the emulated scaling: the type of its value, and its help."""

    kind: type
    help: str


_SCALING = {
    "idle_s": _Scale(float, "scale to zero after this long without a call"),
    "cold_start_s": _Scale(float, "let the first copy take this long to start"),
    "first_inference_s": _Scale(float, "add this time to a copy's first answer"),
    "requests_per_copy": _Scale(int, "let a copy serve N requests at once; a guess"),
    "max_copies": _Scale(int, "allow N copies"),
    "scale_up_after_s": _Scale(float, "start another copy after an overload of this long; a guess"),
    "scale_up_delay_s": _Scale(float, "let another copy take this long to start; a guess"),
    "hold": _Scale(bool, "let a cold call wait for the model instead of refusing it"),
}


def _flag(name: str) -> str:
    return "--" + name.removesuffix("_s").replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the address and of the emulated deployment."""
    parser.add_argument("--host", default="127.0.0.1", help="listen on this address (default: 127.0.0.1)")
    parser.add_argument(
        "--port", default="8080", metavar="N", help="listen on this port; 0 chooses a free one (default: 8080)"
    )
    help_text = f"answer requests that name this host too; {ANY} answers all (default: loopback names and --host)"
    parser.add_argument("--allow-host", action="append", default=[], metavar="NAME", help=help_text)
    parser.add_argument("--speed", default="1", metavar="N", help="run N times faster than real time (default: 1)")
    deployments = f"emulate this deployment: {', '.join(PROFILES)} (default: {DEFAULT_PROFILE})"
    parser.add_argument("--deployment", default=DEFAULT_PROFILE, metavar="NAME", help=deployments)
    parser.add_argument("--seed", default="0", metavar="N", help="draw all random values from this seed (default: 0)")
    parser.add_argument("--api-key", default=None, metavar="KEY", help="refuse requests without this key")
    parser.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)
    _add_faults(parser)
    _add_aws(parser)
    _add_scaling(parser)


def _add_faults(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("faults")
    help_text = f"let this share of the requests fail in this way; repeat the flag for more; kinds: {', '.join(KINDS)}"
    group.add_argument("--fault", action="append", default=[], metavar="KIND=RATE", help=help_text)
    help_text = "give wrong answers while more than N requests are in flight"
    group.add_argument("--garble-above", default=None, metavar="N", help=help_text)


def _add_aws(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("AWS")
    help_text = f"refuse Bedrock requests that are not signed with the key {ACCESS_KEY} and the secret {SECRET_KEY}"
    group.add_argument("--verify-signatures", action="store_true", help=help_text)
    help_text = "let a model import take this long, at real speed (default: 600)"
    group.add_argument("--import-time", default="600", metavar="S", help=help_text)
    help_text = "import models without the OpenAI body formats, as the service did before it had them"
    group.add_argument("--legacy-formats", action="store_true", help=help_text)
    help_text = "let the account have N imported models (default: 3, the service's quota)"
    group.add_argument("--model-quota", default="3", metavar="N", help=help_text)
    help_text = "serve S3, IAM, STS and CloudWatch (moto) at the same URL (default: if moto is installed)"
    group.add_argument("--aws-services", action=argparse.BooleanOptionalAction, default=None, help=help_text)


def _add_scaling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scaling of the imported model (Bedrock's routes; seconds at real speed)")
    for name, (kind, text) in _SCALING.items():
        if kind is bool:
            group.add_argument(_flag(name), action="store_true", dest=name, help=text)
        else:
            default = getattr(Scaling(), name)
            help_text = f"{text} (default: {default:g})"
            group.add_argument(_flag(name), dest=name, metavar="N", default=str(default), help=help_text)


def call(arguments: argparse.Namespace) -> int:
    """Serve until stopped.

    Raises:
        InputError: a value does not fit, the address is not available, or the process may open too few files.
    """
    host, port = _host(arguments.host, "--host"), read_flag(readers.port, arguments.port, "--port")
    services = _aws_services(arguments)
    options = {**_options(arguments), "bounds": Bounds(connections=_connections())}
    if arguments.embedded:
        leave_with_parent()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(options, host, port, services=services, embedded=arguments.embedded))
    return 0


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The parameters of the emulator, except its AWS services."""
    if arguments.deployment not in PROFILES:
        fits = "deployments: " + ", ".join(PROFILES)
        raise InputError("--deployment", f"{shown_value(arguments.deployment)} is not known", fits)
    key, above = arguments.api_key, arguments.garble_above
    seed = read_value("seed", arguments.seed, "--seed")
    return {
        "profile": PROFILES[arguments.deployment],
        "speed": float(read_value("speed", arguments.speed, "--speed")),
        "seed": seed,
        "api_key": None if key is None else read_value("api_key", key, "--api-key"),
        "scaling": Scaling(**{name: _scaling_value(arguments, name) for name in _SCALING}),
        "faults": _faults(arguments.fault, seed),
        "verify_signatures": arguments.verify_signatures,
        "import_s": read_value("timeout_s", arguments.import_time, "--import-time"),
        "legacy": arguments.legacy_formats,
        "model_quota": read_flag(readers.whole_number(1, MOST_USERS), arguments.model_quota, "--model-quota"),
        "allowed_hosts": [one if one == ANY else _host(one, "--allow-host") for one in arguments.allow_host],
        "garble_above": None if above is None else read_value("requests", above, "--garble-above"),
    }


def _host(text: str, flag: str) -> str:
    """A name or an address, without a port. An IPv6 address may stand in brackets."""
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in inner:
        try:
            ipaddress.IPv6Address(inner)
        except ValueError:
            fits = "an address or a name such as 127.0.0.1, ::1 or localhost; the port has a flag of its own, --port"
            raise InputError(flag, f"{text!r} does not fit", f"what fits: {fits}") from None
    elif not _HOST.fullmatch(text):
        fits = "what fits: an address or a name, such as 127.0.0.1, ::1 or localhost"
        raise InputError(flag, f"{text!r} does not fit", fits)
    return inner


def _connections() -> int | None:
    """As many connections as the hard limit on open files allows; None: there is no limit."""
    files = raise_open_files()
    if files is not None and files < _FEWEST_FILES:
        problem = f"this process may open {files} files, which is too few for a server"
        raise InputError("open files", problem, f"raise the hard limit (ulimit -Hn) to {_FEWEST_FILES} or more")
    return connections_within(files)


def _aws_services(arguments: argparse.Namespace) -> bool:
    """Whether moto runs behind the emulator."""
    if arguments.aws_services is None:
        return available() and not arguments.embedded
    if arguments.aws_services and not available():
        raise InputError("--aws-services", "needs moto and boto3, which are missing", "pip install 'llmdyno[emulator]'")
    return bool(arguments.aws_services)


def _faults(texts: list[str], seed: int) -> Faults:
    try:
        return Faults.parse(texts, seed)
    except ValueError as error:
        raise InputError("--fault", f"{shown_value(' '.join(texts))} does not fit", f"what fits: {error}") from None


def _scaling_value(arguments: argparse.Namespace, name: str) -> Any:
    given, kind = getattr(arguments, name), _SCALING[name].kind
    if kind is bool:
        return bool(given)
    return read_flag(readers.whole_number(1, MOST_USERS) if kind is int else readers.pause_s, given, _flag(name))


async def _serve(options: dict[str, Any], host: str, port: int, *, services: bool, embedded: bool) -> None:
    from llmdyno.emulator.server import Emulator

    emulator = Emulator(**options, services=AwsServices() if services else None, tell=_tell)
    try:
        await emulator.start(host, port)
    except (OSError, UnicodeError) as error:  # the second: a name that cannot be asked for, such as one with two dots
        raise _cannot_listen(host, port, error) from None
    stopped = asyncio.Event()
    with signals(asyncio.get_running_loop(), stopped.set):
        if embedded:
            facts = {"url": emulator.url, "root": emulator.root, **emulator.model_facts()}
            print(json.dumps(facts), flush=True)
        else:
            print(_banner(emulator), flush=True)
        await stopped.wait()
    emulator.close()


def _tell(message: str) -> None:
    print(f"llmdyno serve: {message}", file=sys.stderr, flush=True)


def _cannot_listen(host: str, port: int, error: OSError | UnicodeError) -> InputError:
    reason: object = error
    if isinstance(error, OSError):  # its own text repeats the address, except where the name is not known
        reason = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
    problem = f"cannot listen on {host} port {port} ({reason})"
    if isinstance(error, OSError) and error.errno in _PORT_ERRORS:
        return InputError("--port", problem, "use a free port, or --port 0 to choose one")
    return InputError("--host", problem, "name an address of this machine")


def _banner(emulator: Emulator) -> str:
    """What the user must know about a running emulator."""
    speed, root = emulator.speed, emulator.root
    shorter = "" if speed == 1 else f"; durations are {speed:g}× shorter than in reality"
    return (
        f"EMULATED {emulator.profile.name} at {speed:g}× real speed{shorter}\n"
        f"  OpenAI     base URL {emulator.url}\n"
        f"  Anthropic  base URL {root}\n"
        f"  Bedrock    AWS_ENDPOINT_URL_BEDROCK_RUNTIME={root}, model {emulator.model_arn}\n"
        f"  AWS        AWS_ENDPOINT_URL={root}{'' if emulator.services else ' (Bedrock only)'}\n"
        f"  truth      {root}/truth, {root}/truth/copies\n"
        f"  try        llmdyno run --base-url {emulator.url} --requests 20\n"
        "Press Ctrl-C to stop it."
    )
