"""A run as a Markdown document."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.reports.made import CHECK, SCALING, failed, good, open_loop, run_of

from llmdyno.reports.exports.md import code, escape, export
from llmdyno.runs.run import Run

DOCUMENT = """\
# llmdyno run: m at http://h/v1

> **EMULATED endpoint: llmdyno's own emulator, profile p, at 10× real speed; durations are 10× shorter than in reality.**

> Interrupted. The figures cover what was measured until then.

- open loop, 10 requests/s, 9 requests
- 500±25 tokens in, 1000±100 out
- body format: x
- prompt tokens by built-in approximation
- kernel stamps
- seed 1

|  | unit | p50 | p90 | p95 | p99 | mean | max |
|:--|:--|--:|--:|--:|--:|--:|--:|
| Time to first token | ms | 252.0 | failed | failed | failed | 252.0 | failed |
| – from its send | ms | 250.0 | 250.0\\* | 250.0\\* | 250.0\\* | 250.0 | 250.0 |
| Inter-token latency | ms | 10.00 | 10.00 | 10.00 | 10.00 | 10.00 | 10.00 |
| Time per output token | ms | 10.00 | 10.00\\* | 10.00\\* | 10.00\\* | 10.00 | 10.00 |
| End-to-end latency | s | 1.24 | failed | failed | failed | 1.24 | failed |
| – from its send | s | 1.24 | 1.24\\* | 1.24\\* | 1.24\\* | 1.24 | 1.24 |
| Throughput per request | tok/s | 80.65 | 80.65\\* | 80.65\\* | 80.65\\* | 80.65 | 80.65 |
| Send after planned | ms | 2.00 | 2.00\\* | 2.00\\* | 2.00\\* | 2.00 | 2.00 |

\\* fewer than 3 observations lie beyond this percentile

- **Throughput:** 470.0 output tokens/s in the steady 0.3 s; 440.7 output tokens/s over the whole run of 2.0 s
- **Requests:** 9 succeeded, 1 failed · 264.4 a minute · at most 9 in flight
- **Goodput:** 4.407 requests/s with ttft\\_s ≤ 10 s at real speed
- **Tokens:** 11 in, 100 out per request (p50; output counted by the server)
- **Tokens:** template: 1 token beyond the prompt, 9% of the input
- **Failed:** 1 × http\\_status 429: a\\|b \\[c\\](d) \\<e\\>
- **Verdict:** read with care:
  - too few samples: 9 requests succeeded, a p90 needs 30. Touches p90, p95, p99. What to do: send more requests with --requests or --duration.
  - errors present: 1 of 10 requests failed; latencies are of the others only. Touches all figures. What to do: read the failures, and cure them or lower the load.
- **Run directory:** `{path}`

## Check: 12 answers

- **Answers:** 2 of 12 answers are wrong
- **Numbers in words:** 4 of 4 right alone; 3 of 4 right, 1 failed under load
- **Same as alone:** 3 of 4 right under load

## A step from 2 to 8 users, held for 10.0 min

> **EMULATED**

- **Bounds:** time to first token ≤ 500.0 ms and time per output token ≤ 1.50 s (as given)
- **Recovery:** latency was back within bounds 2.5 min after the step
- **Until then:** 1,200 requests, 25% of them within bounds; 60 throttled, 1 not ready
- **Refusals:** the first came 1.2 s after the step; 70 throttled while the step was held
- **Copies:** 1 before, 2 at most (ModelCopy from CloudWatch); the 2nd came between 128 s and 152 s after the step; one copy carries 3 to 4 calls at once
- **From the load:** the 1st came before -119.0 s, the 2nd came between +138.2 s and +141.0 s
- **Scale-in:** copies went between 280 s and 340 s after the step down
- **Note:** CloudWatch was not read: no credentials; configure them, and run llmdyno cost --refresh on this run
"""  # noqa: E501  lines of a document


def document(run: Run) -> str:
    ((name, content),) = export(run)
    assert name == "run.md"
    return content.decode()


def test_the_whole_document(tmp_path: Path) -> None:
    (tmp_path / "check.json").write_text(json.dumps(CHECK), encoding="utf-8")
    (tmp_path / "scaling.json").write_text(json.dumps(SCALING), encoding="utf-8")
    assert document(open_loop(tmp_path)) == DOCUMENT.replace("{path}", str(tmp_path))


def table(text: str) -> list[list[str]]:
    """The cells of the one table, as a reader of GitHub's dialect splits and unescapes them."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert text.count("\n".join(lines)) == 1  # one table, its rows together
    split = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.strip()) for cell in cells] for cells in split]


def test_the_table_parses() -> None:
    heads, rule, *rows = table(document(run_of(*(good(n) for n in range(40)))))
    assert heads == ["", "unit", "p50", "p90", "p95", "p99", "mean", "max"]
    assert rule == [":--", ":--", *["--:"] * 6]
    assert [len(row) for row in rows] == [8] * 5
    assert rows[0] == ["Time to first token", "ms", "250.0", "250.0", "250.0*", "250.0*", "250.0", "250.0"]


def test_a_run_that_can_be_trusted_and_one_that_failed() -> None:
    assert "- **Verdict:** trustworthy: no reason" in document(run_of(*(good(n) for n in range(40)), concurrency=40))
    nothing = document(run_of(failed(0, 500, "no")))
    assert "|" not in nothing
    assert "- **Failed:** 1 × http\\_status 500: no\n" in nothing


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b", "a\\|b"),
        ("*x* _y_ `z`", "\\*x\\* \\_y\\_ \\`z\\`"),
        ("[a](b) <c> &amp;", "\\[a\\](b) \\<c\\> \\&amp;"),
        ("two\n\n# lines", "two \\# lines"),
        ("1.5 s (59 ×) − ok", "1.5 s (59 ×) − ok"),
    ],
)
def test_text_is_escaped(text: str, escaped: str) -> None:
    assert escape(text) == escaped


@pytest.mark.parametrize(("text", "span"), [("runs/a|b", "`runs/a|b`"), ("a`b", "`` a`b ``")])
def test_code_spans(text: str, span: str) -> None:
    assert code(text) == span
