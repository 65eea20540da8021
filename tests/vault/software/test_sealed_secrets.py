"""A sealed repository over the others: the same behaviour, nothing readable below, nothing lost in a crash."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam.errors import OckamError
from ockam.identity import Identities
from ockam.storage import Database, Home, SqliteSecretsRepository, create_sqlite_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault import (
    CannotUnseal,
    SealedSecretDamaged,
    SecretNotSealed,
    SecretsRepository,
    SecretsSealed,
    SigningKeyHandle,
    SigningKeyType,
    SigningSecret,
    X25519KeyHandle,
)
from ockam.vault.software import (
    MemorySecretsRepository,
    ScryptCost,
    SealedSecretsRepository,
    SealingKey,
    create_software_vault,
    secrets_are_sealed,
)
from tests.asynchronous import asynchronous

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHEAP = ScryptCost(log2_n=10, r=1, p=1)
OLD = SealingKey.from_passphrase("old", CHEAP)
NEW = SealingKey.from_passphrase("new", CHEAP)

SIGNING = {
    SigningKeyHandle(bytes([number]) * 32): SigningSecret(key_type, bytes([0xA0 + number]) * 32)
    for number, key_type in enumerate(SigningKeyType)
}
X25519 = {X25519KeyHandle(bytes([0x10 + number]) * 32): bytes([0xB0 + number]) * 32 for number in range(2)}


@pytest.fixture(params=["memory", "sqlite"])
def below(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SecretsRepository]:
    if request.param == "memory":
        yield MemorySecretsRepository()
    else:
        with Database(tmp_path / "database") as database:
            yield SqliteSecretsRepository(database)


async def fill(repository: SecretsRepository) -> None:
    for handle, secret in SIGNING.items():
        await repository.store_signing_secret(handle, secret)
    for x25519_handle, x25519_secret in X25519.items():
        await repository.store_x25519_secret(x25519_handle, x25519_secret)


async def assert_all_there(repository: SecretsRepository) -> None:
    assert {handle: await repository.signing_secret(handle) for handle in SIGNING} == SIGNING
    assert {handle: await repository.x25519_secret(handle) for handle in X25519} == X25519
    assert set(await repository.signing_secret_handles()) == set(SIGNING)
    assert set(await repository.x25519_secret_handles()) == set(X25519)


@asynchronous
async def test_secrets_are_found_again_with_the_key_and_only_with_it(below: SecretsRepository) -> None:
    first = SealedSecretsRepository(below, OLD)
    assert not await secrets_are_sealed(below)
    await first.unlock()
    assert not await secrets_are_sealed(below)  # nothing to keep yet
    await fill(first)
    assert await secrets_are_sealed(below)
    await assert_all_there(first)
    second = SealedSecretsRepository(below, OLD)
    await second.unlock()
    await assert_all_there(second)
    wrong = SealedSecretsRepository(below, NEW)
    for _ in range(2):
        with pytest.raises(CannotUnseal):
            await wrong.unlock()
    with pytest.raises(CannotUnseal):
        await wrong.store_x25519_secret(X25519KeyHandle(bytes(32)), bytes(32))
    assert set(await wrong.x25519_secret_handles()) == set(X25519)


@asynchronous
async def test_nothing_below_is_plain(below: SecretsRepository) -> None:
    await fill(SealedSecretsRepository(below, OLD))
    for handle, secret in SIGNING.items():
        stored = await below.signing_secret(handle)
        assert stored is not None
        assert stored.key_type is secret.key_type
        assert secret.secret not in stored.secret
    for x25519_handle, x25519_secret in X25519.items():
        assert x25519_secret not in (await below.x25519_secret(x25519_handle) or x25519_secret)


@asynchronous
async def test_deleting(below: SecretsRepository) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    for handle in SIGNING:
        assert await sealed.delete_signing_secret(handle)
        assert not await sealed.delete_signing_secret(handle)
        assert await sealed.signing_secret(handle) is None
    for x25519_handle in X25519:
        assert await sealed.delete_x25519_secret(x25519_handle)
        assert not await sealed.delete_x25519_secret(x25519_handle)
        assert await sealed.x25519_secret(x25519_handle) is None
    (ring,) = await below.x25519_secret_handles()
    assert not await sealed.delete_x25519_secret(ring)
    await sealed.delete_all()
    assert await below.x25519_secret_handles() == ()
    await fill(sealed)
    await assert_all_there(SealedSecretsRepository(below, OLD))


@asynchronous
async def test_a_secret_moved_to_another_handle_or_type_is_damaged(below: SecretsRepository) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    ed25519, p256 = SIGNING
    stored = await below.signing_secret(ed25519)
    assert stored is not None
    await below.store_signing_secret(p256, stored)
    with pytest.raises(SealedSecretDamaged):
        await sealed.signing_secret(p256)
    await below.store_signing_secret(ed25519, SigningSecret(SigningKeyType.ECDSA_P256, stored.secret))
    with pytest.raises(SealedSecretDamaged):
        await sealed.signing_secret(ed25519)
    one, other = X25519
    await below.store_x25519_secret(one, await below.x25519_secret(other) or b"")
    with pytest.raises(SealedSecretDamaged):
        await sealed.x25519_secret(one)
    assert await sealed.x25519_secret(other) == X25519[other]


@asynchronous
async def test_a_plain_secret_in_a_sealed_store_is_refused_until_it_is_sealed(below: SecretsRepository) -> None:
    await fill(below)
    sealed = SealedSecretsRepository(below, OLD)
    with pytest.raises(SecretNotSealed):
        await sealed.unlock()
    with pytest.raises(SecretNotSealed):
        await sealed.signing_secret(next(iter(SIGNING)))
    assert await sealed.seal_existing() == 4
    assert await sealed.seal_existing() == 0
    await assert_all_there(sealed)
    await assert_all_there(SealedSecretsRepository(below, OLD))
    # Whoever can write to the store cannot slip a key of his own in.
    one = next(iter(X25519))
    await below.store_x25519_secret(one, bytes(32))
    with pytest.raises(SecretNotSealed):
        await sealed.x25519_secret(one)


@asynchronous
async def test_a_vault_without_the_key_says_so(below: SecretsRepository) -> None:
    vault = create_software_vault(SealedSecretsRepository(below, OLD), FixedRandom())
    signing = await vault.identity.generate_signing_key(SigningKeyType.ED25519)
    static = await vault.secure_channel.generate_static_x25519_key()
    plain = create_software_vault(below)
    with pytest.raises(SecretsSealed):
        await plain.identity.sign(signing, b"data")
    with pytest.raises(SecretsSealed):
        await plain.secure_channel.x25519_private_key(static)
    again = create_software_vault(SealedSecretsRepository(below, OLD))
    assert await again.identity.sign(signing, b"data") == await vault.identity.sign(signing, b"data")
    assert await again.secure_channel.x25519_public_key(static) == await vault.secure_channel.x25519_public_key(static)


@asynchronous
async def test_a_new_passphrase(below: SecretsRepository) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    before = {handle: await below.x25519_secret(handle) for handle in X25519}
    await sealed.reseal(NEW)
    await assert_all_there(sealed)
    await assert_all_there(SealedSecretsRepository(below, NEW))
    with pytest.raises(CannotUnseal):
        await SealedSecretsRepository(below, OLD).unlock()
    # The inner key is another one too: what was copied before does not open with the new ring.
    for handle, secret in before.items():
        await below.store_x25519_secret(handle, secret or b"")
        with pytest.raises(SealedSecretDamaged):
            await sealed.x25519_secret(handle)


@asynchronous
async def test_from_a_passphrase_to_a_key_file(below: SecretsRepository) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    await sealed.reseal(SealingKey.from_key(bytes(32)))
    await assert_all_there(SealedSecretsRepository(below, SealingKey.from_key(bytes(32))))


@asynchronous
async def test_a_damaged_secret_does_not_keep_the_others_under_the_old_passphrase(
    below: SecretsRepository, caplog: pytest.LogCaptureFixture
) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    damaged, good = X25519
    await below.store_x25519_secret(damaged, await below.x25519_secret(good) or b"")
    await sealed.reseal(NEW)
    assert "cannot be sealed anew" in caplog.text
    again = SealedSecretsRepository(below, NEW)
    assert await again.x25519_secret(good) == X25519[good]
    with pytest.raises(SealedSecretDamaged):
        await again.x25519_secret(damaged)


class Crash(Exception):
    pass


class CrashingRepository(MemorySecretsRepository):
    """Fails at a certain write, before or after it was done."""

    def __init__(self) -> None:
        super().__init__()
        self.writes_left = -1
        self.does_it_first = False

    def _write(self) -> bool:
        self.writes_left -= 1
        return self.writes_left == -1

    async def store_signing_secret(self, handle: SigningKeyHandle, secret: SigningSecret) -> None:
        crash = self._write()
        if not crash or self.does_it_first:
            await super().store_signing_secret(handle, secret)
        if crash:
            raise Crash

    async def store_x25519_secret(self, handle: X25519KeyHandle, secret: bytes) -> None:
        crash = self._write()
        if not crash or self.does_it_first:
            await super().store_x25519_secret(handle, secret)
        if crash:
            raise Crash


async def opening_key(below: SecretsRepository, *keys: SealingKey) -> SealingKey:
    for key in keys:
        try:
            await SealedSecretsRepository(below, key).unlock()
        except OckamError:
            continue
        return key
    raise AssertionError("no key opens the store")


@pytest.mark.parametrize("does_it_first", [False, True])
@pytest.mark.parametrize("writes", range(6))
@asynchronous
async def test_a_vault_goes_on_after_a_failed_write(writes: int, does_it_first: bool) -> None:
    below = CrashingRepository()
    sealed = SealedSecretsRepository(below, OLD)
    await fill(sealed)
    below.writes_left, below.does_it_first = writes, does_it_first
    with pytest.raises(Crash):
        await sealed.reseal(NEW)
    await assert_all_there(sealed)
    await sealed.delete_x25519_secret(next(iter(X25519)))
    await fill(sealed)
    key = await opening_key(below, OLD, NEW)
    await assert_all_there(SealedSecretsRepository(below, key))
    await sealed.reseal(NEW)
    await assert_all_there(sealed)
    await assert_all_there(SealedSecretsRepository(below, NEW))


@pytest.mark.parametrize("does_it_first", [False, True])
@pytest.mark.parametrize("writes", range(6))
@asynchronous
async def test_a_crash_while_all_is_sealed_anew_loses_nothing(writes: int, does_it_first: bool) -> None:
    below = CrashingRepository()
    await fill(SealedSecretsRepository(below, OLD))
    below.writes_left, below.does_it_first = writes, does_it_first
    with pytest.raises(Crash):
        await SealedSecretsRepository(below, OLD).reseal(NEW)
    key = await opening_key(below, OLD, NEW)
    assert key == (OLD if writes == 0 and not does_it_first else NEW)
    await assert_all_there(SealedSecretsRepository(below, key))
    # Once more, with another crash on the way, and then to the end.
    third = SealingKey.from_key(bytes(32))
    below.writes_left = writes
    with pytest.raises(Crash):
        await SealedSecretsRepository(below, key).reseal(third)
    key = await opening_key(below, key, third)
    await assert_all_there(SealedSecretsRepository(below, key))
    below.writes_left = -1
    last = SealedSecretsRepository(below, key)
    await last.reseal(OLD)
    await assert_all_there(last)
    await assert_all_there(SealedSecretsRepository(below, OLD))


@pytest.mark.parametrize("writes", range(5))
@asynchronous
async def test_a_crash_while_existing_secrets_are_sealed_loses_nothing(writes: int) -> None:
    below = CrashingRepository()
    await fill(below)
    below.writes_left = writes
    with pytest.raises(Crash):
        await SealedSecretsRepository(below, OLD).seal_existing()
    below.writes_left = -1
    sealed = SealedSecretsRepository(below, OLD)
    await sealed.seal_existing()
    await assert_all_there(sealed)


@pytest.mark.parametrize("does_it_first", [False, True])
@asynchronous
async def test_a_failed_write_of_the_ring_does_not_leave_secrets_without_one(does_it_first: bool) -> None:
    below = CrashingRepository()
    below.writes_left, below.does_it_first = 0, does_it_first
    sealed = SealedSecretsRepository(below, OLD)
    with pytest.raises(Crash):
        await fill(sealed)
    assert await secrets_are_sealed(below) is does_it_first
    await fill(sealed)
    await assert_all_there(SealedSecretsRepository(below, OLD))


@asynchronous
async def test_many_at_once_make_one_ring(below: SecretsRepository) -> None:
    sealed = SealedSecretsRepository(below, OLD)
    handles = [X25519KeyHandle(bytes([number]) * 32) for number in range(20)]
    await asyncio.gather(*(sealed.store_x25519_secret(handle, handle.value) for handle in handles), sealed.reseal(NEW))
    again = SealedSecretsRepository(below, NEW)
    assert await asyncio.gather(*(again.x25519_secret(handle) for handle in handles)) == [
        handle.value for handle in handles
    ]


def test_no_secret_is_in_the_files_of_a_home_that_was_sealed(tmp_path: Path) -> None:
    def found() -> int:
        content = b"".join(path.read_bytes() for path in tmp_path.iterdir())
        return sum(secret in content for secret in [*(secret.secret for secret in SIGNING.values()), *X25519.values()])

    with Home(tmp_path) as home:
        asyncio.run(fill(SqliteSecretsRepository(home.database)))
    assert found() == 4
    with Home(tmp_path) as home:
        sealed = SealedSecretsRepository(SqliteSecretsRepository(home.database), OLD)
        assert asyncio.run(sealed.seal_existing()) == 4
    assert found() == 0


@asynchronous
async def test_a_node_of_a_home_with_sealed_secrets(tmp_path: Path) -> None:
    identifiers = []
    for _ in range(2):  # the second time, the keys are found again
        with Home(tmp_path) as home:
            vault = create_software_vault(SealedSecretsRepository(SqliteSecretsRepository(home.database), OLD))
            storage = create_sqlite_repositories(home.database, vault.verifying)
            identities = Identities(vault, storage, FixedClock(1_700_000_000))
            named = await storage.named_identities.named_identity("me")
            identifiers.append(named.identifier if named else await identities.create_identity("me"))
            await identities.secure_channel_purpose_key(identifiers[-1])
            await identities.credential_purpose_key(identifiers[-1])
            below = SqliteSecretsRepository(home.database)
            assert len(await below.signing_secret_handles()) == 2  # primary and credential key
            assert len(await below.x25519_secret_handles()) == 2  # static key, and the key ring
    assert identifiers[0] == identifiers[1]
