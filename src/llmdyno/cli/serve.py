"""``llmdyno serve``: the emulator in the foreground, or as a run's child."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from llmdyno.emulator.copies import Scaling
from llmdyno.emulator.faults import KINDS, Faults
from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.emulator.moto import AwsServices, available
from llmdyno.emulator.signatures import ACCESS_KEY, SECRET_KEY
from llmdyno.errors import InputError
from llmdyno.spec.keys import read_value

DESCRIPTION = (
    "Serve an emulated deployment: OpenAI chat and completions over server-sent events, an imported model on Bedrock's "
    "runtime over its event stream, the truth about each at /truth. Nothing it answers comes from a language model."
)


_SCALING: dict[str, tuple[type, str]] = {
    "idle_s": (float, "scale to zero after so long without a call"),
    "cold_start_s": (float, "how long the first copy takes to come"),
    "first_inference_s": (float, "how much longer a copy's first answer takes"),
    "requests_per_copy": (int, "how many requests a copy carries at a time; a guess"),
    "max_copies": (int, "the most copies"),
    "scale_up_after_s": (float, "how long an excess must last before another copy is started; a guess"),
    "scale_up_delay_s": (float, "how long another copy takes to come; a guess"),
    "hold": (bool, "let a cold call wait for the model instead of refusing it"),
}


def _flag(name: str) -> str:
    return "--" + name.removesuffix("_s").replace("_", "-")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen and what to emulate."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", default="8080", metavar="N", help="the port; 0 takes a free one (default: 8080)")
    parser.add_argument("--speed", default="1", metavar="N", help="times real speed (default: 1)")
    parser.add_argument("--deployment", default=DEFAULT_PROFILE, metavar="NAME", help="; ".join(PROFILES))
    parser.add_argument("--seed", default="0", metavar="N", help="the seed of the model's draws (default: 0)")
    parser.add_argument("--api-key", default=None, metavar="KEY", help="refuse requests without this key")
    parser.add_argument(
        "--verify-signatures",
        action="store_true",
        help=f"refuse Bedrock requests that are not signed with the key {ACCESS_KEY} and its secret {SECRET_KEY}",
    )
    parser.add_argument(
        "--import-time", default="600", metavar="S", help="how long a model import takes, at real speed (default: 600)"
    )
    parser.add_argument(
        "--legacy-formats", action="store_true", help="import models as before the OpenAI body formats came"
    )
    parser.add_argument(
        "--aws-services",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="S3, IAM, STS and CloudWatch (moto) behind the same URL (default: where moto is installed)",
    )
    group = parser.add_argument_group("scaling of the imported model (Bedrock's routes; seconds at real speed)")
    for name, (kind, text) in _SCALING.items():
        default = getattr(Scaling(), name)
        flag = _flag(name)
        if kind is bool:
            group.add_argument(flag, action="store_true", dest=name, help=text)
        else:
            group.add_argument(
                flag, dest=name, metavar="N", default=str(default), help=f"{text} (default: {default:g})"
            )
    group.add_argument("--fault", action="append", default=[], metavar="KIND=RATE", help="; ".join(KINDS))
    group.add_argument(
        "--garble-above",
        default=None,
        metavar="N",
        help="answer wrongly while more than N requests are answered at once",
    )
    parser.add_argument("--embedded", action="store_true", help=argparse.SUPPRESS)


def call(arguments: argparse.Namespace) -> int:
    """Serve until stopped.

    Raises:
        InputError: a value does not fit, or the address cannot be had.
    """
    if arguments.deployment not in PROFILES:
        raise InputError(
            "--deployment", f"{arguments.deployment!r} is not known", "deployments: " + ", ".join(PROFILES)
        )
    if not arguments.port.isdecimal() or int(arguments.port) > 65535:
        raise InputError("--port", f"{arguments.port!r} does not fit", "what fits: a whole number from 0 to 65535")
    arguments.speed = read_value("speed", arguments.speed, "--speed")
    arguments.seed = read_value("seed", arguments.seed, "--seed")
    if arguments.api_key is not None:
        arguments.api_key = read_value("api_key", arguments.api_key, "--api-key")
    arguments.scaling = Scaling(**{name: _scaling_value(arguments, name) for name in _SCALING})
    if arguments.garble_above is not None:
        arguments.garble_above = read_value("requests", arguments.garble_above, "--garble-above")
    arguments.import_s = read_value("timeout_s", arguments.import_time, "--import-time")
    if arguments.aws_services and not available():
        raise InputError("--aws-services", "needs moto and boto3, which are missing", "pip install 'llmdyno[emulator]'")
    if arguments.aws_services is None:
        arguments.aws_services = available() and not arguments.embedded
    try:
        arguments.faults = Faults.parse(arguments.fault, arguments.seed)
    except ValueError as error:
        raise InputError("--fault", f"{' '.join(arguments.fault)!r} does not fit", f"what fits: {error}") from None
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(arguments))
    return 0


def _scaling_value(arguments: argparse.Namespace, name: str) -> Any:
    given, kind = getattr(arguments, name), _SCALING[name][0]
    if kind is bool:
        return bool(given)
    try:
        value = kind(given)
    except ValueError:
        value = -1
    if not (math.isfinite(value) and value >= (1 if kind is int else 0)):
        fits = "a whole number from 1 up" if kind is int else "a number of seconds from 0 up"
        raise InputError(_flag(name), f"{given!r} does not fit", f"what fits: {fits}")
    return value


async def _serve(arguments: argparse.Namespace) -> None:
    from llmdyno.emulator.server import Emulator

    emulator = Emulator(
        PROFILES[arguments.deployment],
        speed=arguments.speed,
        seed=arguments.seed,
        api_key=arguments.api_key,
        scaling=arguments.scaling,
        faults=arguments.faults,
        verify_signatures=arguments.verify_signatures,
        services=AwsServices() if arguments.aws_services else None,
        import_s=arguments.import_s,
        legacy=arguments.legacy_formats,
        garble_above=arguments.garble_above,
    )
    try:
        await emulator.start(arguments.host, int(arguments.port))
    except OSError as error:
        raise InputError(
            "--host, --port",
            f"cannot listen on {arguments.host} port {arguments.port} ({error.strerror or error})",
            "name an address of this machine and a free port, or --port 0",
        ) from None
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    if arguments.embedded:
        loop.add_reader(sys.stdin.fileno(), _until_closed, stopped)
        print(json.dumps({"url": emulator.url, "root": emulator.root, **emulator.model_facts()}), flush=True)
    else:
        print(
            f"EMULATED {arguments.deployment} at {arguments.speed:g}× real speed\n"
            f"  base URL  {emulator.url}\n"
            f"  try       llmdyno run --base-url {emulator.url} --requests 20\n"
            f"  Bedrock   AWS_ENDPOINT_URL_BEDROCK_RUNTIME={emulator.root}, model {emulator.model_arn}\n"
            f"  AWS       AWS_ENDPOINT_URL={emulator.root}{'' if arguments.aws_services else ' (Bedrock only)'}\n"
            f"  truth     {emulator.root}/truth, {emulator.root}/truth/copies\n"
            "Ctrl-C ends it.",
            flush=True,
        )
    await stopped.wait()
    emulator.close()


def _until_closed(stopped: asyncio.Event) -> None:
    """The parent holds the other end of our standard input; its end is ours."""
    if not os.read(sys.stdin.fileno(), 1024):
        stopped.set()
