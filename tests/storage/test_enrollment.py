"""The Enrollment Service over both databases: the happy path, races, replays, expiry, restarts, secrets on the disk."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ockam.core.request import Method, Status
from ockam.enrollment.api import Caller, Role
from ockam.enrollment.api_messages import ListQuery, PatchRequest
from ockam.enrollment.enrollee import AcceptedAnswer, RejectedAnswer
from ockam.enrollment.enroller import CachedBundle, OfferState, QueuedOffer, accept_bundle, accept_bundles, next_batch
from ockam.enrollment.errors import RecordNotFound, WrongService
from ockam.enrollment.handling import Send
from ockam.enrollment.messages import RejectReason
from ockam.enrollment.pending import (
    ANSWER_SECONDS,
    RECORD_RETENTION_SECONDS,
    EventKind,
    IdentifierPrefix,
    State,
    short_form,
)
from ockam.enrollment.repository import Enrollment, EnrollmentOutcome
from ockam.enrollment.service import Silence
from ockam.errors import Misuse
from ockam.identity.identifier import Identifier
from ockam.storage.database import Database
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.sql import SqlDatabase
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.storage.sqlite.enrollment_local import SqliteDeviceStateRepository, SqliteEnrollerRepository
from ockam.storage.sqlite.sealed_column import SealedColumn
from ockam.testing import FixedRandom
from tests.enrollment.model import NOW, SERVICE, VERIFIER
from tests.enrollment.parties import ADMINISTRATOR, ALICE, BOB, STORAGE_KEY, Device, Service
from tests.storage.databases import Databases


@pytest.fixture(autouse=True)
def opened(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path | None], SqlDatabase]:
    """What opens the databases of every service here, and others of the same kind."""
    numbers = itertools.count()

    def opened(path: Path | None = None) -> SqlDatabase:
        if databases.kind == "sqlite":
            return Database(path)
        return databases.open(f"memory {next(numbers)}" if path is None else path.name)

    monkeypatch.setattr(Service, "open_database", staticmethod(opened))
    return opened


def is_accepted(outcome: object) -> bool:
    return isinstance(outcome, Send) and outcome.channel is not None


def files_of(folder: Path) -> bytes:
    """Return what SQLite left on the disk. PostgreSQL keeps old rows until it cleans up: docs/storage.md."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def ready(service: Service, name: str = "axiom") -> tuple[Device, bytes]:
    """Return an approved device and its message."""
    device = Device(name)
    (bundle,) = await service.bundles()
    await service.approve(device.entry(attributes={"site": "berlin"}))
    return device, (await device.message(bundle)).state.message


class TestEnrollment:
    def test_from_offer_to_member(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("Robot Axiom")
            (bundle,) = await service.bundles()
            made = await device.message(bundle)
            assert await service.send(made.state.message) is Silence.UNKNOWN_ENROLLEE
            (record,) = await service.approve(device.entry(attributes={"site": "berlin"}))
            assert (record.state, record.short) == (State.PENDING, short_form(device.id))
            # The same bytes, sent again after the approval, still work.
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            assert outcome.channel is not None
            assert outcome.channel.keys == made.channel
            answer = device.take(made, outcome.answer)
            assert isinstance(answer, AcceptedAnswer)
            relay = short_form(device.id)
            assert answer.credential.attributes == {"enrolled": "true", "site": "berlin", "ockam-relay": relay}
            assert answer.state.relay_name == relay
            assert answer.service == SERVICE
            assert device.identity is not None
            assert outcome.channel.device == device.identity
            member = await service.repository.member(device.identity.identifier)
            assert member is not None
            assert (member.state, member.attributes) == (State.ENROLLED, answer.credential.attributes)
            assert member.history == device.identity.export()
            stored = await service.record(device.id)
            assert (stored.state, stored.identifier) == (State.ENROLLED, device.identity.identifier)
            assert stored.enrolled_at == NOW
            kinds = [event.kind for event in await service.repository.events(0, 10)]
            assert kinds == [EventKind.BUNDLE_ISSUED, EventKind.APPROVED, EventKind.ENROLLED]

        asyncio.run(scenario())

    def test_answer_again_after_loss_and_until_the_device_speaks(self) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service)
            first = await service.send(message)
            assert isinstance(first, Send)
            again = await service.send(message)
            assert again == Send(first.message_id, first.answer)
            assert await service.send(message) is Silence.RESENT_JUST_NOW
            service.now += 1
            assert await service.send(message) == again
            assert device.identity is not None
            await service.repository.device_spoke(device.identity.identifier)
            service.now += 1
            assert await service.send(message) is Silence.USED_BUNDLE

        asyncio.run(scenario())

    def test_thousand_replays_of_a_reject(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle, attested_key=b"\x05" * 32)
            answers = set()
            for _ in range(1000):
                outcome = await service.send(made.state.message)
                assert isinstance(outcome, Send)
                assert outcome.channel is None
                answers.add(outcome.answer)
                service.now += 1
            assert len(answers) == 1
            answer = device.take(made, answers.pop())
            assert isinstance(answer, RejectedAnswer)
            assert answer.rejected.reason == RejectReason.INVALID_IDENTITY
            assert not answer.try_again
            counted = await service.database.read(
                lambda connection: connection.execute("SELECT rejects FROM enrollee").fetchone()[0]
            )
            assert counted == 1
            # It locked nobody out: an honest message still enrolls.
            device.now = service.now
            assert is_accepted(await service.send((await device.message(bundle)).state.message))

        asyncio.run(scenario())

    def test_five_rejects_end_the_record(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            for number in range(5):
                assert (await service.record(device.id)).state is State.PENDING
                made = await device.message(bundle, attested_key=bytes([number + 1]) * 32)
                assert isinstance(await service.send(made.state.message), Send)
            assert (await service.record(device.id)).state is State.REJECTED
            assert await service.send((await device.message(bundle)).state.message) is Silence.NOT_PENDING

        asyncio.run(scenario())

    def test_wrong_clock(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom", now=NOW + 3600)
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            made = await device.message(bundle)
            outcome = await service.send(made.state.message)
            assert isinstance(outcome, Send)
            answer = device.take(made, outcome.answer)
            assert isinstance(answer, RejectedAnswer)
            assert answer.rejected.reason == RejectReason.INVALID_TIMES
            assert (answer.try_again, answer.state.service_time) == (True, NOW)
            device.state, device.now, device.identity = answer.state, answer.state.service_time, None
            again = await device.message(bundle)
            accepted = await service.send(again.state.message)
            assert isinstance(accepted, Send)
            enrolled = device.take(again, accepted.answer)
            assert isinstance(enrolled, AcceptedAnswer)
            assert enrolled.state.clock_set_aside

        asyncio.run(scenario())

    def test_identity_that_is_enrolled_or_revoked(self) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service)
            assert is_accepted(await service.send(message))
            twin = Device("twin")
            twin.vault, twin.identity, twin.handle = device.vault, device.identity, device.handle
            for round_number in range(2):
                (bundle,) = await service.bundles()
                await service.approve(twin.entry())
                made = await twin.message(bundle)
                outcome = await service.send(made.state.message)
                assert isinstance(outcome, Send)
                answer = twin.take(made, outcome.answer)
                assert isinstance(answer, RejectedAnswer)
                assert answer.rejected.reason == RejectReason.IDENTITY_NOT_ALLOWED
                if round_number == 0:
                    deleted = await service.request(ALICE, Method.DELETE, f"/enrollees/{device.id.hex()}")
                    assert deleted.status is Status.OK
            assert (await service.record(device.id)).state is State.REVOKED
            # A revoked device's answer is not given out any more.
            service.now += 5
            assert await service.send(message) is Silence.USED_BUNDLE

        asyncio.run(scenario())

    def test_history_older_than_a_known_one(self) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service)
            other = await Device("other").make_identity()

            async def known(_: Identifier) -> bytes:
                return other.export()

            service.handler._known_history = known
            outcome = await service.send(message)
            assert isinstance(outcome, Send)
            assert outcome.channel is None
            assert device.identity is not None

            async def equal(_: Identifier) -> bytes:
                assert device.identity is not None
                return device.identity.export()

            service.handler._known_history = equal
            (bundle,) = await service.bundles()
            assert is_accepted(await service.send((await device.message(bundle)).state.message))

        asyncio.run(scenario())


class TestRaces:
    def test_two_devices_one_bundle(self) -> None:
        async def scenario() -> None:
            service, first, second = Service(), Device("first"), Device("second")
            (bundle,) = await service.bundles()
            await service.approve(first.entry(), second.entry())
            messages = [(await device.message(bundle)).state.message for device in (first, second)]
            outcomes = await asyncio.gather(*map(service.send, messages))
            assert sorted(map(is_accepted, outcomes)) == [False, True]
            (lost,) = (outcome for outcome in outcomes if isinstance(outcome, Silence))
            # Where reads run beside writes, the loser may have begun late enough to see it.
            assert lost in (Silence.LOST_RACE, Silence.USED_BUNDLE)
            assert service.handler.silences == Counter({lost: 1})
            states = Counter([(await service.record(device.id)).state for device in (first, second)])
            assert states == {State.ENROLLED: 1, State.PENDING: 1}

        asyncio.run(scenario())

    def test_same_message_at_once(self) -> None:
        async def scenario() -> None:
            service = Service()
            _, message = await ready(service)
            outcomes = await asyncio.gather(*(service.send(message) for _ in range(20)))
            sent = [outcome for outcome in outcomes if isinstance(outcome, Send)]
            assert sum(map(is_accepted, outcomes)) == 1
            assert len({outcome.answer for outcome in sent}) == 1

        asyncio.run(scenario())

    def test_two_replicas_one_database(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            one = Service(tmp_path / "db", "one")
            two = Service(tmp_path / "db", "two")
            _, message = await ready(one)
            outcomes = await asyncio.gather(*(service.send(message) for service in (one, two) * 4))
            assert sum(map(is_accepted, outcomes)) == 1
            assert len({outcome.answer for outcome in outcomes if isinstance(outcome, Send)}) == 1
            one.database.close()
            two.database.close()

        asyncio.run(scenario())

    @pytest.mark.parametrize("first", ["cancel", "message"])
    def test_cancel_against_message(self, first: str) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service)
            path = f"/enrollees/{device.id.hex()}"
            tasks = [service.request(ALICE, Method.DELETE, path), service.send(message)]
            outcomes = await asyncio.gather(*(tasks if first == "cancel" else tasks[::-1]))
            outcome = outcomes[1 if first == "cancel" else 0]
            record = await service.record(device.id)
            assert record.state in (State.CANCELLED, State.REVOKED)
            assert is_accepted(outcome) is (record.state is State.REVOKED)

        asyncio.run(scenario())

    def test_each_condition_of_check_8(self) -> None:
        async def scenario() -> None:
            service = Service()
            repository = service.repository

            async def prepared(name: str) -> tuple[Device, Enrollment]:
                device = Device(name)
                (bundle,) = await service.bundles()
                await service.approve(device.entry())
                identifier = (await device.make_identity()).identifier
                message_id = device.random(32)
                contents = bundle.contents()
                return device, Enrollment(
                    contents.bundle_id, device.id, message_id, b"answer", identifier, b"history", {}, name
                )

            lost, won = EnrollmentOutcome.LOST_RACE, EnrollmentOutcome.ENROLLED
            device, enrollment = await prepared("bundle expired")
            assert await repository.enroll(enrollment, NOW + 7 * 86400) is lost
            assert await repository.enroll(enrollment, NOW + 86400) is lost  # the record expired
            assert await repository.enroll(replace(enrollment, bundle_id=bytes(16)), NOW) is lost
            assert await repository.enroll(replace(enrollment, enrollment_identifier=bytes(32)), NOW) is lost
            await repository.store_reject(device.id, enrollment.message_id, b"reject", 2, NOW)
            assert await repository.enroll(enrollment, NOW) is lost  # this message was rejected meanwhile
            enrollment = replace(enrollment, message_id=b"\x01" * 32)
            assert await repository.enroll(enrollment, NOW) is won
            assert await repository.enroll(enrollment, NOW) is lost  # used
            _, other = await prepared("same identity")
            assert await repository.enroll(replace(other, identifier=enrollment.identifier), NOW) is lost
            assert await repository.enroll(other, NOW) is won  # nothing of the lost one stayed
            assert await repository.store_reject(device.id, b"\x02" * 32, b"reject", 2, NOW) is None
            assert await repository.store_reject(bytes(32), b"\x03" * 32, b"reject", 2, NOW) is None

        asyncio.run(scenario())

    def test_replay_of_a_reject_from_two_replicas(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry())
            stored = await asyncio.gather(
                *(service.repository.store_reject(device.id, b"m" * 32, bytes([n]), 2, NOW) for n in range(4))
            )
            assert len(set(stored)) == 1

        asyncio.run(scenario())


class TestUpkeep:
    def test_purge(self) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service)
            assert is_accepted(await service.send(message))
            pending = Device("pending")
            await service.approve(pending.entry())
            await service.bundles(2)
            assert await service.repository.store_reject(pending.id, b"m" * 32, b"reject", 2, NOW) == b"reject"
            assert (await service.repository.purge(NOW)).answers == 0
            purged = await service.repository.purge(NOW + ANSWER_SECONDS - 1)
            assert (purged.expired_enrollees, purged.answers) == (0, 0)
            service.now = NOW + ANSWER_SECONDS
            assert (await service.record(pending.id)).state is State.EXPIRED  # at once, not only when purged
            purged = await service.repository.purge(service.now)
            assert (purged.expired_enrollees, purged.expired_bundles, purged.answers) == (1, 0, 2)
            assert (await service.record(pending.id)).state is State.EXPIRED
            purged = await service.repository.purge(NOW + 7 * 86400)
            assert (purged.expired_enrollees, purged.expired_bundles) == (0, 3)
            purged = await service.repository.purge(NOW + ANSWER_SECONDS + RECORD_RETENTION_SECONDS)
            assert purged.records == 1
            with pytest.raises(RecordNotFound):
                await service.repository.find(IdentifierPrefix.parse(pending.id.hex()), None, NOW)
            assert (await service.record(device.id)).state is State.ENROLLED  # members stay

        asyncio.run(scenario())

    def test_rejects_are_kept_while_pending(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry(expires_in_seconds=0))
            await service.repository.store_reject(device.id, b"m" * 32, b"first", 2, NOW)
            later = NOW + 10 * ANSWER_SECONDS
            assert (await service.repository.purge(later)).answers == 0
            assert await service.repository.store_reject(device.id, b"m" * 32, b"second", 2, later) == b"first"

        asyncio.run(scenario())

    def test_expired_approval_again(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry(expires_in_seconds=10))
            service.now += 10
            (record,) = await service.approve(device.entry(expires_in_seconds=10))
            assert (record.state, record.created_at) == (State.PENDING, service.now)
            kinds = [event.kind for event in await service.repository.events(0, 10)]
            assert kinds == [EventKind.APPROVED, EventKind.EXPIRED, EventKind.APPROVED]

        asyncio.run(scenario())

    def test_remove_enroller(self) -> None:
        async def scenario() -> None:
            service, repository = Service(), Service().repository
            repository = service.repository
            await repository.add_enroller(ALICE.identifier, NOW)
            await repository.add_enroller(ALICE.identifier, NOW)
            assert await repository.enrollers() == (ALICE.identifier,)
            enrolled, message = await ready(service, "enrolled")
            assert is_accepted(await service.send(message))
            device, message = await ready(service, "pending")
            gone = Device("gone")
            await service.approve(gone.entry(expires_in_seconds=1))
            service.now += 2
            assert await repository.remove_enroller(ALICE.identifier, ADMINISTRATOR.identifier, service.now)
            assert not await repository.remove_enroller(BOB.identifier, None, service.now)
            assert await repository.enrollers() == ()
            assert (await service.record(device.id)).state is State.CANCELLED
            assert (await service.record(gone.id)).state is State.EXPIRED
            assert (await service.record(enrolled.id)).state is State.ENROLLED
            assert await service.send(message) is Silence.UNKNOWN_BUNDLE

        asyncio.run(scenario())

    def test_revoked_enroller(self) -> None:
        async def scenario() -> None:
            service = Service()
            device, message = await ready(service, "a device that is an enroller by its credential")
            assert is_accepted(await service.send(message))
            assert device.identity is not None
            enroller = Caller(device.identity.identifier, Role.ENROLLER)
            waiting = Device("waiting")
            (bundle,) = await service.bundles(1, enroller)
            await service.approve(waiting.entry(), caller=enroller)
            await service.request(ALICE, Method.DELETE, f"/enrollees/{device.id.hex()}")
            assert (await service.record(waiting.id)).state is State.CANCELLED
            assert await service.send((await waiting.message(bundle)).state.message) is Silence.UNKNOWN_BUNDLE

        asyncio.run(scenario())

    def test_restored_backup(self) -> None:
        async def scenario() -> None:
            service = Service()
            _, message = await ready(service)
            assert await service.repository.void_unused_bundles(NOW) == 1
            assert await service.send(message) is Silence.UNKNOWN_BUNDLE

        asyncio.run(scenario())

    def test_list_and_prefixes(self) -> None:
        async def scenario() -> None:
            service = Service()
            devices = [Device(f"device {number:03}") for number in range(205)]
            await service.approve(*(device.entry(expires_in_seconds=100) for device in devices[:200]))
            await service.approve(*(device.entry() for device in devices[200:]), caller=BOB)
            repository = service.repository
            pages = [await repository.list(ListQuery(page=page), None, NOW) for page in range(4)]
            assert [len(page) for page in pages] == [100, 100, 5, 0]
            assert {record.id for page in pages for record in page} == {device.id for device in devices}
            mine = await repository.list(ListQuery(), BOB.identifier, NOW)
            assert {record.id for record in mine} == {device.id for device in devices[200:]}
            named = await repository.list(ListQuery(name="device 00"), None, NOW)
            assert sorted(record.pet_name or "" for record in named) == [f"device {n:03}" for n in range(10)]
            later = NOW + 100
            assert len(await repository.list(ListQuery(state=State.PENDING), None, later)) == 5
            assert len(await repository.list(ListQuery(state=State.EXPIRED), None, later)) == 100
            assert await repository.list(ListQuery(state=State.REVOKED), None, later) == ()

        asyncio.run(scenario())

    def test_update_keeps_what_is_not_given(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry(attributes={"a": "1"}))
            prefix = IdentifierPrefix.parse(device.id.hex()[:20])
            update = service.repository.update
            record = await update(prefix, None, PatchRequest(0), ALICE.identifier, NOW)
            assert (record.expires_at, record.attributes) == (None, {"a": "1"})
            record = await update(prefix, None, PatchRequest(None, {"b": "2"}), ALICE.identifier, NOW)
            assert (record.expires_at, record.attributes) == (None, {"b": "2"})

        asyncio.run(scenario())


class TestDisk:
    def test_restart_keeps_everything_and_deleted_secrets_leave_no_trace(self, tmp_path: Path) -> None:
        async def enroll() -> tuple[bytes, bytes, Send]:
            service = Service(tmp_path / "db")
            device, message = await ready(service)
            sealed = await service.database.read(
                lambda connection: connection.execute("SELECT secrets FROM enrollment_bundle").fetchone()[0]
            )
            eik = device.state.offer.eik
            outcome = await service.send(message)
            assert is_accepted(outcome)
            assert isinstance(outcome, Send)
            await service.database.run(lambda connection: None)
            service.database.close()
            everything = files_of(tmp_path)
            assert sealed not in everything
            assert eik not in everything
            return message, sealed, outcome

        async def after(message: bytes, first: Send) -> None:
            service = Service(tmp_path / "db", "restarted")
            again = await service.send(message)
            assert again == Send(first.message_id, first.answer)
            service.database.close()

        message, _, outcome = asyncio.run(enroll())
        asyncio.run(after(message, outcome))

    def test_wrong_storage_key(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            service = Service(tmp_path / "db")
            _, message = await ready(service)
            service.handler._repository = SqliteEnrollmentRepository(service.database, b"\x12" * 32)
            with pytest.raises(DatabaseDamaged):
                await service.send(message)
            service.handler._repository = service.repository
            assert is_accepted(await service.send(message))  # nothing was changed
            service.database.close()

        asyncio.run(scenario())

    def test_sealed_column(self) -> None:
        column = SealedColumn(STORAGE_KEY, FixedRandom("column"))
        sealed = column.seal(b"place", b"secret")
        assert column.open(b"place", sealed) == b"secret"
        for place, data in ((b"other", sealed), (b"place", sealed[:-1]), (b"place", b"")):
            with pytest.raises(DatabaseDamaged):
                column.open(place, data)
        with pytest.raises(Misuse):
            SealedColumn(b"short")


class TestLocal:
    def test_enroller(self, opened: Callable[[Path | None], SqlDatabase]) -> None:
        async def scenario() -> None:
            service, database = Service(), opened(None)
            enroller = SqliteEnrollerRepository(database)
            assert await enroller.pinned_service() is None
            signed = await service.bundles(3)
            bundles = accept_bundles(signed, NOW, VERIFIER, None)
            await enroller.pin_service(bundles[0].service)
            pinned = await enroller.pinned_service()
            assert pinned == SERVICE.identifier
            with pytest.raises(WrongService):
                accept_bundle(signed[0], NOW, VERIFIER, ALICE.identifier)
            assert await enroller.add_bundles(bundles) == 3
            assert await enroller.add_bundles(bundles) == 0
            first, second = Device("first"), Device("second")
            taken = await asyncio.gather(*(enroller.take_bundle(first.id, NOW) for _ in range(3)))
            assert len(set(taken)) == 1
            other = await enroller.take_bundle(second.id, NOW)
            assert other is not None
            assert taken[0] is not None
            assert other.bundle_id != taken[0].bundle_id
            assert other.fingerprint in {bundle.fingerprint for bundle in signed}
            assert [bundle.handed_at for bundle in await enroller.bundles()].count(None) == 1
            end = bundles[0].expires_at
            assert await enroller.take_bundle(b"\x09" * 32, end - 60) is None
            assert not taken[0].can_be_handed_out(NOW)
            assert bundles[0].can_be_handed_out(NOW)
            # The bundle that a device was given expired: it gets another one.
            fresh = replace(bundles[0], bundle_id=b"fresh bundle id!", expires_at=end + 10_000)
            assert await enroller.add_bundles([fresh]) == 1
            again = await enroller.take_bundle(first.id, end)
            assert again == fresh.hand_to(first.id, end)
            assert await enroller.delete_expired_bundles(end) == 3
            database.close()

        asyncio.run(scenario())

    def test_queue(self, opened: Callable[[Path | None], SqlDatabase]) -> None:
        async def scenario() -> None:
            database = opened(None)
            enroller = SqliteEnrollerRepository(database)
            offers = [QueuedOffer(Device(f"device {n}").entry(attributes={"n": str(n)}), NOW + n) for n in range(3)]
            for offer in offers:
                await enroller.queue_offer(offer)
            assert await enroller.offers() == tuple(offers)
            assert next_batch(await enroller.offers()) == tuple(offers)
            await enroller.update_offer(offers[0].approved())
            await enroller.update_offer(offers[1].refused("expired"))
            await enroller.queue_offer(offers[0])  # was taken already
            assert await enroller.offers(OfferState.APPROVED) == (offers[0].approved(),)
            await enroller.queue_offer(offers[1])  # again, after a refusal
            assert next_batch(await enroller.offers()) == tuple(offers[1:])
            database.close()

        asyncio.run(scenario())

    def test_device(self, tmp_path: Path, opened: Callable[[Path | None], SqlDatabase]) -> None:
        async def scenario() -> None:
            database = opened(tmp_path / "db")
            repository = SqliteDeviceStateRepository(database, STORAGE_KEY)
            assert await repository.state() is None
            await repository.store_state(b"a secret enrollment key")
            await repository.store_state(b"the next state")
            assert await repository.state() == b"the next state"
            assert await SqliteDeviceStateRepository(database, STORAGE_KEY, name="other").state() is None
            await repository.delete_state()
            assert await repository.state() is None
            database.close()
            everything = files_of(tmp_path)
            assert b"secret enrollment key" not in everything

        asyncio.run(scenario())


def test_cached_bundle_is_a_value() -> None:
    bundle = CachedBundle(b"i" * 16, SERVICE.identifier, b"signed", 10, 0)
    assert bundle.hand_to(b"e" * 32, 5).handed_at == 5
