"""The names of a run directory's files, and of the keys of summary.json that concern files."""

from __future__ import annotations

SPEC, ENVIRONMENT, SUMMARY = "spec.toml", "environment.json", "summary.json"
REQUESTS, CHUNKS, JOURNAL = "requests.parquet", "chunks.parquet", "journal.jsonl"
ANSWERS = "answers.jsonl"
REPORTS = ("capacity.json", "check.json", "cloudwatch.json", "cost.json", "scaling.json")
"""What commands add to a finished run. Each of these files carries its own checksum."""
FILES, DAMAGES = "files", "damages"
"""Keys of summary.json: size and digest of each other file at the end of the run; what was damaged by then already."""
