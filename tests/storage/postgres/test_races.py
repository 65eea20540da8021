"""What several processes do at the same time to one database: each limit holds, each thing happens once."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from ockam.enrollment.api_messages import ApprovalEntry, PatchRequest
from ockam.enrollment.errors import QuotaPassed, RecordConflict
from ockam.enrollment.pending import EventKind, IdentifierPrefix, State
from ockam.enrollment.repository import Enrollment, EnrollmentOutcome, IssuedBundle
from ockam.identity.identifier import Identifier
from ockam.storage import open_database
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from tests.asynchronous import asynchronous
from tests.enrollment.model import NOW
from tests.enrollment.parties import ADMINISTRATOR, ALICE, BOB, STORAGE_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.storage.postgres.cluster import Cluster

pytestmark = pytest.mark.services

DEVICES = 20
OWNER = ALICE.identifier


@pytest.fixture
def replicas(cluster: Cluster) -> Iterator[list[SqliteEnrollmentRepository]]:
    """Three services on one database, each with connections of its own."""
    url = cluster.new_database()
    with ExitStack() as stack:
        databases = [open_database(url) for _ in range(3)]
        for database in databases:
            stack.callback(database.close)
        yield [SqliteEnrollmentRepository(database, STORAGE_KEY) for database in databases]


def value(number: int, size: int = 32) -> bytes:
    return number.to_bytes(size, "big")


def bundle(number: int) -> IssuedBundle:
    return IssuedBundle(value(number, 16), b"signed", value(number), NOW + 1000, 1, b"s" * 32, b"o" * 32)


def entry(number: int) -> ApprovalEntry:
    return ApprovalEntry(value(number), f"device {number}")


def enrollment(bundle_number: int, device: int, identity: int, message: int) -> Enrollment:
    return Enrollment(
        bundle(bundle_number).bundle_id,
        entry(device).enrollment_identifier,
        value(message),
        b"answer",
        Identifier(value(identity)),
        b"history",
        {},
        None,
    )


async def prepared(repository: SqliteEnrollmentRepository) -> None:
    await repository.add_bundles([bundle(number) for number in range(DEVICES)], OWNER, None, None, NOW)
    await repository.approve([entry(number) for number in range(DEVICES)], OWNER, None, 1000, NOW)


@asynchronous
async def test_each_bundle_each_record_and_each_identity_once(replicas: list[SqliteEnrollmentRepository]) -> None:
    await prepared(replicas[0])
    # Each tries a bundle, a device and an identity that others want too, in another combination and order.
    attempts = [
        (replica, enrollment(number, (number + shift) % DEVICES, (number + 2 * shift) % DEVICES, 1000 * shift + number))
        for shift, replica in enumerate(replicas * 2)
        for number in range(DEVICES)
    ]
    outcomes = await asyncio.gather(*(replica.enroll(wanted, NOW) for replica, wanted in attempts))
    won = [
        wanted for outcome, (_, wanted) in zip(outcomes, attempts, strict=True) if outcome is EnrollmentOutcome.ENROLLED
    ]
    assert 0 < len(won) <= DEVICES
    for names in (
        {wanted.bundle_id for wanted in won},
        {wanted.enrollment_identifier for wanted in won},
        {wanted.identifier for wanted in won},
    ):
        assert len(names) == len(won)
    for wanted in won:
        found = await replicas[2].lookup(wanted.bundle_id, wanted.enrollment_identifier, wanted.message_id)
        assert found.answer == b"answer"
        assert found.bundle is not None
        assert found.bundle.used
        assert found.bundle.signed_prekey is None
    events = await replicas[1].events(0, 1000)
    assert sum(event.kind == EventKind.ENROLLED for event in events) == len(won)


@asynchronous
async def test_quotas_hold(replicas: list[SqliteEnrollmentRepository]) -> None:
    outcomes = await asyncio.gather(
        *(replicas[number % 3].approve([entry(number)], OWNER, 5, 1000, NOW) for number in range(30)),
        *(replicas[number % 3].add_bundles([bundle(number)], OWNER, None, 5, NOW) for number in range(30)),
        return_exceptions=True,
    )
    assert {type(outcome) for outcome in outcomes} == {tuple, QuotaPassed}
    for half in (outcomes[:30], outcomes[30:]):
        assert sum(isinstance(outcome, tuple) for outcome in half) == 5


@asynchronous
async def test_one_record_by_two_enrollers(replicas: list[SqliteEnrollmentRepository]) -> None:
    owners = [ALICE.identifier, BOB.identifier] * 6
    for number in range(5):
        outcomes = await asyncio.gather(
            *(
                replicas[place % 3].approve([entry(number)], owner, None, 1000, NOW)
                for place, owner in enumerate(owners)
            ),
            return_exceptions=True,
        )
        added = {outcome[0].added_by for outcome in outcomes if isinstance(outcome, tuple)}
        assert len(added) == 1
        assert {type(outcome) for outcome in outcomes} == {tuple, RecordConflict}
    assert len(await replicas[0].events(0, 100)) == 5


@asynchronous
async def test_one_request_for_bundles_is_answered_alike(replicas: list[SqliteEnrollmentRepository]) -> None:
    answers = await asyncio.gather(
        *(
            replicas[number % 3].add_bundles(
                [IssuedBundle(value(number, 16), value(number), value(number), NOW + 9, 1, b"s" * 32, b"o" * 32)],
                *(OWNER, b"request", 100, NOW),
            )
            for number in range(12)
        )
    )
    assert len(set(answers)) == 1


@asynchronous
async def test_rejects_are_counted_one_by_one(replicas: list[SqliteEnrollmentRepository]) -> None:
    await prepared(replicas[0])
    device = entry(0).enrollment_identifier
    await asyncio.gather(
        *(replicas[number % 3].store_reject(device, value(number // 3), b"answer", 2, NOW) for number in range(6))
    )
    events = [event for event in await replicas[0].events(0, 1000) if event.kind == EventKind.REJECTED]
    assert len(events) == 2


@asynchronous
async def test_a_record_ends_once(replicas: list[SqliteEnrollmentRepository]) -> None:
    await prepared(replicas[0])
    actor = ADMINISTRATOR.identifier
    for number in range(DEVICES):
        device = entry(number).enrollment_identifier
        prefix = IdentifierPrefix.parse(device.hex())
        enrolled, removed, _, _ = await asyncio.gather(
            replicas[0].enroll(enrollment(number, number, number, number), NOW),
            replicas[1].remove(prefix, None, actor, NOW),
            replicas[2].update(prefix, None, PatchRequest(None, {"a": "b"}), actor, NOW),
            replicas[2].purge(NOW),
            return_exceptions=True,
        )
        assert not isinstance(removed, BaseException)
        record = await replicas[0].find(prefix, None, NOW)
        won = enrolled is EnrollmentOutcome.ENROLLED
        assert record.state is (State.REVOKED if won else State.CANCELLED)
        assert removed.state is record.state
