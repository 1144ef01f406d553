"""An import job's request, and the values that the service would refuse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from llmdyno.errors import InputError
from llmdyno.services.bedrock_import import job as checked
from llmdyno.services.bedrock_import.job import ImportJob, fits, job_name, read_tags

JOB = ImportJob("mine", "mine-1", "bucket", "prefix/deep")
ROLE = "arn:aws:iam::123456789012:role/r"
ID = "12345678-1234-1234-1234-123456789012"


def told(change: dict[str, Any], role: str | None = ROLE) -> list[str]:
    return [str(one) for one in replace(JOB, **change).problems(role)]


def test_a_plain_job_asks_for_nothing_more() -> None:
    assert told({}) == told({}, None) == []
    assert JOB.request(ROLE) == {
        "jobName": "mine-1",
        "importedModelName": "mine",
        "roleArn": ROLE,
        "modelDataSource": {"s3DataSource": {"s3Uri": "s3://bucket/prefix/deep/"}},
    }


@pytest.mark.parametrize(
    ("flag", "value", "good"),
    [
        ("--name", "a-b_c9", True),
        ("--name", "a--b", False),
        ("--name", "a" * 64, False),
        ("--name", "", False),
        ("--name", "é", False),
        ("--job-name", "a--b+c.d", True),
        ("--job-name", "-a", False),
        ("--job-name", "a" + "-" * 61 + "_", False),
        ("--role", "arn:aws-cn:iam::123456789012:role/path/r", True),
        ("--role", "arn:aws:iam::123456789012:user/r", False),
        ("--kms-key", ID, True),
        ("--kms-key", "alias/my/key", True),
        ("--kms-key", f"arn:aws:kms:us-east-1:123456789012:key/{ID}", True),
        ("--kms-key", "arn:aws:kms:us-east-1:123456789012:alias/x", True),
        ("--kms-key", "mrk-1234abcd12ab34cd56ef1234567890ab", True),
        ("--kms-key", "short", False),
        ("--kms-key", "arn:aws:kms:us-east-1::key/" + ID, False),
        ("--vpc-subnet", "subnet-0123456789abcdef0", True),
        ("--vpc-subnet", "subnet_1", False),
        ("--vpc-security-group", "s" * 33, False),
        ("--client-request-token", "a", True),
        ("--client-request-token", "a-b", True),
        ("--client-request-token", "ab-", False),
        ("--client-request-token", "a" * 257, False),
        ("--bucket, --prefix", "s3://bucket/model v2/", False),
        ("--bucket, --prefix", "s3://bucket//", False),
        ("--bucket, --prefix", "s3://my.bucket-1/a/b_c(1)!/", True),
    ],
)
def test_values(flag: str, value: str, good: bool) -> None:
    assert fits(flag, value) is good


def test_the_patterns_are_those_of_the_services_model() -> None:
    model = botocore.session.get_session().get_service_model("bedrock")
    own = {
        "--name": "ImportedModelName",
        "--role": "RoleArn",
        "--kms-key": "KmsKeyId",
        "--vpc-subnet": "SubnetId",
        "--vpc-security-group": "SecurityGroupId",
        "--client-request-token": "IdempotencyToken",
        "--bucket, --prefix": "S3Uri",
    }
    for flag, shape in own.items():
        metadata = model.shape_for(shape).metadata
        field = checked._FIELDS[flag]
        assert (field.pattern, field.most) == (metadata["pattern"], metadata["max"]), flag
    assert checked._FIELDS["--job-name"].most == model.shape_for("JobName").metadata["max"]
    assert model.shape_for("TagKey").metadata["pattern"] == checked._TAG


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"subnets": ("subnet-1",)},
            ["--vpc-security-group: not given, and --vpc-subnet needs it; give both, or neither"],
        ),
        (
            {"security_groups": ("sg-1",)},
            ["--vpc-subnet: not given, and --vpc-security-group needs it; give both, or neither"],
        ),
        (
            {"subnets": ("s",) * 17, "security_groups": ("g",) * 6},
            [
                "--vpc-subnet: given 17 times; what fits: up to 16 of them",
                "--vpc-security-group: given 6 times; what fits: up to 5 of them",
            ],
        ),
        (
            {"subnets": ("a_1", "b"), "security_groups": ("g",)},
            ["--vpc-subnet: 'a_1' does not fit; what fits: the ID of a subnet, such as subnet-0123456789abcdef0"],
        ),
        ({"subnets": ("s",) * 16, "security_groups": ("g",) * 5}, []),
    ],
)
def test_subnets_and_groups_come_together(change: dict[str, Any], expected: list[str]) -> None:
    assert told(change) == expected


@pytest.mark.parametrize(
    ("key", "region", "other"),
    [
        (None, "us-east-1", None),
        (ID, "us-east-1", None),
        ("alias/x", "us-east-1", None),
        (f"arn:aws:kms:us-east-1:123456789012:key/{ID}", "us-east-1", None),
        (f"arn:aws:kms:us-east-1:123456789012:key/{ID}", "us-west-2", "us-east-1"),
    ],
)
def test_a_key_is_of_the_imports_region(key: str | None, region: str, other: str | None) -> None:
    found = replace(JOB, kms_key=key).region_problem(region)
    assert (found is None) == (other is None)
    assert found is None or found.problem == f"is a key of '{other}'"


def test_tags() -> None:
    assert read_tags("--tag", ["a=b", "c=", "d e=x=y"]) == (("a", "b"), ("c", ""), ("d e", "x=y"))
    assert read_tags("--tag", []) == ()
    assert len(read_tags("--tag", [f"k{one}=" for one in range(50)])) == 50


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        (["a"], "'a' does not fit"),
        (["=b"], "'=b' does not fit"),
        (["a!=b"], "'a!=b' does not fit"),
        (["a=b*"], "'a=b*' does not fit"),
        (["k" * 129 + "=v"], "does not fit"),
        (["k=" + "v" * 257], "does not fit"),
        (["AWS:x=y"], "the key 'AWS:x' is AWS's own"),
        (["a=1", "a=2"], "the key 'a' is given twice"),
        ([f"k{one}=" for one in range(51)], "given 51 times"),
    ],
)
def test_tags_that_do_not_fit(texts: list[str], problem: str) -> None:
    with pytest.raises(InputError) as caught:
        read_tags("--tag", texts)
    assert (caught.value.where, problem in caught.value.problem) == ("--tag", True)


def test_a_repeated_request_has_the_same_name() -> None:
    assert job_name("mine", None, "20261125-120000") == "mine-20261125-120000"
    assert job_name("mine", "t", "1") == job_name("mine", "t", "2") == "mine-e3b98a4da31a"
    assert job_name("mine", "u", "1") != job_name("mine", "t", "1")
    assert fits("--job-name", job_name("m_" * 31 + "m", "t" * 256, "1"))
