"""``llmdyno check``: does the deployment answer right, alone and under load?"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from llmdyno.cli import run
from llmdyno.cli.budget import agree
from llmdyno.errors import InputError
from llmdyno.spec.keys import flag_name, read_value
from llmdyno.workload.sources.questions import KINDS, QuestionPlan, make_questions

if TYPE_CHECKING:
    from llmdyno.runs.run import Run
    from llmdyno.spec.spec import Spec
    from llmdyno.workload.sources.questions import Question

DESCRIPTION = (
    "Ask questions whose right answers are known, each alone and again under load at temperature 0: numbers in words, "
    "a line to repeat, a JSON object, an answer that must end at max_tokens; and whether both answers are the same. "
    "Takes the flags of llmdyno run; without arguments, the embedded emulator is asked. Exit code 1 where one is wrong."
)
_NOT_HERE = ("requests", "duration_s", "warmup", "input_tokens", "output_tokens")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The questions, and the flags of a run."""
    run.add_arguments(parser)
    group = parser.add_argument_group("questions")
    group.add_argument("--prompts", default="48", metavar="N", help="how many questions (default: 48)")
    group.add_argument(
        "--kinds", default=",".join(KINDS), metavar="KIND,…", help=f"which kinds: {', '.join(KINDS)} (default: all)"
    )
    group.add_argument(
        "--answer-tokens",
        default="64",
        metavar="N",
        help="the most tokens of an answer; a reasoning model needs many more (default: 64)",
    )
    group.add_argument(
        "--alone",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="ask each question alone first, and see whether the answer under load is the same (default: yes)",
    )


def call(arguments: argparse.Namespace) -> int:
    """Ask.

    Raises:
        InputError: the input cannot be used.
    """
    given = vars(arguments)
    for name in _NOT_HERE:
        if name in given:
            raise InputError(flag_name(name), "is for llmdyno run", "use --prompts, --answer-tokens and --alone")
    count = read_value("requests", arguments.prompts, "--prompts")
    answer_tokens = read_value("requests", arguments.answer_tokens, "--answer-tokens")
    kinds = tuple(kind.strip() for kind in arguments.kinds.split(","))
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("--kinds", f"{kind!r} is none", "what fits: " + ", ".join(KINDS))
    from llmdyno.reports import check
    from llmdyno.reports.console import Page
    from llmdyno.runs.directory import add_json

    defaults = {"requests": count, "temperature": 0.0, "concurrency": 8, "name": "check"}
    spec = run.spec_of(arguments, defaults)
    agree(replace(spec, requests=count * (1 + arguments.alone)), arguments)
    result, _, found = ask(spec, count, kinds, answer_tokens, alone=arguments.alone, quiet=arguments.quiet)
    add_json(result.path, "check.json", found)
    check.show(found, Page(), result.path)
    if result.interrupted:
        return 130
    return 1 if found["wrong"] else 0


def ask(
    spec: Spec, count: int, kinds: tuple[str, ...], answer_tokens: int, *, alone: bool, quiet: bool, show: Any = None
) -> tuple[Run, list[Question], dict[str, Any]]:
    """Ask the questions and judge the answers; returns the run, the questions and the results."""
    from llmdyno.executors.inline import Program
    from llmdyno.measure import settle
    from llmdyno.metrics.correctness import correctness

    spec = settle(spec)
    assert spec.seed is not None
    questions = make_questions(spec.seed, count, kinds, answer_tokens)
    plan = partial(QuestionPlan, questions=tuple(questions), alone=alone)
    words = f"{count} questions" + (", each alone first and then under load" if alone else "")
    program = Program(plan=plan, warmup_users=1, keep_text=True, workload=words)
    if not quiet:
        print(words, file=sys.stderr)
    result = run.carry_out(spec, program, quiet=quiet, show=show)
    answers = answers_of(result)
    first = count if alone else 0
    before, loaded = list(map(answers.get, range(first))), list(map(answers.get, range(first, first + count)))
    head = {"questions": count, "concurrency": spec.concurrency}
    return result, questions, {**head, **correctness(questions, before, loaded)}


def answers_of(result: Run) -> dict[int, Any]:
    """What came of each request, by its number; of one that was sent again, what came of it in the end."""
    from llmdyno.metrics.correctness import Answer
    from llmdyno.timeline.columns import MISSING
    from llmdyno.timeline.record import CANCELLED, OK
    from llmdyno.transports.exchange import ATTEMPT_STRIDE

    found: dict[int, Answer] = {}
    requests = result.timeline.requests
    for place, number in enumerate(requests["request"].tolist()):
        if number < 0 or requests["state"][place] == CANCELLED:
            continue
        tokens = int(requests["server_output_tokens"][place])
        ok = requests["state"][place] == OK
        found[number % ATTEMPT_STRIDE] = Answer(
            result.answers.get(number, ""),
            requests["finish_reason"][place],
            None if tokens == MISSING else tokens,
            None if ok else str(requests["error_message"][place]),
        )
    return found
