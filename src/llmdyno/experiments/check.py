"""Checks answers: it asks questions with known answers, each one alone first and then again under load."""

from __future__ import annotations

from typing import Any

from llmdyno.experiments.experiment import Experiment, Flag, Options, Report, Say
from llmdyno.experiments.load import load_plan
from llmdyno.metrics.correctness import Answer, correctness
from llmdyno.runs.counter import load_counter
from llmdyno.runs.run import Run
from llmdyno.spec.limits import MOST_TOKENS
from llmdyno.spec.readers import some_of, whole_number
from llmdyno.spec.spec import Spec
from llmdyno.timeline.columns import MISSING
from llmdyno.timeline.record import CANCELLED, OK
from llmdyno.transports.exchange import ATTEMPT_STRIDE
from llmdyno.workload.plan import Plan
from llmdyno.workload.sources.questions import KINDS, Question, Questions, make_questions

_MOST_QUESTIONS = 100_000


def questions_of(spec: Spec, options: Options) -> tuple[Question, ...]:
    """The questions of a resolved spec. They are the same on each call."""
    assert spec.seed is not None
    kinds = tuple(options["kinds"])
    return tuple(make_questions(spec.seed, options["prompts"], kinds, options["answer_tokens"]))


def plan(spec: Spec, options: Options) -> Plan:
    """Plan the questions: one user asks them alone in the warm-up, then they are asked under load and measured."""
    counter = load_counter(spec.tokenizer)
    questions, alone = questions_of(spec, options), options["alone"]
    workload = f"{len(questions)} questions" + (", each alone first and then under load" if alone else "")
    source = Questions(counter, questions, alone)
    return load_plan(spec, source, counter, warmup_users=1, keep_text=True, workload=workload)


def conclude(run: Run, options: Options, say: Say) -> Report:
    """Judge the answers."""
    questions, answers = questions_of(run.spec, options), answers_of(run)
    count = len(questions)
    first = count if options["alone"] else 0
    before, loaded = list(map(answers.get, range(first))), list(map(answers.get, range(first, first + count)))
    head: dict[str, Any] = {"questions": count, "concurrency": run.spec.concurrency}
    return {**head, **correctness(questions, before, loaded)}


def answers_of(run: Run) -> dict[int, Answer]:
    """The answer to each request, by its number. For a request that was sent again, the last answer counts."""
    found: dict[int, Answer] = {}
    requests = run.timeline.requests
    for index, number in enumerate(requests["request"].tolist()):
        if number < 0 or requests["state"][index] == CANCELLED:
            continue
        tokens = int(requests["server_output_tokens"][index])
        ok = requests["state"][index] == OK
        found[number % ATTEMPT_STRIDE] = Answer(
            run.answers.get(number, ""),
            requests["finish_reason"][index],
            None if tokens == MISSING else tokens,
            None if ok else str(requests["error_message"][index]),
        )
    return found


CHECK = Experiment(
    "check",
    plan,
    flags=(
        Flag("prompts", "ask this many questions", whole_number(1, _MOST_QUESTIONS), "48", "N"),
        Flag("kinds", f"ask these kinds: {', '.join(KINDS)}", some_of(*KINDS), ",".join(KINDS), "KIND,…"),
        Flag(
            "answer_tokens",
            "let each answer have at most this many tokens; a reasoning model needs many more",
            whole_number(1, MOST_TOKENS),
            "64",
            "N",
        ),
        Flag("alone", "ask each question alone first, and compare that answer with the one under load", None, True),
    ),
    owns=("requests", "duration_s", "warmup", "input_tokens", "output_tokens"),
    instead="use --prompts, --answer-tokens and --alone",
    keys=lambda options, speed: {
        "temperature": 0.0,
        "concurrency": 8,
        "name": "check",
        "requests": options["prompts"],
    },
    conclude=conclude,
    exit_code=lambda report: 1 if report["wrong"] else 0,
    concludes_partly=True,
)
