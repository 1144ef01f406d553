"""The account's regions: each has its own jobs and imported models. PURE.

In: a request's headers, the identifier of a model. Out: the region that the request is for, and what is there. The
region is that of the signature, as with the service; without a signature it is that of the ARN.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmdyno.emulator.bedrock import REGION
from llmdyno.emulator.control import Control, Job, Model

_SCOPE = re.compile(r"Credential=[^/,]*/[0-9]{8}/([a-z0-9-]{1,20})/([a-z0-9-]{1,40})/aws4_request")
_ARN = re.compile(r"arn:aws[a-z0-9-]*:bedrock:([a-z0-9-]{1,20}):")
_MOST = 100
"""How many regions are kept apart. A client may name any."""


def scope_of(headers: dict[str, str]) -> tuple[str, str] | None:
    """Region and service that a request is signed for; None if it is not signed."""
    found = _SCOPE.search(headers.get("authorization", ""))
    return None if found is None else (found[1], found[2])


def arn_region(identifier: str) -> str | None:
    """The region of an ARN; None if it is none."""
    found = _ARN.match(identifier)
    return None if found is None else found[1]


def region_of(headers: dict[str, str], identifier: str = "") -> str:
    """The region that a request is for."""
    scope = scope_of(headers)
    return scope[0] if scope is not None else arn_region(identifier) or REGION


class Regions:
    """Jobs and models by region, all with the same durations, age and quotas as those of the `home` region."""

    def __init__(self, home: Control) -> None:
        self._import_s = home.import_s
        self._legacy = home.legacy
        self._quotas = home.quotas
        self._known = {home.region: home}

    def at(self, region: str) -> Control:
        """What is in a region. One that is new is kept, unless there are very many."""
        found = self._known.get(region)
        if found is None:
            found = Control(self._import_s, self._legacy, quotas=self._quotas, region=region)
            if len(self._known) < _MOST:
                self._known[region] = found
        return found

    def jobs(self) -> Iterator[Job]:
        """The jobs of all regions."""
        for control in self._known.values():
            yield from control.jobs

    def models(self) -> Iterator[Model]:
        """The models of all regions."""
        for control in self._known.values():
            yield from control.models
