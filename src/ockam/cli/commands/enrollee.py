"""`ockam enrollee`: the device's side."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import click

from ockam.cli.command import Group, run
from ockam.cli.durations import duration
from ockam.cli.failures import Conflict
from ockam.cli.output import Output, facts
from ockam.cli.settings import ENROLLEE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from ockam.cli.questions import Questions
    from ockam.cli.settings import Settings
    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.enrollment.workers.enrollment import Enrollment

group = Group(name="enrollee", help="Enroll this device.")

_at = click.option("--at", default=ENROLLEE, show_default=True, metavar="NODE", help="The device's node, in this home.")
_name = click.option("--name", help="What people call the device, such as `Robot Axiom`.")
_service = click.option(
    "--service", metavar="IDENTIFIER", help="The only service to enroll with [default: the one of the bundle]."
)
_wait = click.option(
    "--wait", type=duration, default="60s", show_default=True, help="How long to wait for the service's answer."
)


@group.command("offer")
@_name
@_at
@click.pass_obj
def offer(settings: Settings, name: str | None, at: str) -> None:
    """Print the device's offer: what an enroller approves it by. It is no secret."""
    run(_offer(settings, name, at))


@group.command("enroll")
@click.argument("bundle")
@_service
@_wait
@_name
@_at
@click.pass_obj
def enroll(settings: Settings, bundle: str, service: str | None, wait: float, name: str | None, at: str) -> None:
    """Enroll with a bundle: its text, its file or - for stdin."""
    from ockam.cli.texts import read_bytes
    from ockam.enrollment.enrollment_bundle import BUNDLE_PREFIX

    run(_enroll(settings, read_bytes(bundle, BUNDLE_PREFIX), service, wait, name, at))


@group.command("run")
@click.option("--enroller", "station", required=True, metavar="ADDRESS", help="The enroller's station, HOST:PORT.")
@_name
@_service
@click.option("--yes", is_flag=True, help="Confirm the code without asking: for a device without a screen.")
@_wait
@_at
@click.pass_obj
def run_enrollee(
    settings: Settings, station: str, name: str | None, service: str | None, yes: bool, wait: float, at: str
) -> None:
    """Get a bundle from an enroller's station, and enroll with it."""
    from ockam.cli.questions import Questions

    run(_run(settings, Questions(Output(settings), yes=yes), station, name, service, wait, at))


@group.command("status")
@_at
@click.pass_obj
def status(settings: Settings, at: str) -> None:
    """Say how far the device is: offered, waiting for an answer, or enrolled."""
    run(_status(settings, at))


@asynccontextmanager
async def _open(
    settings: Settings, at: str, name: str | None = None, service: str | None = None
) -> AsyncIterator[Enrollee]:
    from ockam import Identifier, Node

    expected = None if service is None else Identifier.parse(service)
    async with Node(home=settings.node_home(at)) as node:
        enrollee = await node.create_enrollee(name, expected)
        try:
            yield enrollee
        finally:
            await enrollee.close()


def _refuse_if_enrolled(enrollee: Enrollee) -> None:
    if enrollee.enrollment is not None:
        raise Conflict(
            f"This device is enrolled already, as {enrollee.enrollment.identifier}.",
            "Choose another node with --at to enroll another device.",
        )


async def _offer(settings: Settings, name: str | None, at: str) -> None:
    async with _open(settings, at, name) as enrollee:
        _refuse_if_enrolled(enrollee)
        made = enrollee.offer
    output = Output(settings)
    value = {"id": made.enrollment_identifier.hex(), "name": made.pet_name, "offer": made.text}
    output.result(value, plain=made.text, machine=made.text)
    output.note(
        f"{made.pet_name or 'This device'} is {made.enrollment_identifier.hex()[:20]}; give the offer to an enroller."
    )


async def _enroll(
    settings: Settings, bundle: bytes, service: str | None, wait: float, name: str | None, at: str
) -> None:
    from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle

    output = Output(settings)
    async with _open(settings, at, name, service) as enrollee:
        _refuse_if_enrolled(enrollee)
        signed = SignedEnrollmentBundle.load(bundle)
        enrollment = await enrollee.enroll(signed, wait)
    if service is None:
        output.note(
            f"Enrolled with the service {enrollment.service}, which the bundle named; --service makes sure of it."
        )
    _print_enrollment(output, enrollment)


async def _run(
    settings: Settings,
    questions: Questions,
    station: str,
    name: str | None,
    service: str | None,
    wait: float,
    at: str,
) -> None:
    output = Output(settings)

    async def confirm(code: str) -> bool:
        output.note(f"The code is {code}.")
        return await questions.confirm(f"Does the enroller show the code {code}?")

    async with _open(settings, at, name, service) as enrollee:
        _refuse_if_enrolled(enrollee)
        _print_enrollment(output, await enrollee.enroll_through(station, confirm=confirm, wait=wait))


def _print_enrollment(output: Output, enrollment: Enrollment) -> None:
    _print_member(
        output,
        identifier=str(enrollment.identifier),
        service=str(enrollment.service),
        enrollment_identifier=enrollment.enrollment_identifier,
        name=enrollment.pet_name,
        relay_name=enrollment.relay_name,
        attributes=enrollment.attributes,
        expires_at=enrollment.credential_expires_at,
    )


def _print_member(
    output: Output,
    *,
    identifier: str,
    service: str,
    enrollment_identifier: bytes,
    name: str | None,
    relay_name: str | None,
    attributes: Mapping[str, str],
    expires_at: int,
) -> None:
    from ockam.cli.records import time_text

    value = {
        "attributes": dict(attributes),
        "credential_expires_at": expires_at,
        "id": enrollment_identifier.hex(),
        "identifier": identifier,
        "name": name,
        "relay_name": relay_name,
        "service": service,
        "state": "enrolled",
    }
    text = facts(
        {
            "enrolled as": identifier,
            "service": service,
            "attributes": [f"{key}={attribute}" for key, attribute in attributes.items()],
            "credential until": time_text(expires_at),
        }
    )
    output.result(value, plain=text, machine=identifier)


async def _status(settings: Settings, at: str) -> None:
    from ockam.cli.homes import read_only_device

    output = Output(settings)
    # Read only: the device may be running, in another process.
    found = await read_only_device(settings.node_home(at))
    if found.credential_expires_at is not None:
        _print_member(
            output,
            identifier=str(found.identifier),
            service=str(found.service),
            enrollment_identifier=found.enrollment_identifier,
            name=found.pet_name,
            relay_name=found.relay_name,
            attributes=found.attributes,
            expires_at=found.credential_expires_at,
        )
        return
    value = {
        "bundle": found.bundle_fingerprint,
        "id": found.enrollment_identifier.hex(),
        "identifier": None if found.identifier is None else str(found.identifier),
        "name": found.pet_name,
        "service": None if found.service is None else str(found.service),
        "state": found.step.value,
    }
    text = facts({name: str(shown if shown is not None else "-") for name, shown in value.items()})
    output.result(value, plain=text, machine=found.step.value)
