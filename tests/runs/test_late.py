"""What waits until the load is over: answers to read, tokens to count, texts to keep."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from tests.runs.written import ENVIRONMENT, SPEC, plan_of
from tests.support import make_record, make_timeline

from llmdyno.protocols.events import OTHER, REASONING, REFUSAL, TEXT, TOOL
from llmdyno.runs.directory import RunDirectory
from llmdyno.runs.late import Late, answer_line
from llmdyno.timeline.columns import MISSING
from llmdyno.timeline.record import RequestRecord
from llmdyno.workload.tokens import Approximation


@dataclass
class Letters:
    """A tokenizer whose tokens are letters."""

    name = "letters"
    exact = True

    def count(self, text: str) -> int:
        return len(text)

    def ends(self, text: str) -> list[int]:
        return list(range(1, len(text) + 1))


def answered(number: int, **facts: object) -> RequestRecord:
    return make_record(number, 1.0, [(2.0, REASONING, 2), (3.0, TEXT, 3)], **facts)


def test_tokens_are_counted_by_the_model_s_own_tokenizer_alone() -> None:
    made = [answered(2, text="hmyes"), answered(0, text="hmno!!"), answered(1)]
    late = Late(plan_of()._replace(counter=Letters()), None)
    timeline = late.finish(make_timeline(*map(late.read, made)))
    assert timeline.requests["tokenizer_output_tokens"].tolist() == [6, MISSING, 5]
    assert late.answers == {}
    approximate = Late(plan_of()._replace(counter=Approximation()), None)
    timeline = approximate.finish(make_timeline(*map(approximate.read, made)))
    assert timeline.requests["tokenizer_output_tokens"].tolist() == [MISSING] * 3


def test_answers_are_kept_where_the_plan_keeps_them() -> None:
    late = Late(plan_of(keep_text=True), None)
    for record in (answered(4, text="hmyes"), answered(2)):
        assert late.read(record) is record
    assert late.answers == {4: "yes", 2: ""}


def test_answers_whose_bytes_were_kept_are_read_first() -> None:
    def read(record: RequestRecord) -> None:
        read_numbers.append(record.request)
        record.body, record.text = None, "hmyes"

    read_numbers: list[int] = []
    late = Late(plan_of(keep_text=True)._replace(counter=Letters()), read)
    made = [answered(0, body=b"raw"), answered(1, text="hmno!")]
    timeline = late.finish(make_timeline(*map(late.read, made)))
    assert read_numbers == [0]
    assert late.answers == {0: "yes", 1: "no!"}
    assert timeline.requests["tokenizer_output_tokens"].tolist() == [5, 5]


def test_an_error_that_is_read_late_shows_no_secret() -> None:
    def read(record: RequestRecord) -> None:
        record.body, record.error_message = None, "bad key sk-secret"

    late = Late(plan_of(), read, ("sk-secret",))
    assert late.read(answered(0, body=b"raw")).error_message == "bad key ***"


def test_an_answer_as_a_line_has_its_text_by_kind() -> None:
    chunks = [(1.0, OTHER, 0), (2.0, REASONING, 2), (3.0, TEXT, 3), (4.0, TOOL, 2), (5.0, TEXT, 1), (6.0, REFUSAL, 2)]
    record = make_record(7, 1.0, chunks, text="hmyes{}\ud83dno", finish_reason="stop")
    line = answer_line(record)
    assert line.endswith(b"\n")
    assert json.loads(line) == {
        "request": 7,
        "phase": "measured",
        "attempt": 0,
        "state": "ok",
        "error": None,
        "finish_reason": "stop",
        "text": "yes\ud83d",
        "reasoning": "hm",
        "tool": "{}",
        "refusal": "no",
    }


def test_a_line_of_an_answer_that_was_not_kept_is_empty() -> None:
    assert json.loads(answer_line(answered(0, state="failed", error_message="late")))["text"] == ""


def test_answers_are_in_the_run_directory_only_if_asked_for(tmp_path: Path) -> None:
    for keep in (False, True):
        plan = plan_of(dataclasses.replace(SPEC, keep_answers=keep))
        assert (plan.keep_answers, plan.keep_text) == (keep, keep)
        with RunDirectory.create(str(tmp_path / str(keep)), "x", 0) as directory:
            directory.begin(SPEC, ENVIRONMENT)
            directory.append(answered(1, text="hmyes"))
            directory.append(answered(0, text="hmno!"))
            timeline = directory.timeline(Late(plan, None))
        assert timeline.requests["request"].tolist() == [0, 1]
        path = directory.path / "answers.jsonl"
        assert path.is_file() is keep
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["request"], line["reasoning"], line["text"]) for line in lines] == [
        (1, "hm", "yes"),
        (0, "hm", "no!"),
    ]
