"""`ockam enroller`: hands bundles to devices and approves them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ockam.cli.command import Group, run
from ockam.cli.durations import duration, whole_duration
from ockam.cli.output import Output, printable, table
from ockam.cli.settings import ENROLLER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.cli.questions import Questions
    from ockam.cli.settings import Settings
    from ockam.enrollment.messages import EnrolleeOffer

STDOUT = "-"
FORMATS = ("plain", "json")

group = Group(name="enroller", help="Hand bundles to devices and approve them.")

_at = click.option(
    "--at", default=ENROLLER, show_default=True, metavar="NODE", help="The enroller's node, in this home."
)
_attributes = click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="What the device's credential says, such as site=berlin; again for more.",
)
_pending = click.option(
    "--expires-in",
    type=whole_duration,
    help="How long the approval is good for; 0 is for ever [default: the service's, 24h].",
)


@group.command("create")
@click.argument("name", default=ENROLLER)
@click.pass_obj
def create(settings: Settings, name: str) -> None:
    """Make an enroller, and print the identifier that a service must know it by."""
    run(_create(settings, name))


@group.group("bundles", cls=Group)
def bundles() -> None:
    """Get bundles from a service, to be handed to devices."""


@bundles.command("request")
@click.option(
    "--to",
    metavar="ROUTE",
    help="The service, such as /ip4/HOST/tcp/PORT [default: where this enroller went before].",
)
@click.option(
    "--service", metavar="IDENTIFIER", help="Who the service must be [default: pinned at first use, and shown]."
)
@click.option("--count", type=click.IntRange(1, 1000), default=1, show_default=True, help="How many.")
@click.option("--expires-in", type=whole_duration, default="7d", show_default=True, help="How long they are good for.")
@click.option(
    "--output",
    "outputs",
    multiple=True,
    metavar="DIRECTORY|-|plain|json",
    help="Write them out, one file FINGERPRINT.bundle each, or all to stdout (-). Or how to print, as everywhere:"
    " plain or json; may be given twice. Without a directory they stay with the enroller, for its station.",
)
@click.option(
    "--timeout", type=duration, default="30s", show_default=True, help="How long to wait for the service's answer."
)
@_at
@click.pass_obj
def request(
    settings: Settings,
    to: str | None,
    service: str | None,
    count: int,
    expires_in: int,
    outputs: Sequence[str],
    timeout: float,
    at: str,
) -> None:
    """Ask the service for bundles: one enrolls one device."""
    places = [output for output in outputs if output not in FORMATS]
    if len(places) > 1:
        raise click.UsageError("Only one place to write bundles to can be given.")
    if "json" in outputs:
        settings.output = "json"
    run(_request(settings, at, to, service, count, expires_in, places[0] if places else None, timeout))


@bundles.command("list")
@_at
@click.pass_obj
def list_bundles(settings: Settings, at: str) -> None:
    """List the bundles that are here."""
    run(_list_bundles(settings, at))


@group.command("approve")
@click.argument("offers", nargs=-1, metavar="[OFFER]...")
@_attributes
@_pending
@click.option(
    "--from",
    "fleet",
    metavar="CSV",
    help="A fleet file, or - for stdin: columns offer, name, expires_in, all others are attributes.",
)
@click.option("--to", metavar="ROUTE", help="The service [default: where this enroller went before].")
@_at
@click.pass_obj
def approve(
    settings: Settings,
    offers: Sequence[str],
    attributes: Sequence[str],
    expires_in: int | None,
    fleet: str | None,
    to: str | None,
    at: str,
) -> None:
    """Approve devices by their offers: each a text, a file or - for stdin. Kept until the service can be reached."""
    from ockam.cli.approvals import approve_all, lines_to_approve
    from ockam.cli.fleet import parse_attributes

    lines = lines_to_approve(fleet, offers, parse_attributes(attributes), expires_in)
    run(approve_all(settings, at, to, lines))


@group.command("station")
@click.option("--listen", required=True, metavar="ADDRESS", help="Where devices connect, such as 0.0.0.0:5000.")
@click.option("--yes", is_flag=True, help="Confirm every code without asking: for a line that nobody else can be on.")
@_attributes
@_pending
@click.option("--bundles-only", is_flag=True, help="Hand out bundles and approve nobody; see `ockam enroller approve`.")
@click.option("--to", metavar="ROUTE", help="The service [default: where this enroller went before].")
@click.option("--service", metavar="IDENTIFIER", help="Who the service must be.")
@_at
@click.pass_obj
def station(
    settings: Settings,
    listen: str,
    yes: bool,
    attributes: Sequence[str],
    expires_in: int | None,
    bundles_only: bool,
    to: str | None,
    service: str | None,
    at: str,
) -> None:
    """Serve devices on a local link until it is stopped: take offers, hand out bundles, forward approvals."""
    from ockam.cli.fleet import parse_attributes
    from ockam.cli.questions import Questions

    questions = Questions(Output(settings), yes=yes)
    given = parse_attributes(attributes)
    run(_station(settings, questions, listen, at, to, service, given, expires_in, approve=not bundles_only))


# ---- create ----------------------------------------------------------------------------------------------------------


async def _create(settings: Settings, name: str) -> None:
    from ockam import Node
    from ockam.cli.enrollers import IDENTITY_NAME

    async with Node(home=settings.node_home(name)) as node:
        identifier = str(await node.ensure_identity(IDENTITY_NAME))
    output = Output(settings)
    output.result({"identifier": identifier, "name": name}, plain=f"Enroller {name}: {identifier}", machine=identifier)
    output.note(f"Tell the service: ockam enrollment service start --enroller {identifier} ...")


# ---- bundles ---------------------------------------------------------------------------------------------------------


async def _request(
    settings: Settings,
    at: str,
    to: str | None,
    service: str | None,
    count: int,
    expires_in: int,
    place: str | None,
    timeout: float,
) -> None:
    from ockam.cli.enrollers import open_enroller, remember_route
    from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle

    output = Output(settings)
    directory = None if place in (None, STDOUT) else Path(place or "")
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    async with open_enroller(settings, at, to, service, timeout) as (_, enroller):
        was_pinned = enroller.service is not None
        if place is None:
            stocked = await enroller.stock_bundles(count, expires_in)
            received = [SignedEnrollmentBundle.decode(bundle.signed) for bundle in stocked]
        else:
            received = await enroller.request_bundles(count, expires_in)
        identifier = str(enroller.service)
        remember_route(settings, at, to)
    if not was_pinned:
        output.note(f"The service is {identifier}.\nCompare this with what the service printed when it started.")
    found = []
    for signed in received:
        contents = signed.contents()
        bundle: dict[str, object] = {"expires_at": contents.expires_at, "fingerprint": signed.fingerprint}
        if directory is not None:
            path = directory / f"{signed.fingerprint}.bundle"
            path.write_text(signed.text + "\n", encoding="ascii")
            bundle["file"] = str(path)
        elif place == STDOUT:
            bundle["bundle"] = signed.text
        found.append(bundle)
    value = {"bundles": found, "service": identifier}
    lines = [str(bundle.get("bundle") or bundle.get("file") or bundle["fingerprint"]) for bundle in found]
    text = "\n".join(lines)
    output.result(value, plain=text, machine=text)


async def _list_bundles(settings: Settings, at: str) -> None:
    import time

    from ockam.cli.enrollers import open_enroller
    from ockam.cli.records import time_text

    async with open_enroller(settings, at) as (_, enroller):
        cached = await enroller.bundles()
    now = int(time.time())
    states = [
        "handed out" if bundle.handed_at is not None else "unused" if bundle.can_be_handed_out(now) else "expired"
        for bundle in cached
    ]
    value = [
        {
            "expires_at": bundle.expires_at,
            "fingerprint": bundle.fingerprint,
            "service": str(bundle.service),
            "state": state,
        }
        for bundle, state in zip(cached, states, strict=True)
    ]
    rows = [
        (bundle.fingerprint, state, time_text(bundle.expires_at)) for bundle, state in zip(cached, states, strict=True)
    ]
    output = Output(settings)
    if not rows:
        output.note("No bundles found. `ockam enroller bundles request` gets some.")
    output.result(value, plain=table(["FINGERPRINT", "STATE", "EXPIRES"], rows) if rows else "")


# ---- station ---------------------------------------------------------------------------------------------------------


async def _station(
    settings: Settings,
    questions: Questions,
    listen: str,
    at: str,
    to: str | None,
    service: str | None,
    attributes: dict[str, str],
    expires_in: int | None,
    *,
    approve: bool,
) -> None:
    from ockam.cli.enrollers import open_enroller, remember_route
    from ockam.cli.stopping import stop_event
    from ockam.enrollment.pending import short_form

    output = Output(settings)

    async def confirm(code: str, offer: EnrolleeOffer) -> bool:
        digits, name = short_form(offer.enrollment_identifier), offer.pet_name
        shown = f"{printable(name)} ({digits})" if name else digits
        output.event(
            "code", f"{shown}: code {code}", code=code, id=offer.enrollment_identifier.hex(), name=offer.pet_name
        )
        confirmed = await questions.confirm(f"Does {shown} show the code {code}?")
        said = "confirmed" if confirmed else "declined"
        output.event(said, f"{shown}: {said}", id=offer.enrollment_identifier.hex(), name=name)
        return confirmed

    with stop_event() as stop:
        async with open_enroller(settings, at, to, service) as (node, enroller):
            remember_route(settings, at, to)
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(listen)
            serving = await enroller.start_station(
                listener, confirm=confirm, attributes=attributes, expires_in=expires_in, approve=approve
            )
            output.event(
                "ready",
                f"The station is ready for devices at {listener.socket_address}.",
                identifier=str(serving.identifier),
                listen=listener.socket_address,
            )
            await stop.wait()
            await serving.close()
        output.event("stopped", f"The station has stopped; it served {serving.served}.", served=serving.served)
