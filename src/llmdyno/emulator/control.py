"""Bedrock's control plane for imported models: import jobs and the models that come of them. PURE: it is told the time.

In: an operation's path parameters, query and body. Out: its answer, or a refusal under the service's names.
Shapes, patterns and errors as in the service's model; quotas and durations as documented. What an import
finds in S3 is somebody else's to read and to hand in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, unquote

from llmdyno.emulator.bedrock import ACCOUNT, REGION, ServiceError, model_arn

IN_PROGRESS, COMPLETED, FAILED = "InProgress", "Completed", "Failed"
MODELS_QUOTA, JOBS_QUOTA = 3, 1
UNITS_VERSION = "v1.0"
LEGACY_S = datetime(2025, 11, 1, tzinfo=UTC).timestamp()
"""When models of `legacy` were imported: before the OpenAI formats came on 2025-11-11."""
_PAGE = 1000
_PATTERNS = {
    "jobName": (1, 63, r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*"),
    "importedModelName": (1, 63, r"([0-9a-zA-Z][_-]?)+"),
    "roleArn": (0, 2048, r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+"),
    "clientRequestToken": (1, 256, r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?"),
}
_S3_URI = re.compile(r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?")
# Internal names of architectures by their class in config.json; the list is from a rejection message of early 2025
# and from the documents' list of families since.
ARCHITECTURES = {
    "LlamaForCausalLM": "llama",
    "MllamaForConditionalGeneration": "mllama",
    "MistralForCausalLM": "mistral",
    "MixtralForCausalLM": "mixtral",
    "T5ForConditionalGeneration": "t5",
    "GPTBigCodeForCausalLM": "gpt_bigcode",
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "Qwen3MoeForCausalLM": "qwen3_moe",
    "GptOssForCausalLM": "gpt_oss",
}
_WITHOUT_CONVERSE = ("qwen2", "qwen3", "qwen3_moe", "gpt_oss")


@dataclass(slots=True)
class Source:
    """What lies under an import's S3 prefix: file names with sizes, and config.json's content (None: not there)."""

    files: dict[str, int]
    config: dict[str, Any] | None


@dataclass(slots=True)
class Job:
    """An import job. `source` is None until it was read."""

    identifier: str
    request: dict[str, Any]
    created_s: float
    ends_s: float
    source: Source | None = None
    problem: str | None = None
    reading: bool = False
    status: str = IN_PROGRESS
    changed_s: float = 0.0

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-import-job/{self.identifier}"


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

    @property
    def arn(self) -> str:
        """The model's ARN."""
        return model_arn(self.identifier)


@dataclass(slots=True)
class Control:
    """The account's jobs and models. `import_s`: how long an import takes. `legacy`: models are of a time before the
    OpenAI formats."""

    import_s: float = 600.0
    legacy: bool = False
    jobs: list[Job] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    _made: int = 0

    def create_job(self, body: dict[str, Any], now_s: float) -> tuple[int, dict[str, Any]]:
        """CreateModelImportJob.

        Raises:
            ServiceError: validation, conflict or quota.
        """
        self.advance(now_s)
        _check_job(body)
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
        if len(running) >= JOBS_QUOTA:
            raise _quota(f"You have exceeded the limit of {JOBS_QUOTA} concurrent model import jobs.")
        if len(self.models) >= MODELS_QUOTA:
            raise _quota(f"You have exceeded the limit of {MODELS_QUOTA} imported models per account.")
        job = Job(self._identifier("job"), body, now_s, now_s + self.import_s, changed_s=now_s)
        self.jobs.append(job)
        return 201, {"jobArn": job.arn}

    def advance(self, now_s: float) -> None:
        """End the jobs whose time has come and whose source was read."""
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
            ServiceError: there is none.
        """
        self.advance(now_s)
        for job in self.jobs:
            if identifier in (job.arn, job.request["jobName"], job.identifier):
                return self._job_detail(job)
        raise _not_found("model import job", identifier)

    def list_jobs(self, query: dict[str, str], now_s: float) -> dict[str, Any]:
        """ListModelImportJobs."""
        self.advance(now_s)
        jobs = [job for job in self.jobs if query.get("statusEquals", job.status) == job.status]
        entries = [(job.created_s, job.request["jobName"], self._job_summary(job)) for job in jobs]
        return _page(entries, query, "modelImportJobSummaries")

    def get_model(self, identifier: str, now_s: float) -> dict[str, Any]:
        """GetImportedModel, by ARN or name.

        Raises:
            ServiceError: there is none.
        """
        return self._model_detail(self.find(identifier, now_s))

    def list_models(self, query: dict[str, str], now_s: float) -> dict[str, Any]:
        """ListImportedModels."""
        self.advance(now_s)
        entries = [
            (
                model.created_s,
                model.name,
                {
                    "modelArn": model.arn,
                    "modelName": model.name,
                    "creationTime": _time(model.created_s),
                    "instructSupported": model.instruct,
                    "modelArchitecture": model.architecture,
                },
            )
            for model in self.models
        ]
        return _page(entries, query, "modelSummaries")

    def delete_model(self, identifier: str, now_s: float) -> None:
        """DeleteImportedModel.

        Raises:
            ServiceError: there is none.
        """
        self.models.remove(self.find(identifier, now_s))

    def find(self, identifier: str, now_s: float) -> Model:
        """A model by ARN, name or identifier.

        Raises:
            ServiceError: there is none.
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
        # Documented for Llama 3.1: 2 units for 8B, 8 for 70B; in between by the weights' size, a guess.
        gigabytes = sum(size for name, size in source.files.items() if name.endswith(".safetensors")) / 1e9
        units = next((units for below, units in ((40, 2), (90, 4)) if gigabytes < below), 8)
        templated = any(name in source.files for name in ("chat_template.jinja", "chat_template.json"))
        instruct = (templated or "tokenizer_config.json" in source.files) and architecture not in _WITHOUT_CONVERSE
        created_s = LEGACY_S if self.legacy else job.changed_s
        return Model(
            self._identifier("m"), job.request["importedModelName"], created_s, architecture, instruct, units, job
        )

    def _job_summary(self, job: Job) -> dict[str, Any]:
        model = next((model for model in self.models if model.job is job), None)
        summary = {
            "jobArn": job.arn,
            "jobName": job.request["jobName"],
            "status": job.status,
            "creationTime": _time(job.created_s),
            "lastModifiedTime": _time(job.changed_s),
            "importedModelName": job.request["importedModelName"],
        }
        if job.status != IN_PROGRESS:
            summary["endTime"] = _time(job.changed_s)
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
        return detail

    def _model_detail(self, model: Model) -> dict[str, Any]:
        detail: dict[str, Any] = {
            "modelArn": model.arn,
            "modelName": model.name,
            "creationTime": _time(model.created_s),
            "modelArchitecture": model.architecture,
            "instructSupported": model.instruct,
            "customModelUnits": {"customModelUnitsPerModelCopy": model.units, "customModelUnitsVersion": UNITS_VERSION},
        }
        if model.job is not None:
            detail["jobName"], detail["jobArn"] = model.job.request["jobName"], model.job.arn
            detail["modelDataSource"] = model.job.request["modelDataSource"]
        return detail


def operate(control: Control, method: str, url: str, body: bytes, now_s: float) -> tuple[int, dict[str, Any]]:
    """One operation, from its raw method, URL and body: HTTP status and answer.

    Raises:
        ServiceError: the service would refuse it.
    """
    path, _, query_text = url.partition("?")
    query = {name: values[-1] for name, values in parse_qs(query_text).items()}
    resource, _, raw = path.strip("/").partition("/")
    identifier = unquote(raw)
    if (method, resource, identifier) == ("POST", "model-import-jobs", ""):
        return control.create_job(_json_object(body), now_s)
    if (method, resource) == ("GET", "model-import-jobs"):
        return 200, control.get_job(identifier, now_s) if identifier else control.list_jobs(query, now_s)
    if (method, resource) == ("GET", "imported-models"):
        return 200, control.get_model(identifier, now_s) if identifier else control.list_models(query, now_s)
    if (method, resource) == ("DELETE", "imported-models") and identifier:
        control.delete_model(identifier, now_s)
        return 200, {}
    raise ServiceError(404, "UnknownOperationException", f"There is no {method} {path}.")


def source_problem(source: Source | None) -> str | None:
    """Why an import of these files fails; None where it does not."""
    if source is None or not source.files:
        return "No files were found at the S3 location."
    if source.config is None:
        return "The file config.json was not found, or is not JSON."
    if not any(name.endswith(".safetensors") for name in source.files):
        return "No weights in the safetensors format were found."
    if "tokenizer.json" not in source.files and "tokenizer.model" not in source.files:
        return "No tokenizer files were found."
    named = source.config.get("architectures")
    name = named[0] if isinstance(named, list) and named else None
    if name not in ARCHITECTURES:
        return f"The architecture {name} is not supported. Supported: {', '.join(sorted(set(ARCHITECTURES.values())))}."
    return None


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _invalid("The request body is not valid JSON.")
    return value


def _check_job(body: dict[str, Any]) -> None:
    for name in ("jobName", "importedModelName", "roleArn", "modelDataSource"):
        if name not in body:
            raise _invalid(f"Value null at '{name}' failed to satisfy constraint: Member must not be null")
    for name, (least, most, pattern) in _PATTERNS.items():
        value = body.get(name)
        if value is None and name == "clientRequestToken":
            continue
        if not isinstance(value, str) or not least <= len(value) <= most or not re.fullmatch(pattern, value):
            raise _invalid(f"Value '{value}' at '{name}' failed to satisfy constraint: pattern {pattern}")
    source = body["modelDataSource"]
    uri = source.get("s3DataSource", {}).get("s3Uri") if isinstance(source, dict) else None
    if not isinstance(uri, str) or len(uri) > 1024 or not _S3_URI.fullmatch(uri):
        raise _invalid(f"Value '{uri}' at 'modelDataSource.s3DataSource.s3Uri' is not an S3 URI")
    for name in ("jobTags", "importedModelTags"):
        if len(body.get(name) or []) > 200:
            raise ServiceError(400, "TooManyTagsException", f"{name} has more than 200 tags")


def _page(entries: list[tuple[float, str, dict[str, Any]]], query: dict[str, str], name: str) -> dict[str, Any]:
    """Filter, sort and cut a list as its query says."""
    after, before = _moment(query.get("creationTimeAfter")), _moment(query.get("creationTimeBefore"))
    kept = [
        entry
        for entry in entries
        if (after is None or entry[0] > after)
        and (before is None or entry[0] < before)
        and query.get("nameContains", "") in entry[1]
    ]
    kept.sort(key=lambda entry: entry[0], reverse=query.get("sortOrder", "Descending") == "Descending")
    try:
        size, start = int(query.get("maxResults", _PAGE)), int(query.get("nextToken", 0))
    except ValueError:
        raise _invalid("maxResults or nextToken is not valid.") from None
    if not 1 <= size <= _PAGE or start < 0:
        raise _invalid(f"maxResults must be from 1 to {_PAGE}.")
    answer: dict[str, Any] = {name: [entry[2] for entry in kept[start : start + size]]}
    if start + size < len(kept):
        answer["nextToken"] = str(start + size)
    return answer


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise _invalid(f"{text} is not a time.") from None


def _time(moment_s: float) -> str:
    return datetime.fromtimestamp(moment_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _invalid(message: str) -> ServiceError:
    return ServiceError(400, "ValidationException", message)


def _conflict(message: str) -> ServiceError:
    return ServiceError(400, "ConflictException", message)


def _quota(message: str) -> ServiceError:
    return ServiceError(400, "ServiceQuotaExceededException", message)


def _not_found(what: str, identifier: str) -> ServiceError:
    return ServiceError(404, "ResourceNotFoundException", f"The {what} {identifier} was not found.")
