"""``llmdyno run``: flags and a TOML file to a spec, a spec to a run, a run to a printed summary."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.cli.budget import add_budget_arguments, agree
from llmdyno.spec.keys import KEYS, flag_name
from llmdyno.spec.spec import Spec, build
from llmdyno.spec.toml import read_toml

if TYPE_CHECKING:
    from llmdyno.executors.inline import Intention, Program
    from llmdyno.reports.live import LiveView
    from llmdyno.runs.run import Run

DESCRIPTION = (
    "Measure an endpoint. Without arguments, a short run against the embedded emulator. "
    "What a spec file says, flags override."
)
_GROUPS = {
    "": "run",
    "endpoint": "endpoint",
    "load": "load (closed loop: users, each of whom sends when its last request ended; open loop: planned instants)",
    "workload": "workload",
    "aws": "Amazon Bedrock (credentials come from AWS's own chain)",
    "emulator": "embedded emulator",
    "output": "output",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A flag for every key of the spec."""
    parser.add_argument("file", nargs="?", metavar="SPEC.toml", help="a spec file, such as a run's spec.toml")
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved spec and the plan's totals, send nothing"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit code 3 where the verdict has anything against the measurement"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress, only the summary")
    groups = {table: parser.add_argument_group(title) for table, title in _GROUPS.items()}
    for name, field in KEYS.items():
        meta = field.metadata
        options: dict[str, Any] = {
            "dest": name,
            "default": argparse.SUPPRESS,
            "help": meta["help"].replace("%", "%%"),
        }
        if meta["switch"]:
            options["action"] = argparse.BooleanOptionalAction
        else:
            options["metavar"] = meta["metavar"]
            if meta["repeat"]:
                options["action"] = "append"
        groups[meta["table"]].add_argument(flag_name(name), **options)
    add_budget_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Run it.

    Raises:
        InputError: the input cannot be used.
    """
    spec = spec_of(arguments, {})
    if arguments.dry_run:
        return dry_run(spec)
    from llmdyno.executors.inline import Program

    agree(spec, arguments)
    run = carry_out(spec, Program(), quiet=arguments.quiet)
    if run.interrupted:
        return 130
    if run.succeeded == 0:
        print("llmdyno: every request failed", file=sys.stderr)
        return 1
    return 3 if arguments.strict and not run.summary["verdict"]["trustworthy"] else 0


def spec_of(arguments: argparse.Namespace, defaults: dict[str, Any]) -> Spec:
    """The spec from a command's defaults, its file and its flags, of which a later one wins.

    Raises:
        InputError: a value does not fit.
    """
    given = vars(arguments)
    layers: list[dict[str, tuple[Any, str]]] = [{name: (value, "default") for name, value in defaults.items()}]
    if arguments.file is not None:
        layers.append(read_toml(Path(arguments.file)))
    layers.append({name: (given[name], flag_name(name)) for name in KEYS if name in given})
    return build(layers)


def carry_out(spec: Spec, program: Program, *, quiet: bool, show: Callable[[Run], None] | None = None) -> Run:
    """Carry a program out with progress shown, and print its summary, or `show` it otherwise.

    Raises:
        InputError: the endpoint cannot be measured.
    """
    from llmdyno.experiments.selftest import beyond_range
    from llmdyno.measure import run_command
    from llmdyno.reports.live import LiveView

    if spec.insecure:
        print("llmdyno: --insecure: the server's certificate is not verified", file=sys.stderr)
    if beyond := beyond_range(spec):
        print(f"llmdyno: {beyond}", file=sys.stderr)

    live = LiveView()

    def announce(intention: Intention) -> None:
        if intention.emulated_speed is not None:
            live.show_emulation(intention.emulated_speed)
        if not quiet:
            print(f"Measuring {intention.endpoint}: {intention.load}", file=sys.stderr, flush=True)

    with contextlib.nullcontext() if quiet else _watched(spec, live):
        try:
            run = run_command(spec, (lambda snapshot: None) if quiet else live, announce, program)
        finally:
            live.end()
    if show is not None:
        show(run)
        return run
    from llmdyno.reports import summary
    from llmdyno.reports.console import Page

    summary.show(run, Page())
    return run


def _watched(spec: Spec, live: LiveView) -> contextlib.AbstractContextManager[object]:
    """Show an imported model's copies while the run goes on, as CloudWatch says them."""
    if spec.api != "bedrock" or spec.model is None:
        return contextlib.nullcontext()
    try:
        from llmdyno.aws.session import region_of
        from llmdyno.services.bedrock_import.watch import CopiesWatch
    except ImportError:  # the run says what is missing
        return contextlib.nullcontext()

    region = spec.region or region_of(spec.model)
    return CopiesWatch(spec.model, region, spec.profile, spec.endpoint_url, live.show_copies)


def dry_run(spec: Spec) -> int:
    """Print the resolved spec and the plan's totals; nothing is sent."""
    from llmdyno.measure import settle
    from llmdyno.workload.plan import MEASURED, WARMUP, Plan
    from llmdyno.workload.tokens import load_counter

    spec = settle(spec)
    counter = load_counter(spec.tokenizer)
    plan = Plan(spec, counter)
    print(spec.to_toml(), end="")
    if spec.api == "emulator":
        print(f"\n# EMULATED endpoint: profile {spec.deployment}, at {spec.speed:g}× real speed.", end="")
    print(f"\n# Plan (prompt tokens by {counter.name}); nothing was sent.")
    for phase, count in ((WARMUP, plan.warmup), (MEASURED, plan.measured)):
        if count is None:
            inputs, outputs = spec.input_tokens.mean, spec.output_tokens.mean
            print(f"# {phase}: as many requests as fit into {spec.load.length_s:g} s,")
            print(f"#   about {inputs:,.0f} tokens in and at most {outputs:,.0f} out each")
        elif count:
            lengths = [plan.lengths(phase, number) for number in range(count)]
            total_in, total_out = (sum(column) for column in zip(*lengths, strict=True))
            print(f"# {phase}: {count:,} requests, {total_in:,} tokens in, at most {total_out:,} tokens out")
    return 0
