"""The same behaviour in memory and in both databases, and what only these have: it is there after a restart."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from ockam.errors import AlreadyExists, Kind, NotFound, Origin
from ockam.identity import (
    AttributesEntry,
    ChangeHistory,
    ConsistencyError,
    Identifier,
    Identities,
    Identity,
    NamedIdentity,
    Purpose,
    Repositories,
)
from ockam.storage import (
    Database,
    DatabaseDamaged,
    DiskFull,
    MemorySecretsRepository,
    SqliteSecretsRepository,
    create_memory_repositories,
    create_sqlite_repositories,
)
from ockam.testing import FixedClock, FixedRandom
from ockam.vault import SecretsRepository, SigningKeyHandle, SigningKeyType, SigningSecret, X25519KeyHandle
from ockam.vault.software import SoftwareVerifyingVault, create_software_vault
from tests.identity.world import T0, World, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ockam.storage.sql import SqlDatabase
    from tests.storage.databases import Databases

KINDS = (type(None), ConsistencyError)
ALICE, BOB, CAROL = (Identifier(bytes([number]) * 32) for number in range(3))


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "file") as opened:
        yield opened


def stored(database: SqlDatabase, node_name: str = "default") -> Repositories:
    return create_sqlite_repositories(database, SoftwareVerifyingVault(), node_name)


@pytest.fixture
def repositories(storage: SqlDatabase | None) -> Repositories:
    return create_memory_repositories() if storage is None else stored(storage)


@pytest.fixture
def secrets(storage: SqlDatabase | None) -> SecretsRepository:
    return MemorySecretsRepository() if storage is None else SqliteSecretsRepository(storage)


async def two_histories(world: World) -> tuple[Identity, Identity, Identity]:
    """Return an identity, the same after a rotation, and after another one."""
    identifier = await world.identities.create_identity()
    first = await world.identities.identity(identifier)
    key = await world.primary_key(identifier)
    secret = await world.vault.identity.public_key(key)
    assert secret == first.latest_public_key
    second = await world.identities.rotate_identity(identifier)
    third = await world.identities.rotate_identity(identifier)
    return first, second, third


def test_histories_only_grow(repositories: Repositories) -> None:
    async def main() -> None:
        histories = repositories.change_histories
        first, second, third = await two_histories(World())
        other = World("other")
        stranger = await other.identities.identity(await other.identities.create_identity())
        identifier = first.identifier
        assert await histories.change_history(identifier) is None
        for identity in (second, second, third):
            await histories.update_identity(identity)
            assert await histories.change_history(identifier) == identity
        for older in (first, second):
            with pytest.raises(ConsistencyError):
                await histories.update_identity(older)
            await histories.update_identity(older, ignore_older=True)
        assert await histories.change_history(identifier) == third
        await histories.update_identity(stranger)
        assert set(await histories.change_histories()) == {third, stranger}
        await histories.store_change_history(first)
        assert await histories.change_history(identifier) == first
        entry = AttributesEntry({b"k": b"v"}, 1, None, ALICE)
        await repositories.attributes.put_attributes(identifier, entry)
        await histories.delete_change_history(identifier)
        assert await histories.change_history(identifier) is None
        assert await repositories.attributes.attributes(identifier, ALICE) is None
        assert await histories.change_histories() == (stranger,)

    run(main())


def test_one_entry_of_attributes_per_subject(repositories: Repositories) -> None:
    async def main() -> None:
        attributes = repositories.attributes
        assert await attributes.attributes(ALICE, BOB) is None
        assert await attributes.attributes(ALICE, BOB) is None
        entry = AttributesEntry({b"k": b"v", b"\xff": b""}, 1, 10, BOB)
        await attributes.put_attributes(ALICE, entry)
        assert await attributes.attributes(ALICE, BOB) == entry
        assert await attributes.attributes(ALICE, CAROL) is None
        assert attributes.remembered_attributes(ALICE, BOB) == entry
        assert attributes.remembered_attributes(ALICE, CAROL) is None
        replacement = AttributesEntry({b"other": b"1"}, 2, None, CAROL)
        await attributes.put_attributes(ALICE, replacement)
        assert await attributes.attributes(ALICE, BOB) is None
        assert await attributes.attributes(ALICE, CAROL) == replacement
        await attributes.put_attributes(BOB, entry)
        await attributes.delete_expired_attributes(9)
        assert await attributes.attributes(BOB, BOB) == entry
        await attributes.delete_expired_attributes(10)
        assert await attributes.attributes(BOB, BOB) is None
        assert await attributes.attributes(ALICE, CAROL) == replacement

    run(main())


def test_one_purpose_key_per_purpose(repositories: Repositories) -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        channel = (await world.identities.secure_channel_purpose_key(identifier)).attestation
        credential = (await world.identities.credential_purpose_key(identifier)).attestation
        keys = repositories.purpose_keys
        await keys.set_purpose_key(identifier, Purpose.SECURE_CHANNEL, credential)
        await keys.set_purpose_key(identifier, Purpose.SECURE_CHANNEL, channel)
        await keys.set_purpose_key(identifier, Purpose.CREDENTIALS, credential)
        assert await keys.purpose_key(identifier, Purpose.SECURE_CHANNEL) == channel
        assert await keys.purpose_key(identifier, Purpose.CREDENTIALS) == credential
        assert await keys.purpose_key(ALICE, Purpose.CREDENTIALS) is None
        await keys.delete_purpose_key(identifier, Purpose.SECURE_CHANNEL)
        assert await keys.purpose_key(identifier, Purpose.SECURE_CHANNEL) is None

    run(main())


def test_credentials_by_subject_issuer_and_scope(repositories: Repositories) -> None:
    async def main() -> None:
        world = World()
        issuer = await world.identities.create_identity()
        first, second = [await world.identities.issue_credential(issuer, issuer, {"n": n}, 60) for n in "12"]
        credentials = repositories.credentials
        await credentials.put_credential(ALICE, issuer, "a", T0, first)
        await credentials.put_credential(ALICE, issuer, "b", None, first)
        await credentials.put_credential(ALICE, issuer, "a", 2**64 - 1, second)
        assert await credentials.credential(ALICE, issuer, "a") == second
        assert await credentials.credential(ALICE, issuer, "b") == first
        assert await credentials.credential(BOB, issuer, "a") is None
        await credentials.delete_credential(ALICE, issuer, "a")
        assert await credentials.credential(ALICE, issuer, "a") is None

    run(main())


def test_names(repositories: Repositories) -> None:
    async def main() -> None:
        names = repositories.named_identities
        assert await names.default_named_identity() is None
        assert await names.named_identities() == ()
        await names.store_named_identity(NamedIdentity("b", ALICE, is_default=True))
        await names.store_named_identity(NamedIdentity("a", BOB, vault_name="other"))
        for taken in (NamedIdentity("b", CAROL), NamedIdentity("c", ALICE)):
            with pytest.raises(AlreadyExists):
                await names.store_named_identity(taken)
        assert await names.named_identity("a") == NamedIdentity("a", BOB, "other")
        assert await names.named_identity("c") is None
        assert await names.name_of(ALICE) == NamedIdentity("b", ALICE, is_default=True)
        assert await names.name_of(CAROL) is None
        assert await names.default_named_identity() == NamedIdentity("b", ALICE, is_default=True)
        await names.set_default_named_identity("a")
        assert await names.named_identities() == (
            NamedIdentity("a", BOB, "other", is_default=True),
            NamedIdentity("b", ALICE),
        )
        await names.store_named_identity(NamedIdentity("c", CAROL, is_default=True))
        assert await names.default_named_identity() == NamedIdentity("c", CAROL, is_default=True)
        with pytest.raises(NotFound):
            await names.set_default_named_identity("nobody")
        assert await names.delete_named_identity("c")
        assert not await names.delete_named_identity("c")
        assert await names.default_named_identity() is None

    run(main())


def test_secrets(secrets: SecretsRepository) -> None:
    async def main() -> None:
        signing, static = SigningKeyHandle(b"s"), X25519KeyHandle(b"x")
        secret = SigningSecret(SigningKeyType.ECDSA_P256, bytes(range(32)))
        await secrets.store_signing_secret(signing, SigningSecret(SigningKeyType.ED25519, bytes(32)))
        await secrets.store_signing_secret(signing, secret)
        await secrets.store_x25519_secret(static, bytes(32))
        assert await secrets.signing_secret(signing) == secret
        assert await secrets.x25519_secret(static) == bytes(32)
        assert await secrets.signing_secret(SigningKeyHandle(b"?")) is None
        assert await secrets.x25519_secret(X25519KeyHandle(b"?")) is None
        assert await secrets.signing_secret_handles() == (signing,)
        assert await secrets.x25519_secret_handles() == (static,)
        assert await secrets.delete_signing_secret(signing)
        assert not await secrets.delete_signing_secret(signing)
        assert await secrets.delete_x25519_secret(static)
        assert not await secrets.delete_x25519_secret(static)
        await secrets.store_signing_secret(signing, secret)
        await secrets.store_x25519_secret(static, bytes(32))
        await secrets.delete_all()
        assert await secrets.signing_secret_handles() == ()
        assert await secrets.x25519_secret_handles() == ()

    run(main())


# --- databases alone --------------------------------------------------------------------------------------------------


def execute(database: SqlDatabase, statement: str, *arguments: object) -> None:
    database.run_blocking(lambda connection: connection.execute(statement, arguments))


def node(database: SqlDatabase, seed: str) -> Identities:
    vault = create_software_vault(SqliteSecretsRepository(database), FixedRandom(seed))
    return Identities(vault, create_sqlite_repositories(database, vault.verifying), FixedClock(T0))


def test_a_restarted_node_is_the_same(databases: Databases) -> None:
    async def first() -> tuple[Identifier, bytes, bytes]:
        with closing(databases.open()) as database:
            identities = node(database, "a")
            identifier = await identities.create_identity("alice")
            credential = await identities.issue_credential(identifier, identifier, {"role": "x"}, 60)
            await identities.receive_presented_credential(identifier, [identifier], credential)
            key = await identities.secure_channel_purpose_key(identifier)
            return identifier, (await identities.rotate_identity(identifier)).export(), key.attestation.encode()

    async def second(identifier: Identifier, history: bytes, attestation: bytes) -> None:
        with closing(databases.open()) as database:
            identities = node(database, "b")
            assert await identities.export_identity(identifier) == history
            named = await identities.repositories.named_identities.named_identity("alice")
            assert named == NamedIdentity("alice", identifier)
            entry = await identities.attributes(identifier, identifier)
            assert entry == AttributesEntry({b"role": b"x"}, T0, T0 + 60, identifier)
            kept = await identities.repositories.purpose_keys.purpose_key(identifier, Purpose.SECURE_CHANNEL)
            assert kept is not None
            assert kept.encode() == attestation
            key = await identities.secure_channel_purpose_key(identifier)
            assert key.attestation.encode() != attestation
            before = ChangeHistory((await identities.identity(identifier)).change_history.changes[:1])
            with pytest.raises(ConsistencyError):
                await identities.import_change_history(before)

    asyncio.run(second(*asyncio.run(first())))


def test_rows_have_the_form_of_the_reference(database: SqlDatabase) -> None:
    async def main() -> None:
        identities = node(database, "a")
        identifier = await identities.create_identity("alice")
        await identities.secure_channel_purpose_key(identifier)
        await identities.repositories.attributes.put_attributes(
            identifier, AttributesEntry({b"name": b"alice"}, T0, None, identifier)
        )
        select = "SELECT identifier, change_history FROM identity"
        (row,) = await database.read(lambda connection: connection.execute(select).fetchall())
        assert row == (str(identifier), (await identities.export_identity(identifier)).hex())
        (row,) = await database.read(lambda connection: connection.execute("SELECT * FROM purpose_key").fetchall())
        assert row[:2] == (str(identifier), "SC_PK")
        select = "SELECT * FROM identity_attributes"
        (row,) = await database.read(lambda connection: connection.execute(select).fetchall())
        blob = bytes.fromhex("a184186e1861186d1865851861186c186918631865")
        assert row[:6] == (str(identifier), blob, T0, None, str(identifier), "default")
        select = "SELECT secret_type, length(secret), length(handle) FROM signing_secret"
        (row,) = await database.read(lambda connection: connection.execute(select).fetchall())
        assert row == ("EdDSACurve25519", 32, 32)

    run(main())


def test_a_peer_that_returns_costs_no_query(database: SqlDatabase) -> None:
    async def main() -> None:
        world = World()
        identity = await world.identities.identity(await world.identities.create_identity())
        identities = node(database, "b")
        await identities.import_change_history(identity.change_history)
        writes = database.statistics()
        database.close()
        assert await identities.import_change_history(identity.change_history) == identity
        await identities.repositories.change_histories.update_identity(identity)
        assert database.statistics() == writes

    run(main())


def test_attributes_and_credentials_belong_to_a_node(database: SqlDatabase) -> None:
    async def main() -> None:
        one, two = stored(database, "one"), stored(database, "two")
        entry = AttributesEntry({b"k": b"v"}, 1, 10, BOB)
        await one.attributes.put_attributes(ALICE, entry)
        assert await two.attributes.attributes(ALICE, BOB) is None
        await two.attributes.delete_expired_attributes(10)
        assert await stored(database, "one").attributes.attributes(ALICE, BOB) == entry

    run(main())


def test_a_time_beyond_sqlite_is_stored_as_its_last_one(database: SqlDatabase) -> None:
    async def main() -> None:
        entry = AttributesEntry({}, 2**64 - 1, 2**64 - 1, BOB)
        await stored(database).attributes.put_attributes(ALICE, entry)
        found = await stored(database).attributes.attributes(ALICE, BOB)
        assert found == AttributesEntry({}, 2**63 - 1, 2**63 - 1, BOB)

    run(main())


def test_damaged_rows_are_said_to_be(database: SqlDatabase) -> None:
    async def main() -> None:
        first, second, _ = await two_histories(World())
        histories = stored(database).change_histories
        await histories.update_identity(first)
        for bad in ("", "zz", first.export()[:-1].hex() + "00", "80"):
            execute(database, "UPDATE identity SET change_history = ?", bad)
            with pytest.raises(DatabaseDamaged):
                await stored(database).change_histories.change_history(first.identifier)
            with pytest.raises(DatabaseDamaged):
                await stored(database).change_histories.change_histories()
        execute(database, "UPDATE identity SET change_history = 'zz'")
        with pytest.raises(DatabaseDamaged):
            await stored(database).change_histories.update_identity(second)

        await stored(database).attributes.put_attributes(ALICE, AttributesEntry({b"k": b"v"}, 1, None, None))
        for column, damage in (("attributes", b"\0"), ("attested_by", "nobody")):
            execute(database, f"UPDATE identity_attributes SET {column} = ?", damage)  # noqa: S608 - one of two constants
            with pytest.raises(DatabaseDamaged):
                await stored(database).attributes.attributes(ALICE, BOB)

        secrets = SqliteSecretsRepository(database)
        await secrets.store_signing_secret(SigningKeyHandle(b"s"), SigningSecret(SigningKeyType.ED25519, bytes(32)))
        await secrets.store_x25519_secret(X25519KeyHandle(b"x"), bytes(31))
        with pytest.raises(DatabaseDamaged) as caught:
            await secrets.x25519_secret(X25519KeyHandle(b"x"))
        assert (caught.value.origin, caught.value.kind) == (Origin.API, Kind.SERIALIZATION)
        execute(database, "UPDATE signing_secret SET secret_type = 'other'")
        with pytest.raises(DatabaseDamaged):
            await secrets.signing_secret(SigningKeyHandle(b"s"))

    run(main())


def test_a_damaged_purpose_key_is_replaced(database: SqlDatabase) -> None:
    async def main() -> None:
        identities = node(database, "a")
        identifier = await identities.create_identity()
        await identities.secure_channel_purpose_key(identifier)
        execute(database, "UPDATE purpose_key SET purpose_key_attestation = ?", b"\0")
        key = await node(database, "b").secure_channel_purpose_key(identifier)
        assert (await node(database, "c").secure_channel_purpose_key(identifier)).attestation == key.attestation

    run(main())


def test_a_full_disk_leaves_what_was_believed_before(file: Database) -> None:
    async def main() -> None:
        repositories = stored(file)
        entry = AttributesEntry({b"k": b"v"}, 1, None, BOB)
        await repositories.attributes.put_attributes(ALICE, entry)
        await file.read(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
        too_much = AttributesEntry({b"k": bytes(200_000)}, 1, None, BOB)
        with pytest.raises(DiskFull):
            await repositories.attributes.put_attributes(ALICE, too_much)
        assert await repositories.attributes.attributes(ALICE, BOB) == entry

    run(main())


def test_a_longer_history_stored_by_another_task_meanwhile(database: SqlDatabase) -> None:
    async def main() -> None:
        first, second, third = await two_histories(World())
        histories = stored(database).change_histories
        results = await asyncio.gather(
            *(histories.update_identity(identity) for identity in (first, third, second, third)),
            return_exceptions=True,
        )
        # SQLite takes them in order; in PostgreSQL each of the first three may come before the others.
        types = [type(result) for result in results]
        assert types in (
            [[type(None), type(None), ConsistencyError, type(None)]]
            if isinstance(database, Database)
            else [[one, type(None), two, type(None)] for one in KINDS for two in KINDS]
        )
        assert await histories.change_history(first.identifier) == third
        assert await stored(database).change_histories.change_history(first.identifier) == third
        # What another program stored is seen when this one stores.
        await histories.store_change_history(first)
        await stored(database).change_histories.update_identity(third)
        await histories.update_identity(second, ignore_older=True)
        assert await histories.change_history(first.identifier) == third

    run(main())
