"""What `ockam enroller approve` does: reads offers from wherever they are, keeps approvals on the disk, sends them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from ockam.cli.enrollers import known_route, open_enroller, remember_route
from ockam.cli.failures import NotAllowed, UnusableText
from ockam.cli.fleet import FleetLine, parse_fleet
from ockam.cli.output import Output, printable
from ockam.cli.records import record_json, record_table
from ockam.cli.texts import read_bytes, read_lines
from ockam.enrollment.attributes import check_attributes, check_pet_name
from ockam.enrollment.errors import InvalidField, RequestRefused, ServiceUnreachable
from ockam.enrollment.messages import OFFER_PREFIX, EnrolleeOffer
from ockam.enrollment.pending import short_form
from ockam.enrollment.xeddsa import is_usable_public_key
from ockam.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ockam.cli.settings import Settings
    from ockam.enrollment.api_messages import EnrolleeRecord
    from ockam.enrollment.workers.enroller import Enroller

__all__ = ["approve_all", "lines_to_approve"]

UNKNOWN_SERVICE = "this enroller was not told yet where its service is: give it once with --to"


def lines_to_approve(
    fleet: str | None, offers: Sequence[str], attributes: Mapping[str, str], expires_in: int | None
) -> list[FleetLine]:
    """Return what is to be approved, as lines of a fleet file.

    Args:
        fleet: a fleet file, `-` for stdin.
        offers: each a text, a file or `-`.
        attributes: for all; those of a line come on top.
        expires_in: seconds, for those whose line says nothing.

    Raises:
        UnusableText: one of them is not what it should be.
    """
    lines: list[FleetLine] = []
    if fleet is not None:
        try:
            text = read_bytes(fleet, "offer,").decode("utf-8")
        except UnicodeDecodeError as error:
            raise UnusableText(f"`{fleet}` is not text.") from error
        for line in parse_fleet(text):
            if not line.offer:
                raise UnusableText(f"The fleet file has no offer in line {line.number}.")
            lines.append(
                replace(
                    line,
                    attributes={**attributes, **line.attributes},
                    expires_in=expires_in if line.expires_in is None else line.expires_in,
                )
            )
    for argument in offers:
        lines += [FleetLine(0, offer, None, expires_in, attributes) for offer in read_lines(argument, OFFER_PREFIX)]
    return lines


async def approve_all(settings: Settings, at: str, to: str | None, lines: Sequence[FleetLine]) -> None:
    """Approve, with those that wait from before; what cannot be sent now is kept.

    Raises:
        UnusableText: an offer, or what is to be said of its device, is wrong; nothing is approved then.
        NotAllowed: the service refused some.
    """
    output = Output(settings)
    parsed = [(_parsed(line), line) for line in lines]
    async with open_enroller(settings, at, to) as (_, enroller):
        remember_route(settings, at, to)
        if not lines and not await enroller.queued():
            raise click.UsageError("Which device? Give its offer, or a fleet file with --from; none waits.")
        outcome = await _send(enroller, parsed, route_is_known=known_route(settings, at) is not None)
    value = {
        "approved": [record_json(record) for record in outcome.approved],
        "queued": [identifier.hex() for identifier in outcome.queued],
        "refused": [{"id": identifier.hex(), "reason": reason} for identifier, reason in outcome.refused.items()],
    }
    output.result(
        value,
        plain=record_table(outcome.approved) if outcome.approved else "",
        machine="\n".join(record.id.hex() for record in outcome.approved),
    )
    if outcome.queued:
        output.warn(
            f"{len(outcome.queued)} queued: {outcome.unreachable}.\nThe next `ockam enroller approve` tries again."
        )
    if outcome.refused:
        reasons = [f"{short_form(identifier)}: {reason}" for identifier, reason in outcome.refused.items()]
        raise NotAllowed("\n".join(["The service refused", *reasons]))


@dataclass(slots=True)
class _Outcome:
    approved: list[EnrolleeRecord]
    refused: dict[bytes, str]
    queued: list[bytes]
    unreachable: str


async def _send(
    enroller: Enroller, parsed: Sequence[tuple[EnrolleeOffer, FleetLine]], *, route_is_known: bool
) -> _Outcome:
    # On the disk first: an approval that was given is not lost, whatever happens to this process or to the network.
    for offer, line in parsed:
        await enroller.queue([offer], attributes=line.attributes, expires_in=line.expires_in)
    outcome = _Outcome([], {}, [], "")
    try:
        if not route_is_known:
            raise ServiceUnreachable(UNKNOWN_SERVICE)
        flushed = await enroller.flush_queue()
        outcome.approved += flushed.approved
        outcome.refused |= {offer.enrollment_identifier: offer.reason or "" for offer in flushed.refused}
        done = {record.id for record in outcome.approved} | outcome.refused.keys()
        for offer, line in parsed:
            if offer.enrollment_identifier not in done:
                # Approved by an earlier command: the service compares, and says so if it is not the same.
                await _approve_again(enroller, offer, line, outcome)
    except ServiceUnreachable as error:
        outcome.unreachable = error.message.removesuffix(".")
    outcome.queued = [offer.enrollment_identifier for offer in await enroller.queued()]
    return outcome


async def _approve_again(enroller: Enroller, offer: EnrolleeOffer, line: FleetLine, outcome: _Outcome) -> None:
    try:
        outcome.approved += await enroller.approve([offer], attributes=line.attributes, expires_in=line.expires_in)
    except RequestRefused as error:
        outcome.refused[offer.enrollment_identifier] = error.message


def _parsed(line: FleetLine) -> EnrolleeOffer:
    where = f"line {line.number} of the fleet file: " if line.number else ""
    try:
        offer = EnrolleeOffer.parse(line.offer)
        offer = offer if line.name is None else replace(offer, pet_name=line.name)
        check_pet_name(offer.pet_name)
        # Roles are for administrators to give: who is one, the service knows.
        check_attributes(line.attributes, administrator=True)
        if not is_usable_public_key(offer.eik):
            raise InvalidField("eik", "this is no public key of a device")
    except (DecodeError, InvalidField) as error:
        shown = line.offer if len(line.offer) <= 60 else f"{line.offer[:57]}..."
        raise UnusableText(
            f"{where}`{printable(shown)}` cannot be approved: {error.message}",
            "Get the offer from the device again: `ockam enrollee offer`." if isinstance(error, DecodeError) else "",
        ) from error
    return offer
