"""The emulated control plane, and the rest of AWS behind the same URL, driven by boto3."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from llmdyno.emulator.bedrock import ServiceError
from llmdyno.emulator.control import COMPLETED, FAILED, Control, operate
from llmdyno.emulator.embedded import EmbeddedEmulator
from llmdyno.emulator.imports import ARCHITECTURES, Source, instruct_supported, source_problem
from llmdyno.emulator.model import DEFAULT_PROFILE
from llmdyno.emulator.quotas import Quotas
from llmdyno.services.bedrock_import.folder import facts

ROLE = "arn:aws:iam::123456789012:role/import"
LLAMA = {"architectures": ["LlamaForCausalLM"], "max_position_embeddings": 131072}
FILES = {"config.json": 10, "model.safetensors": 16_000_000_000, "tokenizer.json": 5, "tokenizer_config.json": 5}
GOOD = Source(FILES, LLAMA)
GPT_OSS = {"architectures": ["GptOssForCausalLM"], "quantization_config": {"quant_method": "mxfp4"}}
EOS = {"eos_token_id": [200002, 199999, 200012]}
Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Makes boto3 clients of one emulator that imports in half a second."""
    more = ["--aws-services", "--import-time", "50", "--cold-start", "0", "--first-inference", "0"]
    with (
        EmbeddedEmulator(DEFAULT_PROFILE, speed=100.0, seed=3, more=more) as running,
        contextlib.ExitStack() as stack,
    ):
        root = running.ready()["root"]

        def make(service: str) -> Any:
            made = boto3.client(
                service,
                endpoint_url=root,
                region_name="us-east-1",
                aws_access_key_id="x",
                aws_secret_access_key="y",
                config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
            )
            stack.callback(made.close)
            return made

        yield make


def ask(name: str = "job", model: str = "model", **more: Any) -> dict[str, Any]:
    source = {"s3DataSource": {"s3Uri": "s3://weights/llama"}}
    return {"jobName": name, "importedModelName": model, "roleArn": ROLE, "modelDataSource": source, **more}


def wait(bedrock: Any, arn: str) -> dict[str, Any]:
    for _ in range(600):
        job = bedrock.get_model_import_job(jobIdentifier=arn)
        if job["status"] != "InProgress":
            return dict(job)
        time.sleep(0.05)
    raise AssertionError("the job never ended")


def test_an_import_from_s3_to_an_answer(client: Client) -> None:
    s3, bedrock, runtime = client("s3"), client("bedrock"), client("bedrock-runtime")
    s3.create_bucket(Bucket="weights")
    for name in FILES:
        body = json.dumps(LLAMA).encode() if name == "config.json" else b"x" * 100
        s3.put_object(Bucket="weights", Key=f"llama/{name}", Body=body)
    job = bedrock.create_model_import_job(**ask("first", "my-llama", clientRequestToken="once"))
    again = bedrock.create_model_import_job(**ask("other", "other", clientRequestToken="once"))
    assert again["jobArn"] == job["jobArn"]
    with pytest.raises(bedrock.exceptions.ServiceQuotaExceededException):
        bedrock.create_model_import_job(**ask("second", "second"))
    done = wait(bedrock, job["jobArn"])
    assert (done["status"], done["importedModelName"]) == ("Completed", "my-llama")
    assert done["endTime"] >= done["creationTime"]
    model = bedrock.get_imported_model(modelIdentifier="my-llama")
    assert model["modelArn"] == done["importedModelArn"]
    assert (model["modelArchitecture"], model["instructSupported"]) == ("llama", True)
    assert model["customModelUnits"]["customModelUnitsVersion"] == "v1.0"
    assert bedrock.get_imported_model(modelIdentifier=model["modelArn"])["jobName"] == "first"
    body = json.dumps({"prompt": "x", "max_gen_len": 2, "ignore_eos": True})
    with pytest.raises(runtime.exceptions.ModelNotReadyException):  # a just imported model is cold
        runtime.invoke_model(modelId=model["modelArn"], body=body)
    answer = json.loads(runtime.invoke_model(modelId=model["modelArn"], body=body)["body"].read())
    assert answer["generation_token_count"] == 2
    with pytest.raises(bedrock.exceptions.ConflictException):
        bedrock.create_model_import_job(**ask("third", "my-llama"))
    bedrock.delete_imported_model(modelIdentifier="my-llama")
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.get_imported_model(modelIdentifier="my-llama")
    with pytest.raises(ClientError):
        runtime.invoke_model(modelId=model["modelArn"], body=body)


def test_tags_with_boto3(client: Client) -> None:
    bedrock = client("bedrock")
    arn = bedrock.get_imported_model(modelIdentifier=DEFAULT_PROFILE)["modelArn"]
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == []
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "team", "value": "a"}, {"key": "cost", "value": ""}])
    bedrock.tag_resource(resourceARN=arn, tags=[{"key": "team", "value": "b"}])
    bedrock.untag_resource(resourceARN=arn, tagKeys=["cost", "absent"])
    assert bedrock.list_tags_for_resource(resourceARN=arn)["tags"] == [{"key": "team", "value": "b"}]
    bedrock.untag_resource(resourceARN=arn, tagKeys=["team"])
    with pytest.raises(bedrock.exceptions.ResourceNotFoundException):
        bedrock.list_tags_for_resource(resourceARN=arn[:-4] + "9999")
    with pytest.raises(bedrock.exceptions.ValidationException):
        bedrock.list_tags_for_resource(resourceARN="x" * 30)
    with pytest.raises(bedrock.exceptions.ValidationException):
        bedrock.tag_resource(resourceARN=arn, tags=[{"key": "no!", "value": "b"}])
    with pytest.raises(bedrock.exceptions.TooManyTagsException):
        bedrock.tag_resource(resourceARN=arn, tags=[{"key": f"k{one}", "value": ""} for one in range(51)])


def test_quotas_with_boto3(client: Client) -> None:
    quotas = client("service-quotas")
    pages = quotas.get_paginator("list_service_quotas").paginate(
        ServiceCode="bedrock", PaginationConfig={"PageSize": 1}
    )
    found = [quota for page in pages for quota in page["Quotas"]]
    assert [(one["QuotaCode"], one["Value"]) for one in found] == [
        ("L-45B04988", 3.0),
        ("L-5F098EFA", 1.0),
        ("L-E0000001", 3.0),
    ]
    one = quotas.get_service_quota(ServiceCode="bedrock", QuotaCode="L-45B04988")["Quota"]
    assert one["QuotaArn"] == "arn:aws:servicequotas:us-east-1:123456789012:bedrock/L-45B04988"
    assert (one["QuotaName"], one["Adjustable"]) == ("Imported models per account", True)
    default = quotas.get_aws_default_service_quota(ServiceCode="bedrock", QuotaCode="L-5F098EFA")["Quota"]
    assert default["QuotaArn"] == "arn:aws:servicequotas:us-east-1::bedrock/L-5F098EFA"
    assert len(quotas.list_aws_default_service_quotas(ServiceCode="bedrock")["Quotas"]) == 3
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.get_service_quota(ServiceCode="bedrock", QuotaCode="L-0")
    with pytest.raises(quotas.exceptions.NoSuchResourceException):
        quotas.list_service_quotas(ServiceCode="s3x")


def test_an_import_of_nothing_fails_with_a_message(client: Client) -> None:
    bedrock = client("bedrock")
    job = bedrock.create_model_import_job(
        **{**ask("nothing", "nothing"), "modelDataSource": {"s3DataSource": {"s3Uri": "s3://no-such-bucket/x"}}}
    )
    done = wait(bedrock, job["jobArn"])
    assert done["status"] == "Failed"
    assert "could not be read" in done["failureMessage"]
    failed = bedrock.list_model_import_jobs(statusEquals="Failed")["modelImportJobSummaries"]
    assert [one["jobName"] for one in failed] == ["nothing"]


def test_iam_sts_and_cloudwatch(client: Client) -> None:
    assert client("sts").get_caller_identity()["Account"] == "123456789012"
    iam = client("iam")
    iam.create_role(RoleName="importer", AssumeRolePolicyDocument="{}")
    assert iam.get_role(RoleName="importer")["Role"]["Arn"].endswith(":role/importer")
    runtime, body = client("bedrock-runtime"), json.dumps({"prompt": "x", "max_gen_len": 2})
    with contextlib.suppress(runtime.exceptions.ModelNotReadyException):
        runtime.invoke_model(modelId=DEFAULT_PROFILE, body=body)
    runtime.invoke_model(modelId=DEFAULT_PROFILE, body=body)
    cloudwatch = client("cloudwatch")
    for _ in range(100):  # published once a minute, 0.6 s here
        found = cloudwatch.list_metrics(Namespace="AWS/Bedrock")["Metrics"]
        if {"ModelCopy", "Invocations"} <= {metric["MetricName"] for metric in found}:
            break
        time.sleep(0.05)
    copies = [metric for metric in found if metric["MetricName"] == "ModelCopy"]
    assert copies
    assert {dimension["Name"] for metric in copies for dimension in metric["Dimensions"]} == {"ModelId"}


def test_the_models_paginator(client: Client) -> None:
    pages = client("bedrock").get_paginator("list_imported_models").paginate(PaginationConfig={"PageSize": 1})
    names = [model["modelName"] for page in pages for model in page["modelSummaries"]]
    assert DEFAULT_PROFILE in names
    jobs = client("bedrock").get_paginator("list_model_import_jobs").paginate(PaginationConfig={"PageSize": 1})
    found = [job["jobName"] for page in jobs for job in page["modelImportJobSummaries"]]
    assert found == ["nothing", "first"]  # newest first


def test_operations_that_do_not_exist() -> None:
    for method, url in (
        ("PUT", "/imported-models/x"),
        ("DELETE", "/imported-models"),
        ("POST", "/model-import-jobs/x"),
    ):
        with pytest.raises(ServiceError) as caught:
            operate(Control(), method, url, b"", 0)
        assert caught.value.name == "UnknownOperationException"
    with pytest.raises(ServiceError, match="not valid JSON"):
        operate(Control(), "POST", "/model-import-jobs", b"[", 0)


# --- the registry alone, under a virtual clock


def refused(control: Control, body: dict[str, Any], now_s: float = 0.0) -> str:
    with pytest.raises(ServiceError) as caught:
        control.create_job(body, now_s)
    return caught.value.name


@pytest.mark.parametrize(
    "change",
    [
        {"jobName": "bad name!"},
        {"jobName": ""},
        {"jobName": "x" * 64},
        {"importedModelName": "a--b"},
        {"roleArn": "role"},
        {"modelDataSource": {}},
        {"modelDataSource": {"s3DataSource": {"s3Uri": "https://bucket"}}},
        {"clientRequestToken": "-"},
    ],
)
def test_requests_that_do_not_validate(change: dict[str, Any]) -> None:
    assert refused(Control(), {**ask(), **change}) == "ValidationException"


@pytest.mark.parametrize("absent", ["jobName", "importedModelName", "roleArn", "modelDataSource"])
def test_requests_that_lack_something(absent: str) -> None:
    body = ask()
    del body[absent]
    assert refused(Control(), body) == "ValidationException"


@pytest.mark.parametrize("field", ["jobTags", "importedModelTags"])
def test_too_many_tags(field: str) -> None:
    def some(count: int) -> dict[str, Any]:
        return ask(**{field: [{"key": f"k{number}", "value": "v"} for number in range(count)]})

    assert refused(Control(), some(51)) == "TooManyTagsException"
    assert refused(Control(), some(201)) == "ValidationException"  # the list's own limit
    assert Control().create_job(some(50), 0)[0] == 201


def finished(control: Control, name: str, source: Source, now_s: float) -> dict[str, Any]:
    control.create_job(ask(name, name), now_s)
    control.jobs[-1].source = source
    return control.get_job(name, now_s + control.import_s)


def test_jobs_take_their_time_and_models_fill_the_quota() -> None:
    control = Control(import_s=600)
    control.create_job(ask("a", "a"), 0)
    control.jobs[0].source = GOOD
    assert control.get_job("a", 599)["status"] == "InProgress"
    assert control.get_job("a", 600)["status"] == COMPLETED
    assert control.get_job("a", 900)["endTime"] == "1970-01-01T00:10:00.000Z"
    for number, name in enumerate("bc", 1):
        assert finished(control, name, GOOD, 1000 * number)["status"] == COMPLETED
    assert refused(control, ask("d", "d"), 5000) == "ServiceQuotaExceededException"
    control.delete_model("a", 5000)
    assert control.create_job(ask("d", "d"), 5000)[0] == 201
    assert refused(control, ask("a", "e"), 9000) == "ConflictException"


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (None, "No files"),
        (Source({}, None), "No files"),
        (Source({"model.safetensors": 1}, None), "config.json"),
        (Source({"config.json": 1, "tokenizer.json": 1}, LLAMA), "safetensors"),
        (Source({"config.json": 1, "a.safetensors": 1}, LLAMA), "tokenizer"),
        (Source({"config.json": 1, "a.safetensors": 1, "tokenizer.json": 1}, LLAMA), "tokenizer_config.json was not"),
        (Source(FILES, {"architectures": ["BertModel"]}), "does not support the architecture (BertModel) of the model"),
        (Source(FILES, {"architectures": ["X"], "model_type": "phi3"}), "the architecture (phi3) of the model"),
        (Source(FILES, {}), "the architecture (None)"),
        (Source({**FILES, "adapter_config.json": 1}, LLAMA), "an adapter"),
        (
            Source({**FILES, "m-00001-of-00003.safetensors": 1, "m-00003-of-00003.safetensors": 1}, LLAMA),
            "The file m-00002-of-00003.safetensors was not found.",
        ),
        (Source(FILES, {**LLAMA, "text_config": {"quantization_config": {"bits": 4}}}), "Quantized weights"),
        (Source(FILES, {**LLAMA, "quantization_config": {"quant_method": "fp8"}}), "Quantized weights (fp8)"),
        (Source(FILES, {**LLAMA, "max_position_embeddings": 131_073}), "The context length 131073"),
        (Source(FILES, {**LLAMA, "text_config": {"max_position_embeddings": 10**6}}), "The context length 1000000"),
        (Source(FILES, GPT_OSS), "generation_config.json"),
        (Source(FILES, GPT_OSS, generation={"eos_token_id": [200002, 199999]}), "lacks one of 199999, 200002, 200012"),
        (Source({**FILES, "model.safetensors": 200 * 10**9}, LLAMA), "the maximum of 200 GB"),
        (
            Source({**FILES, "model.safetensors": 100 * 10**9}, {"architectures": ["MllamaForConditionalGeneration"]}),
            "the maximum of 100 GB",
        ),
    ],
)
def test_sources_that_fail(source: Source | None, problem: str) -> None:
    assert problem in str(source_problem(source))
    control = Control(import_s=1)
    if source is not None:
        done = finished(control, "x", source, 0)
        assert (done["status"], problem in done["failureMessage"]) == (FAILED, True)


def test_a_series_of_shards_that_is_whole() -> None:
    shards = {f"m-0000{number}-of-00002.safetensors": 1 for number in (1, 2)}
    assert source_problem(Source({**FILES, **shards}, LLAMA)) is None


def test_lists_filter_sort_and_page() -> None:
    control = Control(import_s=1)
    for number in range(5):
        finished(control, f"job-{number}", Source({}, None), 100.0 * number)

    def names(**query: str) -> list[str]:
        return [one["jobName"] for one in control.list_jobs(query, 1000)["modelImportJobSummaries"]]

    assert names() == [f"job-{number}" for number in (4, 3, 2, 1, 0)]
    assert names(sortOrder="Ascending", maxResults="2") == ["job-0", "job-1"]
    first = control.list_jobs({"maxResults": "3"}, 1000)
    assert names(maxResults="3", nextToken=first["nextToken"]) == ["job-1", "job-0"]
    assert names(creationTimeAfter="1970-01-01T00:01:40Z", creationTimeBefore="1970-01-01T00:06:40Z") == [
        "job-3",
        "job-2",
    ]
    assert names(nameContains="3") == ["job-3"]
    assert names(statusEquals="Completed") == []
    for query in ({"maxResults": "0"}, {"maxResults": "x"}, {"creationTimeAfter": "soon"}):
        with pytest.raises(ServiceError):
            control.list_jobs(query, 1000)
    with pytest.raises(ServiceError) as caught:
        control.list_jobs({"statusEquals": "Done", "sortBy": "Name", "sortOrder": "Up", "nameContains": "-"}, 1000)
    assert str(caught.value) == (
        "4 validation errors detected: Value '-' at 'nameContains' failed to satisfy constraint: Member must satisfy "
        r"regular expression pattern: [a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*; Value 'Up' at 'sortOrder' failed to satisfy "
        "constraint: Member must satisfy enum value set: [Ascending, Descending]; Value 'Name' at 'sortBy' failed to "
        "satisfy constraint: Member must satisfy enum value set: [CreationTime]; Value 'Done' at 'statusEquals' failed "
        "to satisfy constraint: Member must satisfy enum value set: [InProgress, Completed, Failed]"
    )


@pytest.mark.parametrize(("gigabytes", "units"), [(16, 2), (60, 4), (140, 8)])
def test_units_by_size_and_converse_by_family(gigabytes: int, units: int) -> None:
    control = Control(import_s=1)
    finished(control, "x", Source({**FILES, "model.safetensors": gigabytes * 10**9}, LLAMA), 0)
    assert control.get_model("x", 10)["customModelUnits"]["customModelUnitsPerModelCopy"] == units
    finished(control, "q", Source(FILES, {"architectures": ["Qwen3ForCausalLM"]}), 100)
    assert control.get_model("q", 110)["instructSupported"] is False


def test_openais_models_have_units_of_their_own() -> None:
    control = Control(import_s=1)
    assert finished(control, "o", Source(FILES, GPT_OSS, generation=EOS), 0)["status"] == COMPLETED
    found = control.get_model("o", 10)
    assert found["customModelUnits"] == {"customModelUnitsPerModelCopy": 2, "customModelUnitsVersion": "v2.0"}
    finished(control, "x", GOOD, 100)
    assert control.get_model("x", 110)["customModelUnits"]["customModelUnitsVersion"] == "v1.0"


@pytest.mark.parametrize(
    ("files", "tokenizer", "instruct"),
    [
        ({}, {}, False),
        ({}, {"chat_template": "{{ messages }}"}, True),
        ({"chat_template.jinja": 5}, {}, True),
        ({}, None, True),  # a file that cannot be read, as a test's may be
    ],
)
def test_converse_needs_a_chat_template(
    files: dict[str, int], tokenizer: dict[str, Any] | None, instruct: bool
) -> None:
    assert instruct_supported(Source({**FILES, **files}, LLAMA, tokenizer), "llama") is instruct


KEY = "arn:aws:kms:us-east-1:123456789012:key/12345678-1234-1234-1234-123456789012"


@pytest.mark.parametrize(
    ("given", "answered"),
    [
        (KEY, KEY),
        ("12345678-1234-1234-1234-123456789012", KEY),
        ("alias/mine", "arn:aws:kms:us-east-1:123456789012:key/38a0c40b-f3c7-1225-05fd-40c813a7c946"),
    ],
)
def test_a_jobs_key_and_network_are_the_models(given: str, answered: str) -> None:
    control = Control(import_s=1)
    vpc = {"subnetIds": ["subnet-1", "subnet-2"], "securityGroupIds": ["sg-1"]}
    control.create_job(ask("k", "k", importedModelKmsKeyId=given, vpcConfig=vpc), 0)
    control.jobs[-1].source = GOOD
    job, model = control.get_job("k", 10), control.get_model("k", 10)
    assert (job["importedModelKmsKeyArn"], job["vpcConfig"], model["modelKmsKeyArn"]) == (answered, vpc, answered)
    finished(control, "plain", GOOD, 100)
    assert "modelKmsKeyArn" not in control.get_model("plain", 200)


def test_a_network_has_subnets_and_groups() -> None:
    for vpc in (
        {"subnetIds": ["a"]},
        {"subnetIds": [], "securityGroupIds": ["a"]},
        {"subnetIds": ["a"] * 17, "securityGroupIds": ["a"]},
        {"subnetIds": ["a"], "securityGroupIds": ["a"] * 6},
        {"subnetIds": ["a_b"], "securityGroupIds": ["a"]},
    ):
        assert refused(Control(), ask(vpcConfig=vpc)) == "ValidationException"


def test_quotas_of_an_account() -> None:
    control = Control(import_s=1, quotas=Quotas(models=1))
    finished(control, "a", GOOD, 0)
    assert refused(control, ask("b", "b"), 100) == "ServiceQuotaExceededException"


def test_a_message_names_all_that_is_wrong() -> None:
    with pytest.raises(ServiceError) as caught:
        Control().create_job({"jobName": "a b", "importedModelName": "m"}, 0)
    assert str(caught.value) == (
        "3 validation errors detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null; "
        "Value null at 'modelDataSource' failed to satisfy constraint: Member must not be null; Value 'a b' at "
        "'jobName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
        r"[a-zA-Z0-9](-*[a-zA-Z0-9\+\-\.])*"
    )


@pytest.mark.parametrize(
    "identifier", ["a b", "arn:aws:bedrock:us-east-1:123456789012:imported-model/SHORT", "a" * 1012]
)
def test_an_identifier_is_an_arn_or_a_name(identifier: str) -> None:
    control = Control()
    for ask_for in (control.get_model, control.get_job, control.delete_model):
        with pytest.raises(ServiceError) as caught:
            ask_for(identifier, 0)
        assert caught.value.name == "ValidationException"
    with pytest.raises(ServiceError) as caught:
        control.get_model("arn:aws:bedrock:us-east-1:123456789012:imported-model/absent000000", 0)
    assert caught.value.name == "ResourceNotFoundException"


def test_the_client_and_the_emulator_know_the_same_architectures() -> None:
    assert sorted(ARCHITECTURES) == sorted(facts.ARCHITECTURES)


def test_a_vision_model_is_imported_without_converse() -> None:
    control = Control(import_s=1)
    source = Source(FILES, {"architectures": ["Qwen2_5_VLForConditionalGeneration"]})
    assert finished(control, "v", source, 0)["status"] == COMPLETED
    model = control.get_model("v", 10)
    assert (model["modelArchitecture"], model["instructSupported"]) == ("qwen2_5_vl", False)
