"""Before a load costs anything: what it may cost, and who must agree."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from llmdyno.cli.budget import decide, length_of
from llmdyno.errors import InputError
from llmdyno.services.bedrock_import.budget import most, request_s
from llmdyno.spec.spec import Spec

WINDOW = Decimal("0.5718")
BUDGET = Decimal(5)


def spec(**load: object) -> Spec:
    return Spec(api="bedrock", model="m", **load)  # type: ignore[arg-type]


def test_the_most_that_a_load_costs() -> None:
    found = most(600.0, 16, WINDOW)
    assert (found.windows, found.copies, found.dollars) == (9, 3, WINDOW * 9)
    alone = most(299.0, 1, WINDOW)
    assert (alone.windows, alone.dollars) == (1, WINDOW)
    assert most(0.0, 1, WINDOW, rounds=10).windows == 10
    assert most(600.0, 2, None).dollars is None


def test_a_request_lasts_no_longer_than_its_timeout() -> None:
    assert request_s(1000, 600.0) == 35.0
    assert request_s(1000, 20.0) == 20.0


def test_how_long_a_load_lasts() -> None:
    each_s = request_s(1500, 600.0)
    assert length_of(spec(requests=100, concurrency=2)) == (
        50 * each_s,
        f"a request takes no longer than {each_s:.0f} s",
    )
    assert length_of(spec(duration_s=600)) == (600 + each_s, "")
    stages = [{"concurrency": 2, "duration": 60}, {"concurrency": 8, "duration": 240}]
    assert length_of(spec(stages=stages)) == (300 + each_s, "")
    assert length_of(spec(ramp="1:50:60s"))[0] == 60 + each_s
    assert length_of(spec(rate=2, requests=100))[0] == 50 + each_s


def test_a_trace_is_as_long_as_it_is(tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    lines = [f'{{"timestamp": {moment}, "input_tokens": 10, "output_tokens": 20}}' for moment in (0, 1800, 3600)]
    trace.write_text("\n".join(lines), encoding="utf-8")
    each_s = request_s(1500, 600.0)
    assert length_of(spec(arrivals=f"replay {trace}")) == (3600 + each_s, "")
    assert length_of(spec(arrivals=f"replay {trace}", time_scale=0.5))[0] == 1800 + each_s
    assert length_of(spec(arrivals=f"replay {trace}", duration_s=60))[0] == 60 + each_s
    with pytest.raises(InputError, match="cannot be read"):
        length_of(spec(arrivals=f"replay {tmp_path / 'none'}"))


def test_below_the_budget_it_is_said_and_nobody_asked(capsys: pytest.CaptureFixture[str]) -> None:
    decide(most(600.0, 2, WINDOW), None, BUDGET, yes=False, quiet=False, ask=None)
    assert "at most $3.43: 6 windows of five minutes on up to 2 copies" in capsys.readouterr().err
    decide(most(600.0, 2, WINDOW), None, BUDGET, yes=False, quiet=True, ask=None)
    assert capsys.readouterr().err == ""


def test_beyond_it_the_user_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    dear, asked = most(3600.0, 16, WINDOW), list[str]()

    def answer(word: bool) -> object:
        def ask(question: str) -> bool:
            asked.append(question)
            return word

        return ask

    decide(dear, None, BUDGET, yes=False, quiet=True, ask=answer(True))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing was sent"):
        decide(dear, None, BUDGET, yes=False, quiet=True, ask=answer(False))  # type: ignore[arg-type]
    assert len(asked) == 2
    assert capsys.readouterr().err.count("$22.30") == 2


def test_beyond_it_with_nobody_there_it_ends_unless_agreed_beforehand() -> None:
    dear = most(3600.0, 16, WINDOW)
    with pytest.raises(InputError, match="--yes goes on"):
        decide(dear, None, BUDGET, yes=False, quiet=True, ask=None)
    decide(dear, None, BUDGET, yes=True, quiet=True, ask=None)
    decide(dear, None, Decimal(50), yes=False, quiet=True, ask=None)


def test_an_unknown_price_is_beyond_any_budget(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError):
        decide(most(60.0, 1, None), "no price for Frankfurt", BUDGET, yes=False, quiet=True, ask=None)
    assert "unknown (no price for Frankfurt)" in capsys.readouterr().err
