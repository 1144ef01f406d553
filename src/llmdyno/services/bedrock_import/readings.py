"""Asks AWS about a run's model, and keeps the answer in the run directory as cloudwatch.json.

In: a run, what is known of its model, how to ask. Out: :class:`~llmdyno.services.bedrock_import.cloudwatch.Readings`
and a copy's units. A question that AWS does not answer becomes a note: the rest of a report does not depend on it.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import replace
from typing import Any, NamedTuple

from llmdyno.aws.clients import Aws
from llmdyno.aws.session import local_url
from llmdyno.errors import InputError
from llmdyno.protocols.bedrock import REFUSALS
from llmdyno.runs.directory import add_json, load_json
from llmdyno.runs.environment import ModelFacts
from llmdyno.runs.run import Run
from llmdyno.services.bedrock_import.cloudwatch import POLL_S, Readings, from_json, read, wait_for
from llmdyno.services.bedrock_import.models import describe, units_of
from llmdyno.services.calls import calls_of
from llmdyno.services.clock import ServiceClock
from llmdyno.services.service import Inquiry, Overrides, Say, quiet

CLOUDWATCH = "cloudwatch.json"
_AROUND_S = 60.0
"""The datapoint after a run's last minute shows the copies that were there at its end."""
_BRIEF: dict[str, Any] = {"connect_timeout_s": 3.0, "read_timeout_s": 10.0, "attempts": 1}
"""How AWS is asked right after a run: the user waits for it."""
_SHORTEST_POLL_S = 0.2


class Answers(NamedTuple):
    """What AWS and the user know together: readings (None: none), overrides completed by GetImportedModel, and notes on
    what was not answered."""

    readings: Readings | None
    overrides: Overrides
    notes: tuple[str, ...]


def inquire(run: Run, facts: ModelFacts, overrides: Overrides, inquiry: Inquiry) -> Answers:
    """Ask AWS what neither the run directory nor the user knows: CloudWatch's readings and the units of a copy."""
    by_hand = overrides.copies is not None
    stored = None if by_hand else stored_readings(run)
    if not inquiry.ask or facts.arn is None:
        return Answers(stored, overrides, ())
    if run.emulated is not None and run.emulated.embedded and not by_hand:
        note = "the embedded emulator ended with its run: there is no CloudWatch to ask"
        return Answers(stored, overrides, (note,))
    wanted = not by_hand and (stored is None or not stored.covered or inquiry.refresh)
    versionless = overrides.units_version is None and facts.units_version is None
    unitless = (overrides.units is None and facts.units is None) or (
        versionless and overrides.dollars_per_cmu_minute is None
    )
    if not wanted and not unitless:
        return Answers(stored, overrides, ())
    notes: list[str] = []
    try:
        aws = _clients(run, facts, inquiry)
        try:
            if unitless:
                overrides = _with_units(aws, facts.arn, overrides, notes)
            if wanted:
                stored = collect(run, aws, facts.arn, wait_s=inquiry.wait_s, say=inquiry.say)
        finally:
            aws.close()
    except InputError as error:
        if not by_hand:
            notes.append(f"CloudWatch was not read: {error.problem}; {error.fits}")
        if stored is not None and not stored.series:
            stored = None  # it holds no more than an earlier failure, and this one's note is newer
    return Answers(stored, overrides, tuple(notes))


def _clients(run: Run, facts: ModelFacts, inquiry: Inquiry) -> Aws:
    return Aws(
        inquiry.region or facts.region,
        inquiry.profile or run.spec.profile,
        _endpoint_url(run, inquiry.endpoint_url, inquiry.profile or run.spec.profile),
    )


def _endpoint_url(run: Run, given: str | None, profile: str | None) -> str | None:
    """The URL for AWS's services; None: AWS's own configuration says it.

    Raises:
        InputError: AWS itself would be asked about the model of an emulator, and would get the credentials.
    """
    url = given or run.spec.endpoint_url
    if url is None and run.emulated is not None and local_url("cloudwatch", os.environ, profile) is None:
        fits = "give the emulator's --endpoint-url, or set AWS_ENDPOINT_URL"
        raise InputError("--endpoint-url", "not given, and the run measured an emulator", fits)
    return url


def _with_units(aws: Aws, model: str, overrides: Overrides, notes: list[str]) -> Overrides:
    try:
        units, version = units_of(describe(aws, model))
    except InputError as error:
        notes.append(f"GetImportedModel was not answered: {error.problem}; {error.fits}")
        return overrides
    return replace(overrides, units=overrides.units or units, units_version=overrides.units_version or version)


def collect(run: Run, aws: Aws, arn: str, *, wait_s: float | None, say: Say = quiet) -> Readings:
    """Read CloudWatch for a run and keep the readings.

    Args:
        run: of an imported model.
        aws: its account's clients.
        arn: the model's.
        wait_s: how long after the run's end to wait for late datapoints, seconds at real speed; None: read once.
        say: hears for how long at most it waits.

    Raises:
        InputError: CloudWatch refuses, or the run sent nothing.
    """
    clock = ServiceClock.of(run)
    from_s, to_s = span_of(run, clock)
    if wait_s is None:  # the current minute has no datapoint yet
        readings = read(aws, arn, from_s, min(to_s, clock.at_wall(time.time())))
    else:
        ended_s = clock.wall_origin_unix_s + (to_s - _AROUND_S - clock.origin_unix_s) / clock.speed
        readings = wait_for(
            lambda: read(aws, arn, from_s, to_s),
            ended_s + (wait_s + _AROUND_S) / clock.speed,
            on_wait=lambda left_s: say(f"waiting for CloudWatch's last datapoints, {left_s:.0f} s at most"),
            poll_s=max(_SHORTEST_POLL_S, POLL_S / clock.speed),
        )
    try:
        add_json(run.path, CLOUDWATCH, readings.as_json())
    except OSError as error:
        readings.notes.append(
            f"{CLOUDWATCH} cannot be written ({error.strerror}); the next report asks CloudWatch again"
        )
    return readings


def read_once(run: Run, facts: ModelFacts) -> None:
    """Right after a run, keep what CloudWatch has by now, or why it was not read. It does not wait."""
    try:
        aws = Aws(facts.region, run.spec.profile, _endpoint_url(run, None, run.spec.profile), **_BRIEF)
    except InputError:
        return
    try:
        collect(run, aws, str(facts.arn), wait_s=None)
    except InputError as error:
        nothing = Readings(0, 0, notes=[f"CloudWatch was not read: {error.problem}"])
        with contextlib.suppress(OSError):  # the run itself is written
            add_json(run.path, CLOUDWATCH, nothing.as_json())
    finally:
        aws.close()


def stored_readings(run: Run) -> Readings | None:
    """What an earlier reading of CloudWatch left in the run directory."""
    try:
        return from_json(load_json(run.path, CLOUDWATCH) or {})
    except (KeyError, ValueError):
        return None


def span_of(run: Run, clock: ServiceClock) -> tuple[float, float]:
    """The run's span in the service's unix seconds, with a minute more at its end.

    Raises:
        InputError: nothing was sent.
    """
    calls = calls_of(run.timeline, REFUSALS, clock.speed)
    if not len(calls):
        raise InputError(str(run.path), "this run sent nothing", "give a run that sent requests")
    return clock.origin_unix_s + float(calls.sent_s[0]), clock.origin_unix_s + float(calls.end_s.max()) + _AROUND_S
