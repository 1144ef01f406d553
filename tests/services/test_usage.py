"""Which tokens are billed: exact where the server counts, bounded everywhere else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.services.tokens import answered, failed, token_run

from llmdyno.services.delivered import usage_in
from llmdyno.services.usage import Usage, usage_of
from llmdyno.timeline.record import RequestRecord


def counts(record: RequestRecord, **keys: Any) -> tuple[list[int], list[int], list[int]]:
    usage = usage_in(token_run(record, **keys))
    return usage.fresh[:, 0].tolist(), usage.cached[:, 0].tolist(), usage.output[:, 0].tolist()


def test_the_servers_counts_are_exact() -> None:
    assert counts(answered(0)) == ([500] * 3, [0] * 3, [200] * 3)
    assert counts(answered(0, cached_input_tokens=100)) == ([400] * 3, [100] * 3, [200] * 3)


def test_counts_that_a_server_keeps_beside_each_other_are_added() -> None:
    assert counts(answered(0, 20, cached_input_tokens=480)) == ([20] * 3, [480] * 3, [200] * 3)
    assert counts(answered(0, 500, 200, reasoning_tokens=300))[2] == [200, 200, 500]


def test_what_the_server_does_not_count_is_bounded() -> None:
    fresh, _, output = counts(answered(0, None, None))
    assert fresh == [384, 500, 650 + 64]
    assert output == [2, 2, 400]
    assert counts(answered(0, None, 200))[2] == [200] * 3
    assert counts(answered(0, None, None), extra_body={"max_tokens": 900})[2] == [2, 2, 900]


def test_a_tokenizer_makes_the_bounds_of_a_prompt_narrow() -> None:
    run = token_run(answered(0, None, None))
    usage = usage_of(run.timeline, run.all_figures, np.array([True]), exact=True)
    assert usage.fresh[:, 0].tolist() == [500, 500, 564]


@pytest.mark.parametrize(
    ("record", "fresh", "output"),
    [
        (failed(0, "stream_error", 120), 714, 120),  # the service stopped by itself
        (failed(0, "aborted", 120), 714, 120),
        (failed(0, "timeout", 50), 714, 400),  # we stopped, and the service may have gone on
        (failed(0, "broken_stream", 50), 714, 400),
        (failed(0, "malformed_event", 50), 714, 400),
        (failed(0, "cancelled", 50, state="cancelled"), 714, 400),
        (failed(0, "timeout", 0, None), 714, 400),
        (failed(0, "http_status", 0, 500), 714, 0),
        (failed(0, "timeout", 50, server_input_tokens=480), 480, 400),
        (failed(0, "stream_error", 1, server_input_tokens=480, server_output_tokens=90), 480, 90),
        (failed(0, "http_status", 0, 429), 0, 0),  # refused: nothing was processed
        (failed(0, "http_status", 0, 404), 0, 0),
    ],
)
def test_a_failed_request_is_billed_nothing_or_what_it_may_have_used(
    record: RequestRecord, fresh: int, output: int
) -> None:
    assert counts(record) == ([0, 0, fresh], [0] * 3, [0, 0, output])


def test_a_request_that_was_written_again_may_have_been_read_twice() -> None:
    assert counts(answered(0, resends=1))[0] == [500, 500, 1000]


def test_the_kinds_of_requests() -> None:
    records = (
        answered(0, phase="warmup"),
        answered(1),
        answered(2, None),
        failed(3, "timeout"),
        failed(4, "http_status", 0, 429),
        failed(5, "connect", 0, None, sent_ns=None),  # it never left, and is no part of the bill
    )
    usage = usage_in(token_run(*records))
    assert len(usage) == 5
    assert usage.measured.tolist() == [False, True, True, True, True]
    assert usage.answered.tolist() == [True, True, True, False, False]
    assert usage.estimated.tolist() == [False, False, True, False, False]
    assert usage.failed.tolist() == [False, False, False, True, False]
    assert usage.refused.tolist() == [False, False, False, False, True]
    part: Usage = usage.only(usage.measured & usage.answered)
    assert part.fresh[1].tolist() == [500, 500]
