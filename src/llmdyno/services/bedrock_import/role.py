"""The IAM role with which an import job works: what it may do, and its creation.

In: a job. Out: policies, and a role in IAM. The policies are those of the user guide's pages on the role of an import,
on its VPC, and on a key of the customer's own. A role gets no more than the job needs.
"""

from __future__ import annotations

import json
from typing import Any

from llmdyno.aws.clients import Aws, aws_errors
from llmdyno.services.bedrock_import.job import ImportJob

_KMS = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")
_DESCRIBE = ("NetworkInterfaces", "Vpcs", "DhcpOptions", "Subnets", "SecurityGroups")


def create_role(aws: Aws, name: str, job: ImportJob) -> str:
    """Create or update the role of a job; return its ARN.

    Raises:
        InputError: IAM or STS refuses.
    """
    with aws_errors("--create-role", aws):
        account = str(aws.client("sts").get_caller_identity()["Account"])
        iam = aws.client("iam")
        trust = _policy([trust_statement(aws.region, account)])
        try:
            arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
        except iam.exceptions.EntityAlreadyExistsException:
            arn = iam.get_role(RoleName=name)["Role"]["Arn"]
            iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        for policy, statements in policies(job, aws.region, account).items():
            iam.put_role_policy(RoleName=name, PolicyName=policy, PolicyDocument=_policy(statements))
    return str(arn)


def trust_statement(region: str, account: str) -> dict[str, Any]:
    """Who may take the role: import jobs of this account and region."""
    source = {"ArnEquals": {"aws:SourceArn": _jobs(region, account)}}
    return {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}, **source},
    }


def policies(job: ImportJob, region: str, account: str) -> dict[str, list[dict[str, Any]]]:
    """The role's policies by name: reading the files, and what the job's key and VPC need."""
    files = [f"arn:aws:s3:::{job.bucket}", f"arn:aws:s3:::{job.bucket}/{job.prefix}/*"]
    found = {"read-model": [_allow(["s3:GetObject", "s3:ListBucket"], files)]}
    if job.kms_key is not None:
        found["use-key"] = [_key_statement(job.kms_key, region, account)]
    if job.subnets:
        found["use-vpc"] = _vpc_statements(job, region, account)
    return found


def actions(job: ImportJob) -> list[str]:
    """All that the role may do, for a person."""
    statements = (one for policy in policies(job, "REGION", "ACCOUNT").values() for one in policy)
    return sorted({action for statement in statements for action in statement["Action"]})


def _key_statement(key: str, region: str, account: str) -> dict[str, Any]:
    """Use of one key. An alias cannot stand in a resource: the condition names it, and admits no other key."""
    own, _, name = key.rpartition(":")
    own = own or f"arn:aws:kms:{region}:{account}"
    if name.startswith("alias/"):
        return _allow(list(_KMS), f"{own}:key/*", {"ForAnyValue:StringEquals": {"kms:ResourceAliases": name}})
    return _allow(list(_KMS), f"{own}:{name}" if name.startswith("key/") else f"{own}:key/{name}")


def _vpc_statements(job: ImportJob, region: str, account: str) -> list[dict[str, Any]]:
    """Network interfaces in the job's subnets, marked by the service as its own."""
    ec2 = f"arn:aws:ec2:{region}:{account}"
    subnets = [f"{ec2}:subnet/{one}" for one in job.subnets]
    groups = [f"{ec2}:security-group/{one}" for one in job.security_groups]
    jobs = _jobs(region, account)
    requested = {
        "StringEquals": {"aws:RequestTag/BedrockManaged": "true"},
        "ArnEquals": {"aws:RequestTag/BedrockModelImportJobArn": jobs},
    }
    own = {
        "StringEquals": {"ec2:ResourceTag/BedrockManaged": "true"},
        "ArnEquals": {"ec2:Subnet": subnets, "ec2:ResourceTag/BedrockModelImportJobArn": jobs},
    }
    tagging = {
        "StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["BedrockManaged", "BedrockModelImportJobArn"]},
    }
    ended = ["CreateNetworkInterfacePermission", "DeleteNetworkInterface", "DeleteNetworkInterfacePermission"]
    return [
        _allow([f"ec2:Describe{one}" for one in _DESCRIBE], "*"),
        _allow(["ec2:CreateNetworkInterface"], f"{ec2}:network-interface/*", requested),
        _allow(["ec2:CreateNetworkInterface"], [*subnets, *groups]),
        _allow([f"ec2:{one}" for one in ended], "*", own),
        _allow(["ec2:CreateTags"], f"{ec2}:network-interface/*", tagging),
    ]


def _allow(what: list[str], resource: str | list[str], condition: dict[str, Any] | None = None) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": "Allow", "Action": what, "Resource": resource}
    return statement if condition is None else {**statement, "Condition": condition}


def _jobs(region: str, account: str) -> str:
    return f"arn:aws:bedrock:{region}:{account}:model-import-job/*"


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
