"""A run's summary."""

from __future__ import annotations

from typing import Any

import pytest
from tests.reports.made import EMULATED, drawn, failed, good, open_loop, run_of
from tests.support import make_record

from llmdyno.protocols.events import OTHER, REASONING, TEXT, TOOL
from llmdyno.reports import summary
from llmdyno.reports.coldstarts import cold_start_text
from llmdyno.runs.environment import Emulation, EndpointFacts, ModelFacts
from llmdyno.runs.run import RECOVERED, Run
from llmdyno.spec.distribution import Distribution

CLOSED = """\

llmdyno run: m at http://h/v1
40 users, closed loop, 9 requests · 500±25 tokens in, 1000±100 out · prompt
tokens by built-in approximation · kernel stamps · seed 1

                       unit     p50    p90    p95    p99   mean    max
Time to first token    ms     250.0  250.0 250.0* 250.0*  250.0  250.0
Inter-token latency    ms     10.00  10.00  10.00  10.00  10.00  10.00
Time per output token  ms     10.00  10.00 10.00* 10.00*  10.00  10.00
End-to-end latency     s       1.24   1.24  1.24*  1.24*   1.24   1.24
Throughput per request tok/s  80.65  80.65 80.65* 80.65*  80.65  80.65
* fewer than 3 observations lie beyond this percentile

Throughput    3,225.8 output tokens/s in the steady 1.2 s; 3,225.8 output
              tokens/s over the whole run of 1.2 s
Requests      40 succeeded, 0 failed · 1,935.5 a minute · at most 40 in flight
Over time       ▅▇███▇█████ tokens/s, up to 4,400 (0.1 s a bar; the last is
              shorter)
              █             TTFT p50, up to 250 ms
Tokens        11 in, 100 out per request (p50; output counted by the server)
              template: 1 token beyond the prompt, 9% of the input

Verdict       trustworthy: no reason found to doubt this measurement
Run directory runs/x
"""

OPEN = """\

llmdyno run: m at http://h/v1
EMULATED endpoint: llmdyno's own emulator, profile p, at 10× real speed;
durations are 10× shorter than in reality.
open loop, 10 requests/s, 9 requests · 500±25 tokens in, 1000±100 out · body
format: x · prompt tokens by built-in approximation · kernel stamps · seed 1
Interrupted. The figures cover what was measured until then.

                       unit     p50     p90     p95     p99   mean     max
Time to first token    ms     252.0  failed  failed  failed  252.0  failed
  from its send        ms     250.0  250.0*  250.0*  250.0*  250.0   250.0
Inter-token latency    ms     10.00   10.00   10.00   10.00  10.00   10.00
Time per output token  ms     10.00  10.00*  10.00*  10.00*  10.00   10.00
End-to-end latency     s       1.24  failed  failed  failed   1.24  failed
  from its send        s       1.24   1.24*   1.24*   1.24*   1.24    1.24
Throughput per request tok/s  80.65  80.65*  80.65*  80.65*  80.65   80.65
Send after planned     ms      2.00   2.00*   2.00*   2.00*   2.00    2.00
* fewer than 3 observations lie beyond this percentile

Throughput    470.0 output tokens/s in the steady 0.3 s; 440.7 output tokens/s
              over the whole run of 2.0 s
Requests      9 succeeded, 1 failed · 264.4 a minute · at most 9 in flight
Over time       ▁▂▃▄▅▅▆▇███▇▆▅▅▄▃▂▁ tokens/s, up to 900 (0.1 s a bar; the last
              is shorter)
              █████████             TTFT p50, up to 250 ms
              █                     failures, up to 1
Goodput       4.407 requests/s with ttft_s ≤ 10 s at real speed
Tokens        11 in, 100 out per request (p50; output counted by the server)
              template: 1 token beyond the prompt, 9% of the input
Failed        1 × http_status 429: a|b [c](d) <e>

Verdict       read with care:
              - too few samples: 9 requests succeeded, a p90 needs 30. Touches
                p90, p95, p99. What to do: send more requests with --requests or
                --duration.
              - errors present: 1 of 10 requests failed; latencies are of the
                others only. Touches all figures. What to do: read the failures,
                and cure them or lower the load.
Run directory runs/x
"""


def printed(run: Run) -> str:
    return drawn(lambda page: summary.show(run, page))


def test_a_closed_loop_at_eighty_columns() -> None:
    assert printed(run_of(*(good(n) for n in range(40)), concurrency=40)) == CLOSED
    assert max(map(len, CLOSED.splitlines())) <= 80


def test_an_interrupted_open_loop_at_eighty_columns() -> None:
    assert printed(open_loop()) == OPEN
    assert max(map(len, OPEN.splitlines())) <= 80


@pytest.mark.parametrize(
    ("emulated", "notice"),
    [
        (None, None),
        (
            EMULATED,
            "EMULATED endpoint: llmdyno's own emulator, profile p, at 10× real speed; "
            "durations are 10× shorter than in reality.",
        ),
        (Emulation("p", 1.0), "EMULATED endpoint: llmdyno's own emulator, profile p, at 1× real speed."),
    ],
)
def test_an_emulated_endpoint_is_named(emulated: Emulation | None, notice: str | None) -> None:
    assert summary.emulation_notice(run_of(good(0), emulated=emulated)) == notice


def test_the_title_has_the_address_of_an_endpoint_outside() -> None:
    assert summary.title(run_of(name="mine")) == "mine: m at http://h/v1"
    assert summary.title(run_of(base_url="http://h/v1?a=b&key=c")) == "llmdyno run: m at http://h/v1?a=b&key=***"
    assert summary.title(run_of(emulated=EMULATED)) == "llmdyno run: m at http://h/v1"
    bedrock = {"api": "bedrock", "base_url": None}
    assert summary.title(run_of(endpoint=EndpointFacts(address="b:1"), **bedrock)) == "llmdyno run: m at b:1"
    embedded = EndpointFacts(address="127.0.0.1:1", emulated=Emulation("p", 10.0, embedded=True))
    assert summary.title(run_of(endpoint=embedded, **bedrock)) == "llmdyno run: m"


def test_failures_are_named_and_their_text_is_only_text() -> None:
    run = run_of(
        good(0), failed(1, 500, "[red]bo\x1b[31mom\n"), *(failed(n, 429, f"busy {n % 3}") for n in range(2, 8))
    )
    assert summary.errors(run.summary) == [
        "6 × http_status 429: busy 2 (and 2 other messages)",
        "1 × http_status 500: [red]bo [31mom",
    ]
    assert "Failed        1 × http_status 500: [red]bo [31mom\n" in printed(run)


def test_a_figure_that_is_mostly_zero_is_shown_in_the_unit_of_its_mean() -> None:
    """A proxy that sends chunks together: most gaps are nothing, and the others are milliseconds."""
    run = run_of(make_record(0, 0.0, [(0.25 + 0.01 * (n // 4), TEXT, 4) for n in range(40)], server_output_tokens=40))
    (row,) = [row for row in summary.latency_rows(run.summary) if row.label == "Inter-token latency"]
    assert (row.unit, row.cells[0], row.cells[-1]) == ("ms", "0.00", "10.00")


def test_a_run_without_a_single_success() -> None:
    run = run_of(make_record(0, 0.0, [], state="failed", error_kind="timeout", error_message="late"))
    assert summary.latency_rows(run.summary) == []
    assert "Failed        1 × timeout: late\n" in printed(run)


def test_a_run_without_requests() -> None:
    assert summary.facts(run_of()) == [("Requests", "0 succeeded, 0 failed")]


def test_a_run_that_was_killed() -> None:
    assert "This run never ended; read back from its journal.\n" in printed(run_of(good(0), status=RECOVERED))


def test_a_managed_model_has_a_cost_to_ask_for() -> None:
    run = run_of(good(0), endpoint=EndpointFacts(imported_model=ModelFacts("arn")))
    assert printed(run).splitlines()[-2:] == ["Run directory runs/x", "Cost          llmdyno cost runs/x"]


def cold(refused: int, first_s: float | None = None) -> dict[str, Any]:
    return {
        "refused": {"NotReady": refused} if refused else {},
        "cold": bool(refused),
        "cold_start_s": first_s,
        "first_ttft_s": 0.25 if first_s else None,
        "warmed_ttft_s": 0.04 if first_s else None,
    }


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (
            cold(59, 6.266),
            "6.27 s from the first attempt to the first answer (59 × NotReady); TTFT 250 ms at first, 40 ms once warm",
        ),
        (
            {**cold(59, 6.266), "ready_low_s": 6.014, "ready_high_s": 6.231},
            "6.1 s ± 0.2 s until the model was ready; 6.27 s from the first attempt to the first answer "
            "(59 × NotReady); TTFT 250 ms at first, 40 ms once warm",
        ),
        (
            {**cold(59, 6.266), "first_ttft_s": 2.5162},
            "6.27 s from the first attempt to the first answer (59 × NotReady); TTFT 2,516 ms at first, 40 ms once "
            "warm",
        ),
        (cold(3), "never answered (3 × NotReady)"),
        (cold(0), "none seen: the first attempt was answered"),
        (
            {**cold(0), "first_ttft_s": 0.25, "warmed_ttft_s": 0.04},
            "none seen: the first attempt was answered; TTFT 250 ms at first, 40 ms once warm",
        ),
        (
            {**cold(0), "first_ttft_s": 62.5, "warmed_ttft_s": 0.5},
            "none seen: the first attempt was answered; TTFT 62,500 ms at first, 500 ms once warm: the service may "
            "have held the first attempt for 62.00 s until the model was ready",
        ),
    ],
)
def test_a_cold_start(found: dict[str, Any], line: str) -> None:
    assert cold_start_text(found) == line


def test_a_series_of_cold_starts_has_no_verdict() -> None:
    def warm(number: int, user: int, sent_s: float, **facts: Any) -> Any:
        return make_record(number, sent_s, facts.pop("chunks", []), phase="warm", user=user, **facts)

    refused = {"state": "failed", "error_kind": "http_status", "error_type": "NotReady"}
    records = []
    for user, length_s in enumerate((5.0, 7.0, 6.0)):
        at = 100.0 * user
        records += [
            warm(-10 + 2 * user, user, at, **refused),
            warm(-9 + 2 * user, user, at + 1, chunks=[(at + length_s, 1, 4)]),
        ]
    text = printed(run_of(*records))
    together = "3 cold starts: 5.00 s to 7.00 s, median 6.00 s; ready after 3 s ± 3 s (median)"
    assert f"All of them   {together}\n" in text.replace("\n              ", " ")
    assert text.count("Cold start ") == 3
    assert "Verdict" not in text


def test_the_course_of_a_run() -> None:
    slices = [
        {"output_token_per_s": rate, "ttft_p50_s": ttft, "failed": bad, "length_s": 1.0}
        for rate, ttft, bad in ((800.0, 0.1, 0), (400.0, None, 2), (100.0, 0.2, 0), (0.0, None, 1))
    ]
    assert summary.over_time(slices) == [
        ("Over time", "█▅▂  tokens/s, up to 800 (1 s a bar)"),
        ("", "▅ █  TTFT p50, up to 200 ms"),
        ("", " █ ▅ failures, up to 2"),
    ]
    assert summary.over_time(slices[:3]) == []


def test_lengths() -> None:
    assert summary.lengths_text(Distribution("normal", 500, 25)) == "500±25"
    assert summary.lengths_text(run_of(input_tokens="uniform(1,9)").spec.input_tokens) == "uniform(1,9)"


def test_requests_that_were_cancelled_sent_again_or_empty() -> None:
    run = run_of(
        good(0, attempt=1),
        make_record(1, 0.0, [], state="cancelled"),
        make_record(2, 0.0, [(1.0, OTHER, 0)]),
    )
    assert dict(summary.facts(run))["Requests"] == (
        "2 succeeded, 0 failed, 1 cancelled in flight, 1 of them attempts after throttling "
        "(0 of 3 requests finally got no answer), 1 of them without any text · 96.8 a minute · at most 3 in flight"
    )


def test_what_is_known_of_answers_is_shown() -> None:
    chunks = [(1.0, REASONING, 4), (1.5, TEXT, 4), (2.0, TOOL, 4)]
    facts = {"server_input_tokens": 30, "cached_input_tokens": 15, "finish_reason": "tool_calls", "resends": 1}
    run = run_of(
        make_record(0, 0.0, chunks, **facts),
        make_record(1, 3.0, [(4.0, TEXT, 4), (5.0, TEXT, 4)], server_output_tokens=22, reasoning_tokens=20),
    )
    found = summary.facts(run)
    at = next(index for index, (label, _) in enumerate(found) if label == "Tokens")
    assert found[at:] == [
        (
            "Tokens",
            "20 in, 12 out per request (p50; output taken to be the number of chunks, as no better count was given, "
            "counted by the server)",
        ),
        ("", "streamed: 3 text, 1 reasoning, 1 tool"),
        ("", "hidden: 20 tokens, 80% of the output, were counted and not streamed"),
        ("", "cached: 15 input tokens, 50% of the input"),
        ("", "template: 20 tokens beyond the prompt, 67% of the input"),
        ("Ended by", "1 × tool_calls"),
    ]
    assert "1 written again after the server closed a kept connection" in dict(found)["Requests"]
    labels = [row.label for row in summary.latency_rows(run.summary)]
    assert labels[:3] == ["Time to first token", "  to first reasoning", "  to first answer"]


@pytest.mark.parametrize(
    ("tiers", "counts", "line"),
    [
        ([None, None], None, None),
        (["default", "default"], {"default": 2}, None),
        (["flex", None], {"flex": 1}, "1 × flex"),
        (["reserved", "default", "reserved"], {"reserved": 2, "default": 1}, "2 × reserved, 1 × default"),
    ],
)
def test_the_service_tiers_that_answered_are_shown(
    tiers: list[str | None], counts: dict[str, int] | None, line: str | None
) -> None:
    chunks = [(1.0, TEXT, 4), (2.0, TEXT, 4)]
    run = run_of(*(make_record(number, 0.0, chunks, service_tier=tier) for number, tier in enumerate(tiers)))
    assert run.summary.get("service_tiers") == counts
    assert dict(summary.facts(run)).get("Tiers") == line


def test_more_cached_tokens_than_expected_are_told() -> None:
    chunks = [(1.0, TEXT, 4), (2.0, TEXT, 4)]
    run = run_of(make_record(0, 0.0, chunks, input_tokens=100, server_input_tokens=100, cached_input_tokens=96))
    assert ("", "cached: 96 input tokens, 96% of the input; at most 64 were expected") in summary.facts(run)


def test_connections_that_are_closed_after_every_answer_are_told() -> None:
    opened = {"connect_start_ns": 0, "connected_ns": 1}
    run = run_of(*(good(n, sent_s=2.0 * n, **opened) for n in range(30)), concurrency=1)
    assert summary.facts(run)[-1] == ("Connections", "30 were opened: the server closes each one after its answer")
    assert run.summary["verdict"] == {"trustworthy": True, "reasons": []}


def test_an_open_loop_says_the_rate_of_its_plan() -> None:
    records = [good(n, sent_s=at, planned_ns=round(at * 1e9)) for n, at in enumerate((0.0, 0.5, 1.0, 2.0))]
    assert summary.load(run_of(*records, rate=2.0, arrivals="poisson"))[0].endswith("(this plan: 1.5/s)")
    assert "this plan" not in summary.load(run_of(*records, rate=2.0))[0]


def test_the_same_prompts_are_noted() -> None:
    assert summary.load(run_of(good(0), same_prompts=True))[-1] == "the very prompts of an earlier run, as asked"


def test_a_run_of_an_earlier_version_is_shown() -> None:
    run = run_of(*(good(n) for n in range(9)))
    run.summary["verdict"]["reasons"] = [{"reason": "x", "value": 1, "bound": 2, "text": "too few samples"}]
    for part, name in (("tokens", "by_kind"), ("tokens", "not_streamed"), ("tokens", "cached")):
        del run.summary[part][name]
    del run.summary["tokens"]["beyond_prompt"], run.summary["requests"]["resends"], run.summary["latency"]["ttfr_s"]
    for name in ("excess", "closed_by_timeouts", "closed_by_failures", "closed_after_every_answer"):
        del run.summary["connections"][name]
    assert "- too few samples\n" in printed(run)


def test_where_the_stamps_and_the_token_counts_are_from() -> None:
    mixed = run_of(good(0), good(1, clock="user"))
    assert "50% kernel stamps" in summary.load(mixed)
    library = run_of(make_record(0, 0.0, [(0.1, TEXT, 4), (0.2, TEXT, 4)], clock="sdk"))
    assert "stamps at the library's iterator" in summary.load(library)
    assert dict(summary.facts(library))["Tokens"] == (
        "10 in, 2 out per request (p50; output taken to be the number of chunks, as no better count was given)"
    )
