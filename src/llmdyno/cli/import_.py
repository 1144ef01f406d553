"""``llmdyno import``: import a model folder into Amazon Bedrock."""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.cli.aws_flags import add_aws_arguments, aws_of, say
from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws
    from llmdyno.services.bedrock_import.imports import Folder

DESCRIPTION = (
    "Import a model folder into Amazon Bedrock: check it, upload it to S3 (unchanged files are skipped), "
    "start the import job, wait for it."
)
_ROLE_NAME = "llmdyno-model-import"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the flags of the import."""
    parser.add_argument("folder", metavar="MODEL-DIR", help="a folder with config.json, *.safetensors, the tokenizer")
    parser.add_argument("--bucket", required=True, metavar="B", help="upload to this S3 bucket in the import's region")
    parser.add_argument("--prefix", metavar="P", help="upload under this prefix (default: the model's name)")
    parser.add_argument("--name", required=True, metavar="N", help="give the imported model this name")
    parser.add_argument(
        "--job-name", metavar="N", help="give the import job this name (default: the model's name and the time)"
    )
    role = parser.add_mutually_exclusive_group(required=True)
    role.add_argument("--role", metavar="ARN", help="let the import read the bucket with this IAM role")
    role.add_argument("--create-role", action="store_true", help=f"create or update the IAM role {_ROLE_NAME}")
    parser.add_argument("--poll", default="10", metavar="S", help="check the job this often (default: every 10 s)")
    add_aws_arguments(parser)


def call(arguments: argparse.Namespace) -> int:
    """Import the folder.

    Raises:
        InputError: the folder cannot be imported, a value does not fit, or a service refuses.
    """
    from llmdyno.services.bedrock_import.imports import check_folder, create_role, start_job
    from llmdyno.services.bedrock_import.models import describe, units_text
    from llmdyno.spec.keys import read_flag, shown_value
    from llmdyno.spec.readers import duration_s, text

    poll_s = read_flag(duration_s, arguments.poll, "--poll")
    if not re.fullmatch(r"([0-9a-zA-Z][_-]?){1,63}", arguments.name) or len(arguments.name) > 63:
        fits = "what fits: up to 63 letters, digits, single - and _"
        raise InputError("--name", f"{shown_value(arguments.name)} does not fit", fits)
    for flag in ("bucket", "prefix", "job_name", "role", "folder"):
        if (given := getattr(arguments, flag)) is not None:
            read_flag(text, given, "MODEL-DIR" if flag == "folder" else f"--{flag.replace('_', '-')}")
    folder = check_folder(Path(arguments.folder))
    count = len(folder.files)
    print(f"{folder.path}: {folder.architecture}, {count} files, {folder.total_bytes / 1e9:.3f} GB")
    bucket, prefix = arguments.bucket, (arguments.prefix or arguments.name).strip("/")
    with aws_of(arguments) as aws:
        skipped = _upload(aws, folder, bucket, prefix)
        print(f"s3://{bucket}/{prefix}: {count - skipped} files uploaded, {skipped} there already")
        role = arguments.role or create_role(aws, _ROLE_NAME, bucket, prefix)
        job = arguments.job_name or f"{arguments.name[:40]}-{time.strftime('%Y%m%d-%H%M%S')}"
        source = {"bucket": bucket, "prefix": prefix, "new_role": arguments.role is None}
        arn = start_job(aws, job=job, model=arguments.name, role=role, **source)
        print(f"job {arn}", flush=True)
        model = describe(aws, _wait(aws, arn, poll_s))
    print(f"model {model['modelArn']}\n{units_text(model)}, architecture {model.get('modelArchitecture', '?')}")
    print(f"measure it: llmdyno run --api bedrock --model {model['modelArn']} --requests 100")
    return 0


def _wait(aws: Aws, job: str, poll_s: float) -> str:
    """Wait for an import job and show its status. Returns the model's ARN.

    Raises:
        InputError: the job failed.
    """
    from llmdyno.services.bedrock_import.imports import job_states

    began_s, state = time.monotonic(), dict[str, Any]()
    for state in job_states(aws, job, poll_s):
        say(f"{state['status']} after {time.monotonic() - began_s:.0f} s")
    if state["status"] != "Completed":
        message = state.get("failureMessage") or "the job failed without a message"
        raise InputError("import", message, "correct the cause, and import again")
    return str(state["importedModelArn"])


def _upload(aws: Aws, folder: Folder, bucket: str, prefix: str) -> int:
    """Upload the folder with a progress bar. Returns how many files were skipped."""
    from llmdyno.reports.live import upload_progress
    from llmdyno.services.bedrock_import.imports import upload

    with upload_progress(folder.total_bytes) as on_bytes:
        return upload(aws, folder, bucket, prefix, on_bytes)
