"""Before a load costs anything: what the user hears, and when the user must agree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from llmdyno.cli.budget import decide
from llmdyno.errors import InputError
from llmdyno.services.service import CostBound

BILLER, BUDGET = "The service", Decimal(5)
BASIS = "6 windows of five minutes on up to 2 copies"
CHEAP, DEAR = CostBound(6, 2, Decimal("3.4308"), BASIS), CostBound(39, 3, Decimal("22.3002"), BASIS)


def test_below_the_budget_it_is_said_and_nobody_asked(capsys: pytest.CaptureFixture[str]) -> None:
    decide(CHEAP, BILLER, BUDGET, yes=False, quiet=False, ask=None)
    assert capsys.readouterr().err == f"The service bills at most $3.43: {BASIS}\n"
    decide(CHEAP, BILLER, BUDGET, yes=False, quiet=True, ask=None)
    assert capsys.readouterr().err == ""


def test_beyond_it_the_user_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    asked = list[str]()

    def answer(word: bool) -> object:
        def ask(question: str) -> bool:
            asked.append(question)
            return word

        return ask

    decide(DEAR, BILLER, BUDGET, yes=False, quiet=True, ask=answer(True))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="nothing was sent"):
        decide(DEAR, BILLER, BUDGET, yes=False, quiet=True, ask=answer(False))  # type: ignore[arg-type]
    assert len(asked) == 2
    assert capsys.readouterr().err.count("$22.30") == 2


def test_beyond_it_with_nobody_there_it_ends_unless_agreed_beforehand() -> None:
    with pytest.raises(InputError, match="add --yes to agree"):
        decide(DEAR, BILLER, BUDGET, yes=False, quiet=True, ask=None)
    decide(DEAR, BILLER, BUDGET, yes=True, quiet=True, ask=None)
    decide(DEAR, BILLER, Decimal(50), yes=False, quiet=True, ask=None)


def test_an_unknown_price_is_beyond_any_budget(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError):
        decide(
            CostBound(1, 1, None, "1 window", "no price for Frankfurt"), BILLER, BUDGET, yes=False, quiet=True, ask=None
        )
    assert "The service: the price is unknown (no price for Frankfurt)" in capsys.readouterr().err
