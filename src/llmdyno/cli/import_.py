"""``llmdyno import``: import a model folder into Amazon Bedrock."""

from __future__ import annotations

import argparse
import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmdyno.cli.aws_flags import add_aws_arguments, aws_of, say
from llmdyno.errors import InputError

if TYPE_CHECKING:
    from llmdyno.aws.clients import Aws
    from llmdyno.services.bedrock_import.folder.check import Checked, Folder
    from llmdyno.services.bedrock_import.job import ImportJob

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
    parser.add_argument("--force", action="store_true", help="import although the folder's check refuses")
    help_text = "check everything, print the request, and send nothing"
    parser.add_argument("--dry-run", action="store_true", help=help_text)
    _add_job_arguments(parser)
    add_aws_arguments(parser)


def _add_job_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the import job")
    group.add_argument("--kms-key", metavar="KEY", help="encrypt the model with this KMS key: an ARN, ID or alias/NAME")
    repeated: dict[str, Any] = {"action": "append", "default": []}
    help_text = "run the job in this subnet; repeat the flag for more; needs --vpc-security-group"
    group.add_argument("--vpc-subnet", metavar="ID", help=help_text, **repeated)
    help_text = "run the job in this security group; repeat the flag for more; needs --vpc-subnet"
    group.add_argument("--vpc-security-group", metavar="ID", help=help_text, **repeated)
    help_text = "tag the job; repeat the flag for more"
    group.add_argument("--tag", metavar="KEY=VALUE", help=help_text, **repeated)
    help_text = "tag the imported model; repeat the flag for more"
    group.add_argument("--model-tag", metavar="KEY=VALUE", help=help_text, **repeated)
    help_text = "start no second job, however often the command is repeated with this token"
    group.add_argument("--client-request-token", metavar="TOKEN", help=help_text)


def call(arguments: argparse.Namespace) -> int:
    """Import the folder.

    Raises:
        InputError: the folder cannot be imported, a value does not fit, or a service refuses.
    """
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import duration_s

    poll_s = read_flag(duration_s, arguments.poll, "--poll")
    job = _job(arguments)
    with contextlib.ExitStack() as stack:
        problems, found = job.problems(arguments.role), None
        try:
            found = stack.enter_context(aws_of(arguments))
        except InputError as error:
            problems.append(error)
        aws, folder = _check(arguments, job, found, problems)
        if arguments.dry_run:
            _show(job, aws, arguments.role)
            return 0
        _warn_of_quotas(aws, job)
        return _import(aws, folder, job, arguments.role, poll_s)


def _job(arguments: argparse.Namespace) -> ImportJob:
    """The job that the flags ask for; its values are checked later, all together.

    Raises:
        InputError: a value is no text, or a tag does not fit.
    """
    from llmdyno.services.bedrock_import.job import ImportJob, fits, job_name, read_tags
    from llmdyno.spec.keys import read_flag
    from llmdyno.spec.readers import text

    read_flag(text, arguments.folder, "MODEL-DIR")
    for flag in ("bucket", "prefix"):
        if (given := getattr(arguments, flag)) is not None:
            read_flag(text, given, f"--{flag}")
    token, own = arguments.client_request_token, arguments.job_name
    name = arguments.name if fits("--name", arguments.name) else "model"  # what follows from a wrong name is not told
    return ImportJob(
        model=arguments.name,
        name=job_name(name, token, time.strftime("%Y%m%d-%H%M%S")) if own is None else own,
        bucket=arguments.bucket,
        prefix=(arguments.prefix or name).strip("/"),
        kms_key=arguments.kms_key,
        subnets=tuple(arguments.vpc_subnet),
        security_groups=tuple(arguments.vpc_security_group),
        job_tags=read_tags("--tag", arguments.tag),
        model_tags=read_tags("--model-tag", arguments.model_tag),
        token=token,
    )


def _check(
    arguments: argparse.Namespace, job: ImportJob, aws: Aws | None, problems: list[InputError]
) -> tuple[Aws, Folder]:
    """Check the folder. Several things that are wrong, with it or with the flags (`problems`), are all printed.

    Raises:
        InputError: something is wrong.
    """
    from llmdyno.services.bedrock_import.folder.check import check_folder

    checked: Checked | None = None
    if aws is not None and (foreign := job.region_problem(aws.region)) is not None:
        problems = [*problems, foreign]
    try:
        checked = check_folder(Path(arguments.folder), None if aws is None else aws.region)
    except InputError as error:
        problems = [*problems, error]
    refused = () if checked is None or arguments.force else checked.refused
    doubts = [] if checked is None else [one.error for one in (*checked.refused, *checked.doubts) if one not in refused]
    problems = [*problems, *(one.error for one in refused)]
    if aws is None or checked is None or problems:
        raise _refusal(problems, doubts, forcible=bool(refused))
    for doubt in doubts:
        say(f"llmdyno: warning: {doubt}")
    folder = checked.folder
    size = f"{len(folder.files)} files, {folder.total_bytes / 1e9:.3f} GB"
    print(f"{folder.path}: {folder.architecture}, {size}, chat template: {folder.template or 'none'}")
    return aws, folder


def _refusal(problems: list[InputError], doubts: list[InputError], *, forcible: bool) -> InputError:
    """One error for all problems. If there are several, each is printed with its remedy; doubts are printed too."""
    for doubt in doubts:
        print(f"warning: {doubt}")
    if len(problems) == 1:
        return problems[0]
    for problem in problems:
        print(f"refused: {problem}")
    listed = ", ".join(f"({number}) {one.where}: {one.problem}" for number, one in enumerate(problems, 1))
    fits = "each is printed above with what to do" + (
        ", and --force passes over the folder's check" if forcible else ""
    )
    return InputError("import", f"{len(problems)} things are wrong: {listed}", fits)


def _show(job: ImportJob, aws: Aws, role: str | None) -> None:
    """Print what an import would do."""
    from llmdyno.services.bedrock_import.role import actions

    print(f"would upload to {job.location}")
    if role is None:
        print(f"would create or update the role {_ROLE_NAME}, which may: {', '.join(actions(job))}")
    request = job.request(role or f"(the ARN of {_ROLE_NAME})")
    print(f"would start in {aws.region}: {json.dumps(request, indent=2)}\nnothing was sent")


def _warn_of_quotas(aws: Aws, job: ImportJob) -> None:
    """Warn where the service would refuse another import. What cannot be read is a note and ends nothing.

    Raises:
        InputError: there is a model of this name, so that the upload would be for nothing.
    """
    from llmdyno.services.bedrock_import.models import list_models, running_jobs
    from llmdyno.services.bedrock_import.quotas import import_warnings, read_quotas

    brief = aws.brief()
    try:
        models, running = list_models(brief), running_jobs(brief)
    except InputError as error:
        say(f"llmdyno: note: the quotas were not compared: {error.problem}; {error.fits}")
        return
    finally:
        brief.close()
    if job.token is not None and any(model["modelName"] == job.model for model in models):
        return  # a repeated request: nothing new is asked for
    if any(model["modelName"] == job.model for model in models):
        problem = f"an imported model is named {job.model} already"
        raise InputError("--name", problem, "choose another, or delete that one (llmdyno models delete NAME)")
    quotas = read_quotas(aws)
    for text in import_warnings(quotas, len(models), running):
        say(f"llmdyno: warning: {text}")
    if quotas.note is not None:
        say(f"llmdyno: note: {quotas.note}")


def _import(aws: Aws, folder: Folder, job: ImportJob, role: str | None, poll_s: float) -> int:
    """Upload, start the job, wait for it, and show the model. The role comes first, because IAM may refuse it."""
    from llmdyno.services.bedrock_import.imports import start_job
    from llmdyno.services.bedrock_import.models import describe, units_text
    from llmdyno.services.bedrock_import.role import create_role

    arn = role or create_role(aws, _ROLE_NAME, job)
    skipped = _upload(aws, folder, job)
    print(f"s3://{job.bucket}/{job.prefix}: {len(folder.files) - skipped} files uploaded, {skipped} there already")
    started = start_job(aws, job, arn, new_role=role is None)
    print(f"job {started}", flush=True)
    model = describe(aws, _wait(aws, started, poll_s, job.token))
    print(f"model {model['modelArn']}\n{units_text(model)}, architecture {model.get('modelArchitecture', '?')}")
    print(f"measure it: llmdyno run --api bedrock --model {model['modelArn']} --requests 100")
    return 0


def _wait(aws: Aws, job: str, poll_s: float, token: str | None) -> str:
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
        again = "import again" if token is None else "import again with another --client-request-token"
        raise InputError("import", message, f"correct the cause, and {again}")
    return str(state["importedModelArn"])


def _upload(aws: Aws, folder: Folder, job: ImportJob) -> int:
    """Upload the folder with a progress bar. Returns how many files were skipped."""
    from llmdyno.reports.live import upload_progress
    from llmdyno.services.bedrock_import.imports import upload

    with upload_progress(folder.total_bytes) as on_bytes:
        return upload(aws, folder, job.bucket, job.prefix, on_bytes)
