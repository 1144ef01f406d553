"""An import job as the user wants it, checked before anything is uploaded. PURE.

In: the values of flags. Out: the request of CreateModelImportJob. The patterns are those of the service's model
(botocore's `bedrock`, 2023-04-20); botocore itself does not check them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmdyno.errors import InputError
from llmdyno.spec.keys import shown_value

MOST_TAGS = 50
"""Tags of a resource, as the service's TooManyTagsException says."""
_MOST_SUBNETS, _MOST_GROUPS = 16, 5
_JOB_NAME_TOKEN, _JOB_NAME_MODEL = 12, 40


class _Field(NamedTuple):
    """A field of the request: its pattern, its greatest length, and what fits."""

    pattern: str
    most: int
    fits: str


_NETWORK = r"[-0-9a-zA-Z]+"
_TAG = r"[a-zA-Z0-9\s._:/=+@-]*"
_KEY = r"key/[a-zA-Z0-9-]{36}"
_ALIAS = r"alias/[a-zA-Z0-9-_/]+"
_FIELDS = {
    "--name": _Field(r"([0-9a-zA-Z][_-]?)+", 63, "up to 63 letters, digits, single - and _"),
    "--job-name": _Field(r"[a-zA-Z0-9][a-zA-Z0-9+.-]*", 63, "up to 63 letters, digits, +, - and ."),
    "--role": _Field(
        r"arn:aws(-[^:]+)?:iam::([0-9]{12})?:role/.+", 2048, "the ARN of a role, arn:aws:iam::123456789012:role/NAME"
    ),
    "--kms-key": _Field(
        rf"(arn:aws(-[^:]+)?:kms:[a-zA-Z0-9-]*:[0-9]{{12}}:(({_KEY})|({_ALIAS})))|([a-zA-Z0-9-]{{36}})|({_ALIAS})",
        2048,
        "the ARN or the ID of a KMS key, or alias/NAME",
    ),
    "--vpc-subnet": _Field(_NETWORK, 32, "the ID of a subnet, such as subnet-0123456789abcdef0"),
    "--vpc-security-group": _Field(_NETWORK, 32, "the ID of a security group, such as sg-0123456789abcdef0"),
    "--client-request-token": _Field(
        r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,254}[a-zA-Z0-9])?", 256, "up to 256 letters, digits and -, without - at the ends"
    ),
    "--bucket, --prefix": _Field(
        r"s3://[a-z0-9][-.a-z0-9]{1,61}[a-z0-9](?:/[-!_*'().a-z0-9A-Z]+(?:/[-!_*'().a-z0-9A-Z]+)*)?/?",
        1024,
        "a bucket of 3 to 63 small letters, digits, - and .; a prefix of letters, digits, /, - ! _ * ' ( ) and .",
    ),
}
_TAG_FITS = "KEY=VALUE: a key of 1 to 128 and a value of up to 256 letters, digits, spaces and . _ : / = + @ -"


@dataclass(frozen=True, slots=True)
class ImportJob:
    """An import job. Tags are by key; None or empty: the request does not have the field.

    Attributes:
        model: the name of the imported model.
        name: of the job.
        bucket: that holds the files.
        prefix: under which they are, without slashes at its ends.
        kms_key: encrypts the model.
        subnets: of the job's VPC, with `security_groups`; both or neither.
        job_tags: tags of the job.
        model_tags: tags of the imported model.
        token: repeats of a request with the same token start no other job.
    """

    model: str
    name: str
    bucket: str
    prefix: str
    kms_key: str | None = None
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    job_tags: tuple[tuple[str, str], ...] = ()
    model_tags: tuple[tuple[str, str], ...] = ()
    token: str | None = None

    @property
    def location(self) -> str:
        """The S3 URI of the files."""
        return f"s3://{self.bucket}/{self.prefix}/"

    def request(self, role: str) -> dict[str, Any]:
        """The arguments of CreateModelImportJob."""
        request: dict[str, Any] = {
            "jobName": self.name,
            "importedModelName": self.model,
            "roleArn": role,
            "modelDataSource": {"s3DataSource": {"s3Uri": self.location}},
        }
        if self.kms_key is not None:
            request["importedModelKmsKeyId"] = self.kms_key
        if self.subnets:
            groups = list(self.security_groups)
            request["vpcConfig"] = {"subnetIds": list(self.subnets), "securityGroupIds": groups}
        for field, tags in (("jobTags", self.job_tags), ("importedModelTags", self.model_tags)):
            if tags:
                request[field] = [{"key": key, "value": value} for key, value in tags]
        if self.token is not None:
            request["clientRequestToken"] = self.token
        return request

    def problems(self, role: str | None) -> list[InputError]:
        """What the service would refuse in this job. `role`: its ARN; None: it is not known yet."""
        given = {
            "--name": [self.model],
            "--job-name": [self.name],
            "--role": _given(role),
            "--bucket, --prefix": [self.location],
            "--kms-key": _given(self.kms_key),
            "--vpc-subnet": self.subnets,
            "--vpc-security-group": self.security_groups,
            "--client-request-token": _given(self.token),
        }
        found = [problem for flag, values in given.items() for problem in _unfit(flag, values)]
        return [*found, *self._network_problems()]

    def _network_problems(self) -> Iterable[InputError]:
        for flag, values, most, other in (
            ("--vpc-subnet", self.subnets, _MOST_SUBNETS, "--vpc-security-group"),
            ("--vpc-security-group", self.security_groups, _MOST_GROUPS, "--vpc-subnet"),
        ):
            if len(values) > most:
                yield InputError(flag, f"given {len(values)} times", f"what fits: up to {most} of them")
            if not values and (self.subnets or self.security_groups):
                yield InputError(flag, f"not given, and {other} needs it", "give both, or neither")

    def region_problem(self, region: str) -> InputError | None:
        """The key of another region, which the service cannot use in `region`; None: it fits, or its region is open."""
        parts = (self.kms_key or "").split(":")
        if len(parts) < 6 or parts[3] in ("", region):
            return None
        return InputError("--kms-key", f"is a key of {shown_value(parts[3])}", f"use a key of {region}, as the import")


def read_tags(flag: str, texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Tags by key, from texts of the form KEY=VALUE.

    Raises:
        InputError: one does not fit, a key comes twice, or there are too many.
    """
    tags: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        plain = re.fullmatch(_TAG, key, re.ASCII) and re.fullmatch(_TAG, value, re.ASCII)
        if not equals or not 1 <= len(key) <= 128 or len(value) > 256 or not plain:
            raise InputError(flag, f"{shown_value(text)} does not fit", f"what fits: {_TAG_FITS}")
        if key.lower().startswith("aws:"):
            raise InputError(
                flag, f"the key {shown_value(key)} is AWS's own", "use a key that does not begin with aws:"
            )
        if key in tags:
            raise InputError(flag, f"the key {shown_value(key)} is given twice", "give each key once")
        tags[key] = value
    if len(tags) > MOST_TAGS:
        raise InputError(flag, f"given {len(tags)} times", f"what fits: up to {MOST_TAGS} tags")
    return tuple(tags.items())


def job_name(model: str, token: str | None, stamp: str) -> str:
    """The name of a job that the user gave none: the model's name and `stamp`. With a token it is the same each time,
    so that a repeated request is the same request. A job's name has no underscore."""
    end = stamp if token is None else hashlib.sha256(token.encode()).hexdigest()[:_JOB_NAME_TOKEN]
    return f"{model[:_JOB_NAME_MODEL].replace('_', '-')}-{end}"


def fits(flag: str, value: str) -> bool:
    """Whether a flag's value is one that the service accepts."""
    field = _FIELDS[flag]
    return 0 < len(value) <= field.most and re.fullmatch(field.pattern, value, re.ASCII) is not None


def _given(value: str | None) -> list[str]:
    return [] if value is None else [value]


def _unfit(flag: str, values: Iterable[str]) -> Iterable[InputError]:
    for value in values:
        if not fits(flag, value):
            yield InputError(flag, f"{shown_value(value)} does not fit", f"what fits: {_FIELDS[flag].fits}")
