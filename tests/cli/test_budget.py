"""Before a load costs anything: what the user hears, and when the user must agree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from llmdyno.cli.budget import confirm_cost, decide
from llmdyno.errors import InputError
from llmdyno.services.service import CostBound
from llmdyno.spec.spec import Spec

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


def test_a_load_by_the_token_is_bounded_before_it_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    model = "bedrock/us-east-1/anthropic.claude-3-5-sonnet-20241022-v2:0"
    keys: dict[str, Any] = {"api": "litellm", "model": model, "input_tokens": 500, "output_tokens": 200}
    small, large = Spec(**keys, requests=100), Spec(**keys, requests=10_000)
    confirm_cost(small, None, BUDGET, yes=False, quiet=False)
    assert capsys.readouterr().err == (
        "Amazon Bedrock bills at most $0.51: 100 requests with at most 71,400 input and 20,000 output tokens together\n"
    )
    with pytest.raises(InputError, match=r"--budget: \$5.00 may not be enough"):
        confirm_cost(large, None, BUDGET, yes=False, quiet=True)
    local = Spec(**keys, requests=10_000, endpoint_url="http://127.0.0.1:1")
    confirm_cost(local, None, BUDGET, yes=False, quiet=False)
    confirm_cost(Spec(**{**keys, "model": "openai/gpt-4o-mini"}, requests=10_000), None, BUDGET, yes=False, quiet=False)
    assert "Amazon Bedrock bills at most $51.42" in capsys.readouterr().err
