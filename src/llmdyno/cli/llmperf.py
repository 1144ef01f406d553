"""``llmdyno llmperf token-benchmark`` and ``llmdyno llmperf correctness``: LLMPerf's two programs.

In: LLMPerf's flags, with its defaults. Out: its console output and its files, with its names and definitions, and a run
directory. LLMPerf's faults are not repeated: a failed request is in the files, with its error code.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.cli import drive
from llmdyno.errors import InputError
from llmdyno.spec.keys import read_flag, read_value, shown_value
from llmdyno.spec.readers import text
from llmdyno.spec.secrets import redacted
from llmdyno.spec.spec import Spec, build

if TYPE_CHECKING:
    from llmdyno.experiments.experiment import Report
    from llmdyno.runs.run import Run

DESCRIPTION = "LLMPerf's programs: the same flags, files and console output, measured by llmdyno."
TOKEN_BENCHMARK, CORRECTNESS = "token-benchmark", "correctness"
_APIS = ("openai", "anthropic", "litellm", "sagemaker", "vertexai", "bedrock")
_THROUGH_LITELLM = {"litellm": "", "anthropic": "anthropic/", "sagemaker": "sagemaker_chat/", "vertexai": "vertex_ai/"}
_ANSWER_TOKENS = 64


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of both programs."""
    programs = parser.add_subparsers(dest="program", metavar="PROGRAM", required=True)
    benchmark = programs.add_parser(
        TOKEN_BENCHMARK, help="token_benchmark_ray.py", description="LLMPerf's token_benchmark_ray.py."
    )
    correctness = programs.add_parser(
        CORRECTNESS, help="llm_correctness.py", description="LLMPerf's llm_correctness.py: numbers in words to digits."
    )
    for name, default in (
        ("mean-input-tokens", "550"),
        ("stddev-input-tokens", "150"),
        ("mean-output-tokens", "150"),
        ("stddev-output-tokens", "80"),
    ):
        about = name.replace("-", " ").replace("stddev", "standard deviation of")
        benchmark.add_argument(f"--{name}", default=default, metavar="N", help=f"{about} (default: {default})")
    for own, completed in ((benchmark, "10"), (correctness, "50")):
        own.add_argument("--model", required=True, help="ask for this model; for litellm, LiteLLM's model string")
        own.add_argument(
            "--num-concurrent-requests", default="10", metavar="N", help="let N users send at once (default: 10)"
        )
        own.add_argument(
            "--timeout", default="90", metavar="S", help="send no new request after this time (default: 90)"
        )
        own.add_argument(
            "--max-num-completed-requests",
            default=completed,
            metavar="N",
            help=f"send N requests (default: {completed})",
        )
        own.add_argument(
            "--additional-sampling-params", default="{}", metavar="JSON", help="add these fields to each request's body"
        )
        own.add_argument(
            "--results-dir", default="", metavar="DIR", help="write LLMPerf's files to this directory (default: none)"
        )
        own.add_argument(
            "--llm-api",
            default="openai",
            metavar="API",
            help=f"choose the API: {', '.join(_APIS)} (default: openai; only llmdyno has bedrock)",
        )
        own.add_argument("--metadata", default="", metavar="K=V,…", help="add these entries to the summary")
        own.add_argument(
            "--unix-socket",
            metavar="PATH",
            help="connect to the Unix socket at this path; OPENAI_API_BASE gives the path of requests (only llmdyno)",
        )
        drive.add_manner_arguments(own)


def call(arguments: argparse.Namespace) -> int:
    """Run one of the two programs and return the exit code.

    Raises:
        InputError: the input cannot be used.
    """
    return _token_benchmark(arguments) if arguments.program == TOKEN_BENCHMARK else _correctness(arguments)


def _token_benchmark(arguments: argparse.Namespace) -> int:
    from llmdyno.experiments.load import LOAD
    from llmdyno.reports.llmperf import console_block, llmperf_files

    metadata = _metadata(arguments.metadata)
    spec = _spec(
        arguments,
        {
            "input_tokens": (_normal(arguments, "input"), "--mean-input-tokens, --stddev-input-tokens"),
            "output_tokens": (_normal(arguments, "output"), "--mean-output-tokens, --stddev-output-tokens"),
        },
    )

    def show(run: Run, report: Report | None) -> None:
        print(console_block(run))
        _tell(run, _write(arguments.results_dir, llmperf_files(run, metadata)))

    return drive.drive(spec, LOAD, drive.manner_of(arguments), show)


def _correctness(arguments: argparse.Namespace) -> int:
    from llmdyno.experiments.check import CHECK, questions_of
    from llmdyno.reports.llmperf import correctness_files
    from llmdyno.workload.sources.questions import NUMBER

    metadata = _metadata(arguments.metadata)
    spec = _spec(arguments, {"temperature": (0.0, "temperature")})
    assert spec.requests is not None
    options = {"prompts": spec.requests, "kinds": (NUMBER,), "answer_tokens": _ANSWER_TOKENS, "alone": False}
    settings = {
        "model": spec.model,
        "num_concurrent_requests": spec.concurrency,
        "additional_sampling_params": redacted(json.loads(arguments.additional_sampling_params)),
        "llm_api": arguments.llm_api,
    }

    def show(run: Run, report: Report | None) -> None:
        files, lines = correctness_files(run, questions_of(run.spec, options), settings, metadata)
        print(lines)
        _tell(run, _write(arguments.results_dir, files))

    # LLMPerf writes a wrong answer to its files, and its program still succeeds.
    asked = CHECK._replace(options=options, exit_code=lambda report: 0)
    return drive.drive(spec, asked, drive.manner_of(arguments), show)


def _spec(arguments: argparse.Namespace, more: dict[str, tuple[Any, str]]) -> Spec:
    """Turn LLMPerf's flags into a spec."""
    if arguments.llm_api not in _APIS:
        problem = f"{shown_value(arguments.llm_api)} is not known"
        raise InputError("--llm-api", problem, "what fits: " + ", ".join(_APIS))
    label = "--additional-sampling-params"
    sampling = read_value("extra_body", arguments.additional_sampling_params, label)
    layer: dict[str, tuple[Any, str]] = {
        "model": (arguments.model, "--model"),
        "concurrency": (arguments.num_concurrent_requests, "--num-concurrent-requests"),
        "requests": (arguments.max_num_completed_requests, "--max-num-completed-requests"),
        "duration_s": (arguments.timeout, "--timeout"),
        **more,
    }
    if arguments.llm_api in _THROUGH_LITELLM:
        prefix = _THROUGH_LITELLM[arguments.llm_api]
        layer["api"] = ("litellm", "--llm-api")
        layer["model"] = (prefix + arguments.model.removeprefix(prefix), "--model")
        if sampling:
            layer["litellm_param"] = (sampling, label)
    else:
        layer["api"] = (arguments.llm_api, "--llm-api")
        layer["extra_body"] = (sampling, label)
        base_url = os.environ.get("OPENAI_API_BASE")
        if arguments.llm_api == "openai" and base_url:
            layer["base_url"] = (base_url, "OPENAI_API_BASE")
    if arguments.unix_socket is not None:
        layer["unix_socket"] = (arguments.unix_socket, "--unix-socket")
    if arguments.results_dir:
        from llmdyno.runs.directory import new_path

        folder = read_flag(text, arguments.results_dir, "--results-dir")
        path = new_path(Path(folder) / "runs", arguments.model.rpartition("/")[2], time.time())
        layer["out"] = (str(path), "--results-dir")
    return build([layer])


def _normal(arguments: argparse.Namespace, side: str) -> str:
    mean, stddev = (getattr(arguments, f"{which}_{side}_tokens") for which in ("mean", "stddev"))
    return f"normal({mean},{stddev})"


def _metadata(given: str) -> dict[str, str]:
    """Read LLMPerf's ``a=b,c=d``."""
    pairs = [item.partition("=") for item in given.split(",") if item]
    for name, sign, _ in pairs:
        if not sign or not name or not given.isprintable():
            raise InputError("--metadata", f"{shown_value(given)} does not fit", "what fits: a=b,c=d")
    return {name: str(redacted(value, name=name)) for name, _, value in pairs}


def _write(results_dir: str, files: list[tuple[str, bytes]]) -> list[Path]:
    from llmdyno.runs.output import Output

    written = []
    for name, content in files if results_dir else ():
        path = Path(results_dir) / name
        with Output(path) as output:
            output.write(content)
        written.append(path)
    return written


def _tell(run: Run, written: list[Path]) -> None:
    """Print what LLMPerf does not print: the verdict, and the paths of the files."""
    from llmdyno.reports.console import Page
    from llmdyno.reports.summary import show_verdict

    page = Page()
    page.blank()
    show_verdict(run.summary["verdict"], page)
    for path in written:
        print(f"Written: {path}")
    print(f"Run directory: {run.path}")
