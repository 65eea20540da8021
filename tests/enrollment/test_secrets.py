"""The secrets of an enrollment, in whatever the vault keeps its own in."""

from __future__ import annotations

import asyncio

from ockam.enrollment.secrets import EnrollmentSecrets
from ockam.testing import FixedRandom
from ockam.vault.software import MemorySecretsRepository, SealedSecretsRepository, SealingKey


def test_a_secret_is_made_once_and_for_all() -> None:
    async def main() -> None:
        repository = MemorySecretsRepository()
        first, second = (EnrollmentSecrets(repository, FixedRandom(seed)) for seed in ("first", "second"))
        assert await first.stored(b"a") is None
        # Two processes that begin at the same time.
        made = await asyncio.gather(first.secret(b"a"), second.secret(b"a"))
        assert made[0] == made[1] == await second.stored(b"a")
        assert len(made[0]) == 32
        assert await first.secret(b"b") != made[0]

    asyncio.run(main())


def test_a_secret_is_sealed_with_the_others() -> None:
    async def main() -> None:
        below = MemorySecretsRepository()
        key = SealingKey.from_key(bytes(32))
        secret = await EnrollmentSecrets(SealedSecretsRepository(below, key), FixedRandom("x")).secret(b"a")
        assert await EnrollmentSecrets(SealedSecretsRepository(below, key), FixedRandom("y")).secret(b"a") == secret
        stored = await EnrollmentSecrets(below, FixedRandom("z")).stored(b"a")
        assert stored is not None
        assert secret not in stored

    asyncio.run(main())
