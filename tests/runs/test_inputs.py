"""Files that a spec names: the spec file itself, a trace, a tokenizer."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from benchmarks import bad_values as values

from llmdyno import InputError, Spec
from llmdyno.runs.counter import load_counter
from llmdyno.runs.specfile import LARGEST_SPEC_BYTES, read_toml
from llmdyno.runs.traces import load_trace, read_trace
from llmdyno.spec.spec import build
from llmdyno.workload.sources.traces import Entry
from llmdyno.workload.sources.words import make_prompt

TRACE = '{"timestamp": 3, "input_tokens": 5, "output_tokens": 6}\n'


def test_a_spec_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text("\ufeff" + Spec(requests=3).to_toml(), encoding="utf-8")
    assert build([read_toml(path)]) == Spec(requests=3)
    path.write_text("[load]\nrequests = 0", encoding="utf-8")
    with pytest.raises(InputError) as refused:
        build([read_toml(path)])
    assert str(refused.value) == f"{path}: load.requests: 0 does not fit; what fits: a whole number from 1 up"


def test_a_spec_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(InputError) as refused:
        read_toml(path)
    assert str(refused.value) == (
        f"{path}: cannot be read (No such file or directory); give a TOML file, such as a run's spec.toml"
    )


def test_a_trace_file(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(TRACE + TRACE.replace("3", "5"), encoding="utf-8-sig")
    assert read_trace(str(path), 0.5) == [Entry(0, 5, 6), Entry(1_000_000_000, 5, 6)]
    path.write_bytes(b"\xff")
    with pytest.raises(InputError) as refused:
        read_trace(str(path), 1.0, "--traffic", "a trace")
    assert str(refused.value) == f"--traffic: {path} is not UTF-8 text; what fits: a trace"


def test_without_a_name_tokens_are_approximated() -> None:
    counter = load_counter(None)
    assert (counter.name, counter.exact) == ("built-in approximation", False)
    with pytest.raises(InputError, match="--tokenizer: '/no/such' is neither"):
        load_counter("/no/such")


def test_the_trace_of_a_spec(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_text(TRACE + TRACE.replace("3", "5"), encoding="utf-8")
    assert load_trace(Spec(arrivals=f"replay {path}", time_scale=0.5)) == [Entry(0, 5, 6), Entry(1_000_000_000, 5, 6)]
    assert load_trace(Spec(rate=1)) is None


@pytest.mark.parametrize("name", values.TOKENIZERS)
def test_a_tokenizer_counts_our_prompts_or_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(values.TOKENIZERS[name])
    if name == "bytes cut at 16":
        text, tokens = make_prompt(Random(1), 300, load_counter(str(path)))
        assert len(text) == tokens == 300
        return
    with pytest.raises(InputError) as refused:
        load_counter(str(path))
    assert refused.value.where == "--tokenizer"
    assert str(path) in refused.value.problem


class Capped:
    """A counter that never counts beyond 5."""

    name, exact = "capped", True

    def count(self, text: str) -> int:
        return len(self.ends(text))

    def ends(self, text: str) -> list[int]:
        return list(range(1, len(text)))[:5]


def test_a_counter_that_stops_ends_the_prompt() -> None:
    with pytest.raises(InputError) as refused:
        make_prompt(Random(1), 30, Capped())
    assert str(refused.value) == (
        "--tokenizer: capped makes no more than 5 tokens, however long the text is; use a tokenizer for English text"
    )


def test_a_spec_file_is_small(tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    path.write_bytes(b"#" * (2**17 + 1))
    assert read_toml(path) == {}
    with pytest.raises(InputError) as refused:
        read_toml(path, LARGEST_SPEC_BYTES)
    assert str(refused.value) == f"{path}: has more than 128 KiB; give a TOML file, such as a run's spec.toml"
