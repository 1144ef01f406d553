"""Importing a model: upload its folder, start the job, wait for it.

In: a folder that was checked, a job. Out: files in S3 and an imported model. A file that S3 already holds unchanged
(same size and time of change, as noted at its upload) is not uploaded again, so an interrupted upload continues.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.services.bedrock_import.folder.check import Folder
from llmdyno.services.bedrock_import.job import ImportJob

_NOTE = "llmdyno-modified"
"""The metadata that holds a file's time of change."""
_AT_ONCE = 4
_POLL_S = 10.0
_ROLE_PATIENCE_S = 60.0


def upload(aws: Aws, folder: Folder, bucket: str, prefix: str, moved: Callable[[int], None]) -> int:
    """Upload the files that S3 does not hold yet, several at a time; `moved` hears of every byte, also of skipped ones.

    Returns:
        How many files were skipped.

    Raises:
        InputError: S3 refuses.
    """
    s3 = aws.client("s3")

    def one(name: str) -> bool:
        path, key = folder.path / name, f"{prefix}/{name}"
        note = str(path.stat().st_mtime_ns)
        if _is_uploaded(s3, bucket, key, folder.files[name], note):
            moved(folder.files[name])
            return True
        s3.upload_file(str(path), bucket, key, ExtraArgs={"Metadata": {_NOTE: note}}, Callback=moved)
        return False

    with aws_errors(f"s3://{bucket}/{prefix}", aws), ThreadPoolExecutor(_AT_ONCE) as pool:
        return sum(pool.map(one, folder.files))


def start_job(aws: Aws, job: ImportJob, role: str, *, new_role: bool) -> str:
    """Start the import job; return its ARN. A new role takes a moment to become known: that is retried for a minute.

    Raises:
        InputError: the service refuses.
    """
    bedrock = aws.client("bedrock")
    deadline_s = time.monotonic() + (_ROLE_PATIENCE_S if new_role else 0.0)
    while True:
        with aws_errors("import", aws):
            try:
                answer = bedrock.create_model_import_job(**job.request(role))
            except bedrock.exceptions.ValidationException as error:
                if "role" not in str(error).lower() or time.monotonic() > deadline_s:
                    raise
            else:
                return str(answer["jobArn"])
        time.sleep(5.0)


def job_states(aws: Aws, job: str, poll_s: float = _POLL_S) -> Iterator[dict[str, Any]]:
    """The job's state, again and again until it has ended.

    Raises:
        InputError: the service refuses.
    """
    while True:
        with aws_errors("import", aws):
            state: dict[str, Any] = aws.client("bedrock").get_model_import_job(jobIdentifier=job)
        yield state
        if state["status"] != "InProgress":
            return
        time.sleep(poll_s)


def _is_uploaded(s3: Any, bucket: str, key: str, size: int, note: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return bool(found["ContentLength"] == size and found.get("Metadata", {}).get(_NOTE) == note)
