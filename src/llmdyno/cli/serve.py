"""``llmdyno serve``: the emulator in the foreground, or as a run's child."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable

from llmdyno.emulator.model import DEFAULT_PROFILE, PROFILES
from llmdyno.errors import InputError
from llmdyno.spec import read_value

DESCRIPTION = (
    "Serve an emulated deployment: OpenAI chat and completions over server-sent events, token times from a model, "
    "the truth about them at /truth. Nothing that it answers comes from a language model."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to listen and what to emulate."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", default="8080", metavar="N", help="the port; 0 takes a free one (default: 8080)")
    parser.add_argument("--speed", default="1", metavar="N", help="times real speed (default: 1)")
    parser.add_argument("--deployment", default=DEFAULT_PROFILE, metavar="NAME", help="; ".join(PROFILES))
    parser.add_argument("--seed", default="0", metavar="N", help="the seed of the model's draws (default: 0)")
    parser.add_argument("--api-key", default=None, metavar="KEY", help="refuse requests without this key")
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
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with contextlib.suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(arguments))
    return 0


async def _serve(arguments: argparse.Namespace) -> None:
    from llmdyno.emulator.server import Emulator

    emulator = Emulator(
        PROFILES[arguments.deployment], speed=arguments.speed, seed=arguments.seed, api_key=arguments.api_key
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
        print(json.dumps({"url": emulator.url}), flush=True)
    else:
        print(
            f"EMULATED {arguments.deployment} at {arguments.speed:g}× real speed\n"
            f"  base URL  {emulator.url}\n"
            f"  try       llmdyno run --base-url {emulator.url} --requests 20\n"
            f"  truth     {emulator.url.removesuffix('/v1')}/truth\n"
            "Ctrl-C ends it.",
            flush=True,
        )
    await stopped.wait()
    emulator.close()


def _until_closed(stopped: asyncio.Event) -> None:
    """The parent holds the other end of our standard input; its end is ours."""
    if not os.read(sys.stdin.fileno(), 1024):
        stopped.set()
