"""Every request as CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from arro3.io import read_parquet
from tests.reports.made import failed, good, run_of
from tests.support import make_record

from llmdyno.protocols.events import TEXT
from llmdyno.reports.exports.csv import export
from llmdyno.runs.parquet import write_timeline
from llmdyno.runs.run import Run


def document(run: Run) -> bytes:
    ((name, content),) = export(run)
    assert name == "requests.csv"
    return content


def made() -> Run:
    return run_of(
        make_record(-1, 0.0, [], phase="warm", state="failed", error_kind="timeout", error_message="late"),
        make_record(0, 0.5, [(0.75, TEXT, 4)], phase="warmup", planned_ns=500_000_000, reused=True),
        good(1, sent_s=1.0, ttft_s=1 / 3, response_id="ü,1"),
        failed(2, 429, 'a "busy" line\nand more'),
        make_record(3, 2.0, [], state="cancelled"),
    )


def test_the_whole_document_of_one_request() -> None:
    record = make_record(0, 0.5, [(0.75, TEXT, 4), (1.25, TEXT, 4)], server_output_tokens=3, response_id="a,b", user=7)
    header, row, end = document(run_of(record)).decode().split("\r\n")
    assert header == (
        "request,user,error_code,http_status,planned_ns,connect_start_ns,connected_ns,tls_ns,first_sent_ns,"
        "sent_ns,headers_ns,end_ns,reconnects,resends,attempt,input_tokens,max_tokens,server_input_tokens,server_output_tokens,"
        "cached_input_tokens,reasoning_tokens,tokenizer_output_tokens,server_latency_ms,server_first_byte_ms,sign_ns,body_bytes,phase,state,error_kind,error_message,error_type,"
        "clock,finish_reason,response_id,resend_reason,service_tier,reused,ttft_s,time_per_output_token_s,end_to_end_latency_s,"
        "request_output_throughput_token_per_s,connect_s,output_tokens,text_chunks,ttfr_s,ttfa_s,output_tokens_source"
    )
    assert row == (
        "0,7,,200,,,,,,500000000,750000000,1250000000,0,0,0,10,100,,3,,,,,,,0,measured,ok,,,,kernel,,"
        '"a,b",,,false,0.25,0.25,0.75,4.0,,3,2,,0.25,server'
    )
    assert end == ""


def test_every_cell_is_parquets_value(tmp_path: Path) -> None:
    run = made()
    write_timeline(run.timeline, run.all_figures, tmp_path / "requests.parquet", tmp_path / "chunks.parquet")
    table = read_parquet(tmp_path / "requests.parquet").read_all()
    header, *rows = csv.reader(io.StringIO(document(run).decode(), newline=""))
    assert header == table.column_names
    assert len(rows) == table.num_rows == 5
    for index, name in enumerate(header):
        stored, cells = table[name].to_pylist(), [row[index] for row in rows]
        for value, cell in zip(stored, cells, strict=True):
            if value is None:
                assert cell == "", name
            elif isinstance(value, bool):
                assert cell == ("true" if value else "false"), name
            else:
                assert type(value)(cell) == value, name


def test_every_phase_has_its_rows_in_order() -> None:
    rows = list(csv.DictReader(io.StringIO(document(made()).decode(), newline="")))
    assert [(row["request"], row["phase"], row["state"]) for row in rows] == [
        ("-1", "warm", "failed"),
        ("0", "warmup", "ok"),
        ("1", "measured", "ok"),
        ("2", "measured", "failed"),
        ("3", "measured", "cancelled"),
    ]
    assert rows[3]["error_message"] == 'a "busy" line\nand more'


def test_a_run_without_requests_has_its_header_alone() -> None:
    assert document(run_of()).count(b"\r\n") == 1


def test_more_rows_than_one_block() -> None:
    records = (make_record(number, 0.0, [], state="cancelled") for number in range(10_001))
    rows = list(csv.reader(io.StringIO(document(run_of(*records)).decode(), newline="")))
    assert [rows[1][0], rows[-1][0], len(rows)] == ["0", "10000", 10_002]
