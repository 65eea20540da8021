"""Persisted channels, in memory and in databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ockam.core.address import Address
from ockam.identity.identifier import Identifier
from ockam.secure_channel.noise import Role
from ockam.secure_channel.repository import PersistedSecureChannel
from ockam.storage.errors import DatabaseDamaged
from ockam.storage.memory_secure_channel import MemorySecureChannelRepository
from ockam.storage.sqlite.secure_channel import SqliteSecureChannelRepository

if TYPE_CHECKING:
    from ockam.secure_channel.repository import SecureChannelRepository
    from ockam.storage.sql import SqlDatabase

CHANNEL = PersistedSecureChannel(
    Role.INITIATOR,
    Identifier(bytes(32)),
    Identifier(bytes((1,)) * 32),
    Address.local("remote"),
    Address.local("api"),
    "AES256_GCM",
    bytes(range(32)),
)
OTHER = replace(CHANNEL, role=Role.RESPONDER, decryptor_remote=Address.local("other"), decryption_key=bytes(16))


def test_stored_found_and_deleted(storage: SqlDatabase | None) -> None:
    async def main() -> None:
        repository: SecureChannelRepository = (
            MemorySecureChannelRepository() if storage is None else SqliteSecureChannelRepository(storage)
        )
        assert await repository.secure_channel(CHANNEL.decryptor_remote) is None
        assert await repository.secure_channels() == ()
        await repository.store_secure_channel(CHANNEL)
        await repository.store_secure_channel(OTHER)
        assert await repository.secure_channel(CHANNEL.decryptor_remote) == CHANNEL
        assert set(await repository.secure_channels()) == {CHANNEL, OTHER}
        renewed = replace(CHANNEL, decryption_key=bytes(32))
        await repository.store_secure_channel(renewed)
        assert await repository.secure_channel(CHANNEL.decryptor_remote) == renewed
        assert await repository.delete_secure_channel(CHANNEL.decryptor_remote)
        assert not await repository.delete_secure_channel(CHANNEL.decryptor_remote)
        assert await repository.secure_channels() == (OTHER,)
        assert "decryption_key" not in repr(CHANNEL)

    asyncio.run(main())


def test_keys_are_among_the_secrets_and_go_with_their_channel(database: SqlDatabase) -> None:
    async def main() -> None:
        repository = SqliteSecureChannelRepository(database, lambda size: bytes(size))
        await repository.store_secure_channel(CHANNEL)
        rows = await database.read(lambda c: c.execute("SELECT handle, type, secret FROM aead_secret").fetchall())
        assert [tuple(map(bytes, (row[0], row[2]))) for row in rows] == [(bytes(8), CHANNEL.decryption_key)]
        assert rows[0][1] == "AES256_GCM"
        row = await database.read(lambda c: c.execute("SELECT * FROM secure_channel").fetchone())
        assert row is not None
        assert tuple(row)[:5] == ("initiator", str(Identifier(bytes(32))), f"I{'01' * 32}", "0#remote", "0#api")
        await repository.delete_secure_channel(CHANNEL.decryptor_remote)
        rows = await database.read(lambda c: c.execute("SELECT handle FROM aead_secret").fetchall())
        assert rows == []

    asyncio.run(main())


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM aead_secret",
        "UPDATE secure_channel SET role = 'both'",
        "UPDATE secure_channel SET their_identifier = 'nobody'",
    ],
)
def test_a_damaged_row_is_an_error_of_the_database(database: SqlDatabase, damage: str) -> None:
    async def main() -> None:
        repository = SqliteSecureChannelRepository(database)
        await repository.store_secure_channel(CHANNEL)
        await database.run(lambda c: c.execute(damage))
        with pytest.raises(DatabaseDamaged):
            await repository.secure_channel(CHANNEL.decryptor_remote)
        with pytest.raises(DatabaseDamaged):
            await repository.secure_channels()

    asyncio.run(main())
