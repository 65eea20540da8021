"""`ockam enrollment`: the service, and who enrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ockam.cli.command import Group, run
from ockam.cli.databases import database_argument, database_of_environment, library_location
from ockam.cli.durations import duration_text, whole_duration
from ockam.cli.output import Output, facts
from ockam.cli.settings import ENROLLER, SERVICE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ockam.cli.databases import DatabaseArgument
    from ockam.cli.settings import Settings
    from ockam.enrollment.api_messages import EnrolleeRecord
    from ockam.enrollment.pending import State
    from ockam.enrollment.workers.service import EnrollmentServiceOptions

IDENTITY_NAME = "enrollment"
STATES = ("pending", "enrolled", "expired", "cancelled", "rejected", "revoked")

group = Group(name="enrollment", help="Run the service that devices enroll with, and see who did.")


@group.group("service", cls=Group)
def service() -> None:
    """Run the service."""


@service.command("start")
@click.argument("name", default=SERVICE)
@click.option(
    "--listen", required=True, metavar="ADDRESS", help="Where to listen, such as 0.0.0.0:4000; port 0 is any."
)
@click.option(
    "--enroller",
    "enrollers",
    multiple=True,
    metavar="IDENTIFIER",
    help="Who may ask for bundles and approve devices; again for more. Those given before stay.",
)
@click.option(
    "--administrator",
    "administrators",
    multiple=True,
    metavar="IDENTIFIER",
    help="Who may do everything; again for more.",
)
@click.option(
    "--database",
    type=database_argument,
    default=database_of_environment,
    help="SQLite file of the service's tables, or postgres://USER:PASSWORD@HOST:PORT/DATABASE, which several"
    " services may share [default: OCKAM_DATABASE_CONNECTION_URL, or in its home].",
)
@click.option(
    "--pending-expires-in",
    type=whole_duration,
    default="24h",
    show_default=True,
    help="How long an approval is good for, unless it says otherwise; 0 is for ever.",
)
@click.option(
    "--credential-ttl",
    type=whole_duration,
    default="24h",
    show_default=True,
    help="How long a device's credential is good for before it is renewed.",
)
@click.option(
    "--route",
    "routes",
    multiple=True,
    metavar="MULTIADDR",
    help="A way devices reach the service by, for bundles; again for more, in order of preference"
    " [default: where it listens].",
)
@click.option("--foreground", is_flag=True, help="Stay in the foreground: always so.")
@click.pass_obj
def start(
    settings: Settings,
    name: str,
    listen: str,
    enrollers: Sequence[str],
    administrators: Sequence[str],
    database: DatabaseArgument | None,
    pending_expires_in: int,
    credential_ttl: int,
    routes: Sequence[str],
    foreground: bool,
) -> None:
    """Run an enrollment service until it is stopped (Ctrl-C), and print what happens at it."""
    from ockam import Identifier
    from ockam.enrollment.workers.service import EnrollmentServiceOptions

    options = EnrollmentServiceOptions(
        enrollers=[Identifier.parse(text) for text in enrollers],
        administrators=[Identifier.parse(text) for text in administrators],
        routes=routes,
        pending_expires_in=pending_expires_in,
        credential_ttl=credential_ttl,
        database=library_location(database),
    )
    run(_start(settings, name, listen, options))


_at = click.option("--at", default=SERVICE, show_default=True, metavar="NODE", help="The service's node, in this home.")
_database = click.option(
    "--database",
    type=database_argument,
    default=database_of_environment,
    help="As given to `service start`, if it was.",
)
_to = click.option("--to", metavar="ROUTE", help="Ask a service elsewhere, as an enroller; see `--as`.")
_as = click.option(
    "--as", "enroller", default=ENROLLER, show_default=True, metavar="NODE", help="With --to: the enroller's node."
)


@group.command("list")
@_at
@_database
@_to
@_as
@click.option("--state", type=click.Choice(STATES), help="Only those in this state.")
@click.option("--name", metavar="PREFIX", help="Only those whose names begin like this.")
@click.pass_obj
def list_enrollees(
    settings: Settings,
    at: str,
    database: DatabaseArgument | None,
    to: str | None,
    enroller: str,
    state: str | None,
    name: str | None,
) -> None:
    """List who is approved, enrolled, expired; also while the service runs."""
    run(_list(settings, _Source(at, database, to, enroller), state, name))


@group.command("show")
@click.argument("enrollee")
@_at
@_database
@_to
@_as
@click.pass_obj
def show(
    settings: Settings, enrollee: str, at: str, database: DatabaseArgument | None, to: str | None, enroller: str
) -> None:
    """Show one enrollee, by the first 20 or more digits of its enrollment identifier."""
    run(_show(settings, _Source(at, database, to, enroller), enrollee))


# ---- service start ---------------------------------------------------------------------------------------------------


async def _start(settings: Settings, name: str, listen: str, options: EnrollmentServiceOptions) -> None:
    from ockam import Node
    from ockam.cli.service_events import EventPrinter
    from ockam.cli.stopping import stop_event

    output = Output(settings)
    with stop_event() as stop:
        async with Node(home=settings.node_home(name)) as node:
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(listen)
            identifier = await node.ensure_identity(IDENTITY_NAME)
            service = await node.create_enrollment_service(identifier, listener, options)
            service.on_event(EventPrinter(output, stop))
            output.event(
                "ready",
                [
                    f"The enrollment service `{name}` is ready.",
                    facts(
                        {
                            "  identifier": str(service.identifier),
                            "  for bundles": service.bundle_routes,
                            "  for enrollers": service.enroller_route,
                            "  approvals last": duration_text(options.pending_expires_in)
                            if options.pending_expires_in
                            else "for ever",
                        }
                    ),
                ],
                name=name,
                identifier=str(service.identifier),
                listen=listener.socket_address,
                bundle_routes=list(service.bundle_routes),
                enroller_route=service.enroller_route,
            )
            await stop.wait()
            await service.close()
        output.event("stopped", "The enrollment service has stopped.", name=name)


# ---- list and show ---------------------------------------------------------------------------------------------------


class _Source:
    """Where records come from: the tables in a home, or a service that is asked."""

    def __init__(self, at: str, database: DatabaseArgument | None, to: str | None, enroller: str) -> None:
        self._at, self._database, self._to, self._enroller = at, database, to, enroller

    async def pages(self, settings: Settings, state: State | None, name: str | None) -> AsyncIterator[EnrolleeRecord]:
        """Return the records that match, oldest first."""
        import time

        from ockam.cli.enrollers import open_enroller
        from ockam.cli.homes import read_only_enrollments
        from ockam.enrollment.api_messages import ListQuery
        from ockam.enrollment.pending import PAGE_SIZE

        page, last = 0, False
        if self._to is not None:
            async with open_enroller(settings, self._enroller, self._to) as (_, enroller):
                while not last:
                    records = await enroller.list(state, name, page)
                    for record in records:
                        yield record
                    page, last = page + 1, len(records) < PAGE_SIZE
            return
        async with read_only_enrollments(settings.node_home(self._at), self._database) as repository:
            while not last:
                records = await repository.list(ListQuery(state, name, page), None, int(time.time()))
                for record in records:
                    yield record
                page, last = page + 1, len(records) < PAGE_SIZE

    async def find(self, settings: Settings, enrollee: str) -> EnrolleeRecord:
        """Return one record."""
        import time

        from ockam.cli.enrollers import open_enroller
        from ockam.cli.homes import read_only_enrollments
        from ockam.enrollment.pending import IdentifierPrefix

        prefix = IdentifierPrefix.parse(enrollee)
        if self._to is not None:
            async with open_enroller(settings, self._enroller, self._to) as (_, enroller):
                return await enroller.show(prefix.digits)
        async with read_only_enrollments(settings.node_home(self._at), self._database) as repository:
            return await repository.find(prefix, None, int(time.time()))


async def _list(settings: Settings, source: _Source, state: str | None, name: str | None) -> None:
    from ockam.cli.records import record_json, record_table
    from ockam.enrollment.pending import State

    wanted = None if state is None else State[state.upper()]
    records = [record async for record in source.pages(settings, wanted, name)]
    output = Output(settings)
    if not records:
        output.note("No enrollees found.")
    output.result([record_json(record) for record in records], plain=record_table(records) if records else "")


async def _show(settings: Settings, source: _Source, enrollee: str) -> None:
    from ockam.cli.records import record_facts, record_json

    record = await source.find(settings, enrollee)
    Output(settings).result(record_json(record), plain=record_facts(record))
