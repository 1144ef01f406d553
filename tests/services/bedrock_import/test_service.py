"""The service as its callers see it: facts of a run, an account, a bound on the cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from tests.services.runs import ARN, COLD_START, FACTS, ONE_USER, make_run
from tests.support import ScriptedServer, response

from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.environment import ModelFacts
from llmdyno.services.bedrock_import.service import SERVICE, window_price
from llmdyno.services.service import Inquiry, Overrides
from llmdyno.spec.spec import Spec

RUN = [*COLD_START, *ONE_USER]
WINDOW = 8 * 5 * Decimal("0.05718")
Servers = Callable[..., ScriptedServer]


QUOTAS = response(
    json.dumps(
        {
            "Quotas": [
                {"QuotaCode": code, "QuotaName": name, "Value": value}
                for code, name, value in (
                    ("L-45B04988", "Imported models per account", 3.0),
                    ("L-5F098EFA", "Concurrent model import jobs", 1.0),
                    ("L-1", "Imported model copies per account", 5.0),
                )
            ]
        }
    ).encode()
)


def spec(server: ScriptedServer, **keys: object) -> Spec:
    given = {"api": "bedrock", "model": ARN, "endpoint_url": server.url.removesuffix("/v1"), **keys}
    return Spec(**given)  # type: ignore[arg-type]


def test_what_it_is() -> None:
    assert (SERVICE.name, SERVICE.scales_to_zero, SERVICE.idle_s) == ("bedrock_import", True, 300.0)
    assert SERVICE.refusals is REFUSALS


def test_the_facts_of_a_run(tmp_path: Path) -> None:
    assert SERVICE.facts(make_run(tmp_path, RUN)) == FACTS
    by_name = make_run(tmp_path, RUN, facts=None, api="litellm", model=f"bedrock/llama/{ARN}")
    assert SERVICE.facts(by_name) == ModelFacts(ARN, "us-east-1")
    assert SERVICE.facts(make_run(tmp_path, RUN, facts=None, model="mine")) is None


def test_an_account_without_asking(tmp_path: Path) -> None:
    account = SERVICE.account(make_run(tmp_path, RUN), inquiry=Inquiry(ask=False))
    assert (account.copies.most(), len(account.calls), account.clock.speed) == (1, 42, 1.0)
    assert account.report()["cost"]["run"] == "1.1436"
    by_hand = SERVICE.account(make_run(tmp_path, RUN, facts=None, model="m"), Overrides(2, 1, "v1.0", "us-east-1"))
    assert by_hand.report()["windows"]["billed"] == 4


def test_the_bound_of_a_load_and_of_cold_starts(control_plane: Servers) -> None:
    server = control_plane(QUOTAS)
    found = SERVICE.bound(spec(server, duration_s=600, concurrency=2))
    assert (found.windows, found.copies, found.dollars, found.unknown) == (6, 2, 6 * WINDOW, None)
    cold = SERVICE.bound(spec(server, requests=1), rounds=3)
    assert (cold.windows, cold.dollars) == (6, 6 * WINDOW)


def test_units_of_another_version_have_their_own_rate(control_plane: Servers) -> None:
    """An OpenAI-family model's: $0.1433 a unit and minute. No region but us-east-1 has one."""
    units = {"customModelUnitsPerModelCopy": 4, "customModelUnitsVersion": "v2.0"}
    server = control_plane(QUOTAS, model={"modelArn": ARN, "customModelUnits": units})
    assert window_price(spec(server), ARN) == (4 * 5 * Decimal("0.1433"), None)
    assert SERVICE.bound(spec(server, duration_s=600, concurrency=2)).dollars == 6 * 4 * 5 * Decimal("0.1433")
    elsewhere = ARN.replace("us-east-1", "us-west-2")
    price, problem = window_price(spec(server, model=elsewhere), elsewhere)
    assert price is None
    assert problem is not None
    assert problem.startswith("the table has no price of units of version v2.0 in us-west-2")


def test_a_load_that_replays_a_trace_is_as_long_as_the_trace(control_plane: Servers, tmp_path: Path) -> None:
    trace = tmp_path / "trace.jsonl"
    lines = [f'{{"timestamp": {time_s}, "input_tokens": 10, "output_tokens": 20}}' for time_s in (0, 1800, 3600)]
    trace.write_text("\n".join(lines), encoding="utf-8")
    server = control_plane(QUOTAS)
    assert SERVICE.bound(spec(server, arrivals=f"replay {trace}")).windows == 5 * 13
    assert SERVICE.bound(spec(server, arrivals=f"replay {trace}", time_scale=0.5)).windows == 5 * 7
    with pytest.raises(InputError, match="cannot be read"):
        SERVICE.bound(spec(server, arrivals=f"replay {tmp_path / 'none'}"))


def test_the_copies_of_a_bound_are_the_accounts(control_plane: Servers) -> None:
    known, unknown = control_plane(QUOTAS), control_plane(response(b"{}", "403 Forbidden"))
    many, few = {"duration_s": 600, "concurrency": 40}, {"duration_s": 600, "concurrency": 2}
    assert (SERVICE.bound(spec(known, **many)).copies, SERVICE.bound(spec(known, **few)).copies) == (5, 2)
    found = SERVICE.bound(spec(unknown, **many))
    assert (found.copies, found.basis) == (
        3,
        "9 windows of five minutes on up to 3 copies; 3 copies is the default quota (Service Quotas did not say: 403; "
        "allow servicequotas:ListServiceQuotas to see them)",
    )
    assert "default quota" not in SERVICE.bound(spec(unknown, **few)).basis
    asked = len(unknown.requests)
    assert SERVICE.bound(spec(unknown, duration_s=600, concurrency=1)).copies == 1
    assert len(unknown.requests) == asked  # one user: nothing is asked


def test_a_price_that_is_unknown_says_why(control_plane: Servers) -> None:
    absent = SERVICE.bound(spec(control_plane(QUOTAS, model=None), requests=4))
    assert absent.dollars is None
    assert absent.unknown is not None
    assert absent.unknown.startswith("ResourceNotFoundException: no such model")
    frankfurt = ARN.replace("us-east-1", "eu-central-1")
    unpriced = SERVICE.bound(spec(control_plane(QUOTAS), requests=4, model=frankfurt))
    assert unpriced.dollars is None
    assert unpriced.unknown is not None
    assert "no price of units of version v1.0 in eu-central-1" in unpriced.unknown


def test_a_model_string_of_litellms_is_priced_by_its_arn(control_plane: Servers) -> None:
    model = f"bedrock/llama/{ARN}"
    server = control_plane()
    assert window_price(spec(server, api="litellm", model=model), model) == (WINDOW, None)


def test_after_a_run_on_an_embedded_emulator_nothing_is_read(tmp_path: Path, keys: None) -> None:
    SERVICE.after(make_run(tmp_path, RUN, speed=100.0, embedded=True, endpoint_url="http://127.0.0.1:9"))
    assert not (tmp_path / "cloudwatch.json").exists()
