"""Importing a model: check its folder, upload it, start the job, wait for it.

In: a folder, a bucket, names. Out: files in S3 and an imported model. A file that S3 already holds unchanged (same size
and time of change, as noted at its upload) is not uploaded again, so an interrupted upload continues.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.errors import InputError
from llmdyno.host.files import read_text

LARGEST_TEXT_BYTES, LARGEST_MULTIMODAL_BYTES = 200_000_000_000, 100_000_000_000
"""The service's limits on weights, as AWS documented them in 2026-11."""

ARCHITECTURES = (
    "LlamaForCausalLM",
    "MllamaForConditionalGeneration",
    "MistralForCausalLM",
    "MixtralForCausalLM",
    "T5ForConditionalGeneration",
    "GPTBigCodeForCausalLM",
    "Qwen2ForCausalLM",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "GptOssForCausalLM",
)
"""Classes in config.json that the service imports, as AWS documented them in 2026-11.

AWS names the families: Mistral, Mixtral, Flan (T5), Llama 2 to 3.3 and Mllama, GPTBigCode, Qwen2, 2.5, 2-VL, 2.5-VL,
Qwen3 (dense and mixture of experts), GPT-OSS. Embedding models are not imported.
"""

_NOTE = "llmdyno-modified"
"""The metadata that holds a file's time of change."""
_AT_ONCE = 4
_POLL_S = 10.0
_ROLE_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Folder:
    """A model folder that can be imported: its files with their sizes in bytes, and its architecture."""

    path: Path
    files: dict[str, int]
    architecture: str

    @property
    def total_bytes(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


def check_folder(path: Path) -> Folder:
    """Check that a folder holds what the service imports.

    Raises:
        InputError: something is missing, not supported or too large.
    """
    where = str(path)
    if not path.is_dir():
        raise InputError(where, "is no folder", "name the folder that holds the saved model (save_pretrained)")
    architecture = _architecture(path)  # first, because the folder may be the root of a file system
    files = {name: entry.stat().st_size for entry in sorted(path.rglob("*")) if (name := _name(entry, path))}
    if "adapter_config.json" in files:
        fits = "merge it into its base model (merge_and_unload) and save the result"
        raise InputError(where, "holds an adapter", fits)
    weights = {name: size for name, size in files.items() if name.endswith(".safetensors")}
    if not weights:
        raise InputError(where, "has no *.safetensors", "save the weights with safe_serialization=True")
    if not any(name in files for name in ("tokenizer.json", "tokenizer.model")):
        raise InputError(where, "has neither tokenizer.json nor tokenizer.model", "save the tokenizer in it too")
    if "tokenizer_config.json" not in files:
        raise InputError(where, "has no tokenizer_config.json", "save the tokenizer in it too")
    text_only = "ConditionalGeneration" not in architecture or architecture.startswith("T5")
    limit = LARGEST_TEXT_BYTES if text_only else LARGEST_MULTIMODAL_BYTES
    total = sum(weights.values())
    if total >= limit:
        fits = f"the service takes less than {limit / 1e9:.0f} GB"
        raise InputError(where, f"has {total / 1e9:.0f} GB of weights", fits)
    return Folder(path, files, architecture)


def _architecture(path: Path) -> str:
    """The class that a folder's config.json names.

    Raises:
        InputError: there is no such file, or the service does not import that class.
    """
    where = f"{path}/config.json"
    if not (path / "config.json").exists():
        raise InputError(str(path), "has no config.json", "save the model with its configuration")
    text = read_text(path / "config.json", where, "save the model again")
    try:
        named = json.loads(text).get("architectures")
    except (ValueError, AttributeError, RecursionError):
        raise InputError(where, "is not a JSON object", "save the model again") from None
    architecture = str(named[0]) if isinstance(named, list) and named else None
    if architecture not in ARCHITECTURES:
        problem = f"the architecture {architecture} is not supported"
        raise InputError(where, problem, "supported: " + ", ".join(ARCHITECTURES))
    return architecture


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


def create_role(aws: Aws, name: str, bucket: str, prefix: str) -> str:
    """Create or update the role with which the import reads the bucket; return its ARN.

    Raises:
        InputError: IAM or STS refuses.
    """
    with aws_errors("--create-role", aws):
        account = aws.client("sts").get_caller_identity()["Account"]
        iam = aws.client("iam")
        source = {"ArnEquals": {"aws:SourceArn": f"arn:aws:bedrock:{aws.region}:{account}:model-import-job/*"}}
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "bedrock.amazonaws.com"},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:SourceAccount": account}, **source},
        }
        read = {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/{prefix}/*"],
        }
        try:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=_policy(trust))
        iam.put_role_policy(RoleName=name, PolicyName="read-model", PolicyDocument=_policy(read))
    return str(arn)


def start_job(aws: Aws, *, job: str, model: str, role: str, bucket: str, prefix: str, new_role: bool) -> str:
    """Start the import job; return its ARN. A new role takes a moment to become known: that is retried for a minute.

    Raises:
        InputError: the service refuses.
    """
    bedrock = aws.client("bedrock")
    deadline_s = time.monotonic() + (_ROLE_PATIENCE_S if new_role else 0.0)
    while True:
        with aws_errors("import", aws):
            try:
                answer = bedrock.create_model_import_job(
                    jobName=job,
                    importedModelName=model,
                    roleArn=role,
                    modelDataSource={"s3DataSource": {"s3Uri": f"s3://{bucket}/{prefix}/"}},
                )
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


def _name(entry: Path, folder: Path) -> str | None:
    """A file's name in its folder; None: it is no file, it is hidden, or it is a cache."""
    inside = entry.relative_to(folder)
    if not entry.is_file() or any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
        return None
    return inside.as_posix()


def _is_uploaded(s3: Any, bucket: str, key: str, size: int, note: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        found = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return False
        raise
    return bool(found["ContentLength"] == size and found.get("Metadata", {}).get(_NOTE) == note)


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
