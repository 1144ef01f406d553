"""Bedrock's control plane for imported models: import jobs, and the models that they make. PURE: it is told the time.

In: an operation's path parameters, query and body. Out: its answer, or a refusal under the service's names. Shapes and
errors are those of the service's model; quotas and durations are documented. It does not read S3: the caller hands in
what an import finds there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from llmdyno.emulator import tags
from llmdyno.emulator.bedrock import ACCOUNT, REGION, ServiceError, json_object, model_arn
from llmdyno.emulator.body import shown
from llmdyno.emulator.imports import (
    ARCHITECTURES,
    JOB_IDENTIFIER,
    JOB_NAME,
    MODEL_IDENTIFIER,
    MODEL_NAME,
    Shape,
    Source,
    check_job,
    instruct_supported,
    key_arn,
    model_units,
    refuse_all,
    source_problem,
    unfit,
    units_version,
)
from llmdyno.emulator.listing import Entry, check_query, page, timestamp
from llmdyno.emulator.quotas import Quotas

IN_PROGRESS, COMPLETED, FAILED = "InProgress", "Completed", "Failed"
_LARGEST_BODY = 65_536
_KEPT_JOBS = 1000
"""Jobs keep their requests. Older ones that have ended are forgotten."""
LEGACY_S = datetime(2025, 11, 1, tzinfo=UTC).timestamp()
"""When `legacy` models were imported (unix seconds): before the OpenAI formats came on 2025-11-11."""


@dataclass(slots=True)
class Job:
    """An import job. `source` is None until somebody has read it; `problem` is why it fails."""

    identifier: str
    request: dict[str, Any]
    created_s: float
    ends_s: float
    source: Source | None = None
    problem: str | None = None
    reading: bool = False
    status: str = IN_PROGRESS
    changed_s: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    region: str = REGION

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return f"arn:aws:bedrock:{self.region}:{ACCOUNT}:model-import-job/{self.identifier}"


@dataclass(slots=True)
class Model:
    """An imported model."""

    identifier: str
    name: str
    created_s: float
    architecture: str
    instruct: bool
    units: int
    job: Job | None = None
    tags: dict[str, str] = field(default_factory=dict)
    region: str = REGION

    @property
    def arn(self) -> str:
        """The model's ARN."""
        return model_arn(self.identifier, self.region)

    @property
    def units_version(self) -> str:
        """The version of its units."""
        return units_version(self.architecture)


@dataclass(slots=True)
class Control:
    """The account's jobs, models and quotas in one region. An import takes `import_s` seconds; `legacy` models are from
    before the OpenAI formats."""

    import_s: float = 600.0
    legacy: bool = False
    jobs: list[Job] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    quotas: Quotas = field(default_factory=Quotas)
    region: str = REGION
    _made: int = 0

    def create_job(self, body: dict[str, Any], now_s: float) -> tuple[int, dict[str, Any]]:
        """CreateModelImportJob.

        Raises:
            ServiceError: validation, conflict or quota.
        """
        self.advance(now_s)
        check_job(body)
        token = body.get("clientRequestToken")
        for job in self.jobs:
            if token is not None and job.request.get("clientRequestToken") == token:
                return 201, {"jobArn": job.arn}
        running = [job for job in self.jobs if job.status == IN_PROGRESS]
        if any(job.request["jobName"] == body["jobName"] for job in self.jobs):
            raise _conflict(f"A model import job named {body['jobName']} exists already.")
        names = {model.name for model in self.models} | {job.request["importedModelName"] for job in running}
        if body["importedModelName"] in names:
            raise _conflict(f"An imported model named {body['importedModelName']} exists already.")
        if len(running) >= self.quotas.jobs:
            raise _quota(f"You have exceeded the limit of {self.quotas.jobs} concurrent model import jobs.")
        if len(self.models) >= self.quotas.models:
            raise _quota(f"You have exceeded the limit of {self.quotas.models} imported models per account.")
        own, region = tags.as_tags(body.get("jobTags")), self.region
        ends_s = now_s + self.import_s
        job = Job(self._identifier("job"), body, now_s, ends_s, changed_s=now_s, tags=own, region=region)
        self.jobs.append(job)
        del self.jobs[:-_KEPT_JOBS]
        return 201, {"jobArn": job.arn}

    def advance(self, now_s: float) -> None:
        """End the jobs that have taken their time and whose source was read."""
        for job in self.jobs:
            if job.status != IN_PROGRESS or (job.source is None and job.problem is None) or now_s < job.ends_s:
                continue
            job.changed_s = max(job.ends_s, job.created_s)
            job.problem = job.problem or source_problem(job.source)
            job.status = FAILED if job.problem else COMPLETED
            if job.source is not None and job.problem is None:
                self.models.append(self._model(job, job.source))

    def get_job(self, identifier: str, now_s: float) -> dict[str, Any]:
        """GetModelImportJob, by ARN or name.

        Raises:
            ServiceError: it does not exist.
        """
        self.advance(now_s)
        _check("jobIdentifier", identifier, JOB_IDENTIFIER)
        for job in self.jobs:
            if identifier in (job.arn, job.request["jobName"], job.identifier):
                return self._job_detail(job)
        raise _not_found("model import job", identifier)

    def list_jobs(self, query: dict[str, str], now_s: float) -> dict[str, Any]:
        """ListModelImportJobs."""
        self.advance(now_s)
        check_query(query, JOB_NAME, (IN_PROGRESS, COMPLETED, FAILED))
        jobs = [job for job in self.jobs if query.get("statusEquals", job.status) == job.status]
        entries = [Entry(job.created_s, job.request["jobName"], self._job_summary(job)) for job in jobs]
        return page(entries, query, "modelImportJobSummaries")

    def get_model(self, identifier: str, now_s: float) -> dict[str, Any]:
        """GetImportedModel, by ARN or name.

        Raises:
            ServiceError: it does not exist, or the identifier is neither.
        """
        _check("modelIdentifier", identifier, MODEL_IDENTIFIER)
        return self._model_detail(self.find(identifier, now_s))

    def list_models(self, query: dict[str, str], now_s: float) -> dict[str, Any]:
        """ListImportedModels."""
        self.advance(now_s)
        check_query(query, MODEL_NAME)
        entries = [
            Entry(
                model.created_s,
                model.name,
                {
                    "modelArn": model.arn,
                    "modelName": model.name,
                    "creationTime": timestamp(model.created_s),
                    "instructSupported": model.instruct,
                    "modelArchitecture": model.architecture,
                },
            )
            for model in self.models
        ]
        return page(entries, query, "modelSummaries")

    def delete_model(self, identifier: str, now_s: float) -> None:
        """DeleteImportedModel.

        Raises:
            ServiceError: it does not exist, or the identifier is neither an ARN nor a name.
        """
        _check("modelIdentifier", identifier, MODEL_IDENTIFIER)
        self.models.remove(self.find(identifier, now_s))

    def find(self, identifier: str, now_s: float) -> Model:
        """A model by ARN, name or identifier.

        Raises:
            ServiceError: it does not exist.
        """
        self.advance(now_s)
        for model in self.models:
            if identifier in (model.arn, model.name, model.identifier):
                return model
        raise _not_found("imported model", identifier)

    def _identifier(self, kind: str) -> str:
        self._made += 1
        return f"{kind}{self._made:0{12 - len(kind)}d}"

    def _model(self, job: Job, source: Source) -> Model:
        config = source.config or {}
        architecture = ARCHITECTURES[config["architectures"][0]]
        return Model(
            self._identifier("m"),
            job.request["importedModelName"],
            LEGACY_S if self.legacy else job.changed_s,
            architecture,
            instruct_supported(source, architecture),
            model_units(source),
            job,
            tags.as_tags(job.request.get("importedModelTags")),
            self.region,
        )

    def _job_summary(self, job: Job) -> dict[str, Any]:
        model = next((model for model in self.models if model.job is job), None)
        summary = {
            "jobArn": job.arn,
            "jobName": job.request["jobName"],
            "status": job.status,
            "creationTime": timestamp(job.created_s),
            "lastModifiedTime": timestamp(job.changed_s),
            "importedModelName": job.request["importedModelName"],
        }
        if job.status != IN_PROGRESS:
            summary["endTime"] = timestamp(job.changed_s)
        if model is not None:
            summary["importedModelArn"] = model.arn
        return summary

    def _job_detail(self, job: Job) -> dict[str, Any]:
        detail = {
            **self._job_summary(job),
            "roleArn": job.request["roleArn"],
            "modelDataSource": job.request["modelDataSource"],
        }
        if job.status == FAILED:
            detail["failureMessage"] = job.problem
        if "vpcConfig" in job.request:
            detail["vpcConfig"] = job.request["vpcConfig"]
        return detail | _key("importedModelKmsKeyArn", job)

    def _model_detail(self, model: Model) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "modelArn": model.arn,
            "modelName": model.name,
            "creationTime": timestamp(model.created_s),
            "modelArchitecture": model.architecture,
            "instructSupported": model.instruct,
            "customModelUnits": {
                "customModelUnitsPerModelCopy": model.units,
                "customModelUnitsVersion": model.units_version,
            },
        }
        if model.job is not None:
            detail["jobName"], detail["jobArn"] = model.job.request["jobName"], model.job.arn
            detail["modelDataSource"] = model.job.request["modelDataSource"]
            detail |= _key("modelKmsKeyArn", model.job)
        return detail


def operate(control: Control, method: str, url: str, body: bytes, now_s: float) -> tuple[int, dict[str, Any]]:
    """One operation, from its raw method, URL and body: HTTP status and answer.

    Raises:
        ServiceError: the service refuses it.
    """
    if len(body) > _LARGEST_BODY:
        raise ServiceError(413, "ValidationException", f"The request body is longer than {_LARGEST_BODY:,} bytes.")
    path, _, query_text = url.partition("?")
    query = {name: values[-1] for name, values in parse_qs(query_text).items()}
    resource, _, raw = path.strip("/").partition("/")
    identifier = unquote(raw)
    if (method, resource, identifier) == ("POST", "model-import-jobs", ""):
        return control.create_job(json_object(body), now_s)
    if method == "POST" and f"/{resource}" in tags.PATHS and not raw:
        return 200, tags.operate(control, resource, json_object(body), now_s)
    if (method, resource) == ("GET", "model-import-jobs"):
        return 200, control.get_job(identifier, now_s) if identifier else control.list_jobs(query, now_s)
    if (method, resource) == ("GET", "imported-models"):
        return 200, control.get_model(identifier, now_s) if identifier else control.list_models(query, now_s)
    if (method, resource) == ("DELETE", "imported-models") and identifier:
        control.delete_model(identifier, now_s)
        return 200, {}
    raise ServiceError(404, "UnknownOperationException", f"There is no {method} {shown(path)}.")


def _check(name: str, identifier: str, shape: Shape) -> None:
    refuse_all(list(unfit(name, identifier, shape)))


def _key(name: str, job: Job) -> dict[str, str]:
    """The ARN of the key that a job names, as the field `name`; nothing if it names none."""
    arn = key_arn(job.request.get("importedModelKmsKeyId"))
    return {} if arn is None else {name: arn}


def _conflict(message: str) -> ServiceError:
    return ServiceError(400, "ConflictException", message)


def _quota(message: str) -> ServiceError:
    return ServiceError(400, "ServiceQuotaExceededException", message)


def _not_found(what: str, identifier: str) -> ServiceError:
    return ServiceError(404, "ResourceNotFoundException", f"The {what} {shown(identifier)} was not found.")
