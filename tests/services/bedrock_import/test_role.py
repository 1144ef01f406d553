"""What the role of an import may do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from llmdyno.services.bedrock_import.job import ImportJob
from llmdyno.services.bedrock_import.role import actions, policies, trust_statement

JOB = ImportJob("mine", "mine-1", "bucket", "prefix")
ID = "12345678-1234-1234-1234-123456789012"
READ = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:ListBucket"],
    "Resource": ["arn:aws:s3:::bucket", "arn:aws:s3:::bucket/prefix/*"],
}
KMS = ["kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"]


def test_a_plain_job_only_reads() -> None:
    assert policies(JOB, "us-west-2", "123456789012") == {"read-model": [READ]}
    assert actions(JOB) == ["s3:GetObject", "s3:ListBucket"]


def test_import_jobs_of_the_account_take_it() -> None:
    assert trust_statement("us-west-2", "123456789012")["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnEquals": {"aws:SourceArn": "arn:aws:bedrock:us-west-2:123456789012:model-import-job/*"},
    }


@pytest.mark.parametrize(
    ("key", "resource", "condition"),
    [
        (ID, f"arn:aws:kms:us-west-2:123456789012:key/{ID}", None),
        (f"arn:aws:kms:us-west-2:999999999999:key/{ID}", f"arn:aws:kms:us-west-2:999999999999:key/{ID}", None),
        (
            "alias/a/b",
            "arn:aws:kms:us-west-2:123456789012:key/*",
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a/b"}},
        ),
        (
            "arn:aws:kms:us-west-2:999999999999:alias/a",
            "arn:aws:kms:us-west-2:999999999999:key/*",
            {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/a"}},
        ),
    ],
)
def test_one_key(key: str, resource: str, condition: dict[str, object] | None) -> None:
    found = policies(replace(JOB, kms_key=key), "us-west-2", "123456789012")
    expected = {"Effect": "Allow", "Action": KMS, "Resource": resource}
    assert found == {
        "read-model": [READ],
        "use-key": [expected if condition is None else {**expected, "Condition": condition}],
    }


def test_a_network() -> None:
    job = replace(JOB, subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",))
    statements = policies(job, "us-west-2", "123456789012")["use-vpc"]
    ec2, jobs = "arn:aws:ec2:us-west-2:123456789012", "arn:aws:bedrock:us-west-2:123456789012:model-import-job/*"
    subnets = [f"{ec2}:subnet/subnet-1", f"{ec2}:subnet/subnet-2"]
    assert [(one["Action"], one["Resource"]) for one in statements] == [
        (
            [
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeVpcs",
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeSubnets",
                "ec2:DescribeSecurityGroups",
            ],
            "*",
        ),
        (["ec2:CreateNetworkInterface"], f"{ec2}:network-interface/*"),
        (["ec2:CreateNetworkInterface"], [*subnets, f"{ec2}:security-group/sg-1"]),
        (
            [
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            "*",
        ),
        (["ec2:CreateTags"], f"{ec2}:network-interface/*"),
    ]
    assert statements[1]["Condition"]["ArnEquals"] == {"aws:RequestTag/BedrockModelImportJobArn": jobs}
    assert statements[3]["Condition"]["ArnEquals"] == {
        "ec2:Subnet": subnets,
        "ec2:ResourceTag/BedrockModelImportJobArn": jobs,
    }
    assert set(KMS).isdisjoint(actions(job))
