"""Given and stored credentials, and when a remote one is asked for again."""

from __future__ import annotations

import pytest

from ockam.errors import Misuse
from ockam.identity.credential_retriever import (
    CachedCredentialRetriever,
    MemoryCredentialRetriever,
    RefreshTiming,
    credential_expiry,
)
from ockam.identity.errors import NoCredential
from tests.identity.world import T0, World, run


def test_a_given_credential_is_presented_until_there_is_another() -> None:
    async def main() -> None:
        world = World()
        issuer, subject = await world.identities.create_identity(), await world.identities.create_identity()
        first = await world.identities.issue_credential(issuer, subject, {"a": "1"}, 10)
        second = await world.identities.issue_credential(issuer, subject, {"a": "2"}, 10)
        retriever = MemoryCredentialRetriever(first)
        told: list[int] = []

        def subscriber() -> None:
            told.append(len(told))

        retriever.subscribe(subscriber)
        retriever.subscribe(subscriber)
        await retriever.initialize()
        world.clock.advance(1000)  # expired, and presented all the same
        assert await retriever.retrieve() is first
        retriever.replace(second)
        assert await retriever.retrieve() is second
        assert told == [0]
        retriever.unsubscribe(subscriber)
        retriever.unsubscribe(subscriber)
        retriever.replace(first)
        assert told == [0]

    run(main())


def test_a_stored_credential_is_presented_until_it_expires() -> None:
    async def main() -> None:
        world = World()
        issuer, subject = await world.identities.create_identity(), await world.identities.create_identity()
        repository = world.repositories.credentials
        retriever = CachedCredentialRetriever(world.identities, issuer, subject, "scope")
        await retriever.initialize()
        with pytest.raises(NoCredential):
            await retriever.retrieve()
        credential = await world.identities.issue_credential(issuer, subject, {}, 10)
        assert credential_expiry(credential) == T0 + 10
        await repository.put_credential(subject, issuer, "scope", T0 + 10, credential)
        world.clock.advance(9)
        assert await retriever.retrieve() == credential
        world.clock.advance(1)
        with pytest.raises(NoCredential):
            await retriever.retrieve()
        assert await repository.credential(subject, issuer, "scope") is None
        retriever.subscribe(lambda: None)
        retriever.unsubscribe(lambda: None)

    run(main())


@pytest.mark.parametrize(
    ("left", "delay"),
    [
        (3600, 3600 - 120),  # a minute before it no longer counts, which is a minute before it expires
        (131, 11),
        (130, 10),
        (121, 10),  # the reference: 1
        (120, 10),  # and 0 from here on, over and over
        (60, 10),
        (0, 10),
        (-1000, 10),
    ],
)
def test_when_it_is_asked_for_again(left: int, delay: int) -> None:
    assert RefreshTiming().delay(T0 + left, T0) == delay


def test_what_counts() -> None:
    timing = RefreshTiming()
    assert timing.counts(T0 + 61, T0)
    assert not timing.counts(T0 + 60, T0)
    assert RefreshTiming(clock_skew_gap=0).counts(T0 + 1, T0)
    assert not RefreshTiming(clock_skew_gap=0).counts(T0, T0)
    for wrong in ({"min_refresh_interval": 0}, {"clock_skew_gap": -1}, {"proactive_refresh_gap": -1}):
        with pytest.raises(Misuse):
            RefreshTiming(**wrong)
