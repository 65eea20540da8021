"""Nodes and Enrollment Services that share one database in PostgreSQL."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from ockam import Node
from ockam.enrollment.enrollee_state import Waiting, decode_state
from ockam.enrollment.pending import State
from ockam.enrollment.service import Silence
from ockam.enrollment.workers.events import Enrolled, Ignored
from ockam.enrollment.workers.service import EnrollmentServiceOptions
from ockam.storage import StorageError, open_database
from tests.asynchronous import asynchronous
from tests.cli.command_line import ockam
from tests.cli.staying import running_service
from tests.enrollment.workers.world import Stranger, World

if TYPE_CHECKING:
    from pathlib import Path

    from ockam.enrollment.workers.enrollee import Enrollee
    from ockam.storage.postgres.url import PostgresUrl
    from tests.storage.postgres.cluster import Cluster

pytestmark = pytest.mark.services


class OnDatabase(World):
    """Its service's node is on a shared database."""

    def __init__(self, url: PostgresUrl) -> None:
        super().__init__()
        self._url: PostgresUrl | None = url

    async def node(self, **arguments: Any) -> Node:
        """Start a node; the first one is the service's."""
        if self._url is not None:
            arguments = {"database": self._url, "node_name": "one"}
            self._url = None
        return await super().node(**arguments)


async def second_service(world: World, url: PostgresUrl) -> tuple[Stranger, Stranger]:
    """Start a second service of the same identity, and return somebody who speaks to each."""
    node = await world.node(database=url, node_name="two")
    tcp = await node.create_tcp_transport()
    listener = await tcp.listen("127.0.0.1:0")
    identifier = await node.ensure_identity("service")
    assert identifier == world.service_identifier
    options = EnrollmentServiceOptions(enrollers=[world.enroller_identifier])
    service = await node.create_enrollment_service(identifier, listener, options)
    service.on_event(world._events.put_nowait)
    stranger = await world.node()
    own = await stranger.create_tcp_transport()
    return await world.stranger(), Stranger(stranger, await own.connect(listener.socket_address))


async def message_of(world: World, device: Enrollee) -> bytes:
    """Return the message of a device that is not approved yet."""
    enrolling = asyncio.create_task(device.enroll(await world.bundle()))
    await world.ignored(Silence.UNKNOWN_ENROLLEE)
    enrolling.cancel()
    await asyncio.gather(enrolling, return_exceptions=True)
    return await waiting_message(device)


async def waiting_message(device: Enrollee) -> bytes:
    """Return the bytes that a device sends again and again."""
    stored = await device._repository.state()
    assert stored is not None
    state = decode_state(stored)
    assert isinstance(state, Waiting)
    return state.message


@asynchronous
async def test_one_message_at_two_services_enrolls_once(cluster: Cluster) -> None:
    url = cluster.new_database()
    async with OnDatabase(url) as world:
        one, two = await second_service(world, url)
        device = await world.device()
        message = await message_of(world, device)
        await world.enroller.approve([device.offer])
        await asyncio.gather(*(stranger.send(message) for stranger in (one, two) * 4))
        first = await world.event(Enrolled)
        # Whoever lost the race says nothing; from now on both have the same answer, once a second.
        for stranger in (one, two):
            world.clock.advance(2)
            await stranger.send(message)
        answers = await asyncio.gather(one.receive(), two.receive())
        assert answers[0].body == answers[1].body
        world.clock.advance(2)
        enrollment = await device.enroll()
        while not world._events.empty():
            await world.event(object)
        assert [event for event in world.seen if isinstance(event, Enrolled)] == [first]
        assert enrollment.identifier == first.identifier
        (member,) = await world.service.list(State.ENROLLED)
        assert member.identifier == enrollment.identifier


@asynchronous
async def test_one_bundle_for_two_devices_at_two_services(cluster: Cluster) -> None:
    url = cluster.new_database()
    async with OnDatabase(url) as world:
        one, two = await second_service(world, url)
        devices = [await world.device(name) for name in ("first", "second")]
        bundle = await world.bundle()
        messages = []
        for device in devices:
            enrolling = asyncio.create_task(device.enroll(bundle))
            await world.ignored(Silence.UNKNOWN_ENROLLEE)
            enrolling.cancel()
            await asyncio.gather(enrolling, return_exceptions=True)
            messages.append(await waiting_message(device))
        await world.enroller.approve([device.offer for device in devices])
        world.seen.clear()
        await asyncio.gather(one.send(messages[0]), two.send(messages[1]))
        late = {Silence.LOST_RACE, Silence.USED_BUNDLE}
        while not (
            any(isinstance(event, Enrolled) for event in world.seen)
            and any(isinstance(event, Ignored) and event.reason in late for event in world.seen)
        ):
            await world.event(object)
        assert len(await world.service.list(State.ENROLLED)) == 1
        assert len(await world.service.list(State.PENDING)) == 1


@asynchronous
async def test_two_nodes_on_one_database(cluster: Cluster) -> None:
    url = cluster.new_database()
    async with Node(database=url.with_password, node_name="one") as one, Node(database=url, node_name="two") as two:
        identifier = await one.create_identity("alice")
        assert await two.identity_named("alice") == identifier
        bob = await two.create_identity("bob")
        assert await one.export_identity(bob) == await two.export_identity(bob)
        assert one.database is not None
        assert one.home is None
    # A new process is the same node.
    async with Node(database=url, node_name="one") as again:
        assert await again.ensure_identity("alice") == identifier
    with pytest.raises(StorageError):
        await Node(database=cluster.url("nowhere")).start()


def test_the_command(cluster: Cluster, tmp_path: Path) -> None:
    url = cluster.new_database().with_password
    with running_service(tmp_path, "--database", url) as running:
        tables = ("--database", url, "--output", "json")
        assert ockam(running.home, "enrollment", "list", *tables).json == []
        assert running.command.stop() == 0
    database = open_database(url)
    assert database.read_blocking(
        lambda connection: connection.execute("SELECT count(*) FROM enroller").fetchone()
    ) == (1,)
    database.close()
    assert url not in "".join(path.read_text(errors="replace") for path in tmp_path.rglob("*") if path.is_file())
