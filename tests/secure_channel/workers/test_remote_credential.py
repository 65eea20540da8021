"""Credentials that are asked for: when, how often, and what happens when nobody answers. Time is turned by hand."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ockam.errors import OckamError, PeerError
from ockam.identity.credential_retriever import RefreshTiming
from ockam.identity.errors import NoCredential, UnknownAuthority
from ockam.secure_channel.workers.remote_credential import RemoteCredentialRetriever
from ockam.storage.errors import StorageError
from tests.asynchronous import asynchronous, settle
from tests.identity.world import T0, World
from tests.secure_channel.workers.scripted import Failures

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ockam.identity import CredentialAndPurposeKey, Identifier


class Authority:
    """An authority that can be out of reach, and the timer and the clock of who asks it."""

    def __init__(self) -> None:
        self.world = World()
        self.ttl = 3600
        self.asked_at: list[int] = []
        self.failure: Exception | None = None
        self.issuer: Identifier | None = None
        self.due: tuple[int, Callable[[], None]] | None = None
        self.tasks: list[asyncio.Task[None]] = []

    async def retriever(self, scope: str = "scope", timing: RefreshTiming | None = None) -> RemoteCredentialRetriever:
        identities = self.world.identities
        if self.issuer is None:
            self.issuer, self.subject = await identities.create_identity(), await identities.create_identity()
        return RemoteCredentialRetriever(
            identities, self.subject, self.issuer, self.fetch, self, self.new_task, scope=scope, timing=timing
        )

    async def fetch(self) -> CredentialAndPurposeKey:
        self.asked_at.append(self.now - T0)
        if self.failure is not None:
            raise self.failure
        assert self.issuer is not None
        attributes = {"number": str(len(self.asked_at))}
        return await self.world.identities.issue_credential(self.issuer, self.subject, attributes, self.ttl)

    @property
    def now(self) -> int:
        return self.world.clock.now

    # the timer of the node

    def add(self, key: object, seconds: float, callback: Callable[[], None]) -> None:
        self.due = (self.now + int(seconds), callback)

    def drop(self, key: object) -> None:
        self.due = None

    def new_task(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self.tasks.append(task)
        return task

    async def pass_time(self, seconds: int) -> None:
        """Let so many seconds pass, and what is due in them happen in its time."""
        end = self.now + seconds
        while self.due is not None and self.due[0] <= end:
            when, callback = self.due
            self.due = None
            self.world.clock.now = max(self.now, when)
            callback()
            await asyncio.gather(*self.tasks)
        self.world.clock.now = end


@asynchronous
async def test_it_is_asked_for_once_and_again_before_it_ends() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    told: list[int] = []
    retriever.subscribe(lambda: told.append(authority.now - T0))
    with pytest.raises(NoCredential):
        await retriever.retrieve()
    assert retriever.expires_at is None
    await asyncio.gather(*(retriever.initialize() for _ in range(5)))
    await retriever.initialize()
    first = await retriever.retrieve()
    assert authority.asked_at == [0]
    assert retriever.expires_at == T0 + 3600
    await authority.pass_time(3600 - 121)
    assert await retriever.retrieve() is first
    await authority.pass_time(1)
    assert authority.asked_at == [0, 3480]
    assert told == [0, 3480]
    second = await retriever.retrieve()
    assert second != first
    stored = authority.world.repositories.credentials
    assert authority.issuer is not None
    assert await stored.credential(authority.subject, authority.issuer, "scope") == second
    retriever.close()
    await authority.pass_time(10_000)
    assert len(authority.asked_at) == 2
    with pytest.raises(NoCredential):
        await retriever.retrieve()


@pytest.mark.parametrize("ttl", [61, 90, 119, 120, 121])
def test_a_short_time_to_live_makes_no_tight_loop(ttl: int) -> None:
    @asynchronous
    async def check() -> None:
        authority = Authority()
        authority.ttl = ttl
        retriever = await authority.retriever()
        await retriever.initialize()
        await authority.pass_time(100)
        # The reference asks without a pause here.
        assert authority.asked_at == list(range(0, 101, 10))

    check()


@asynchronous
async def test_credentials_that_end_too_soon_to_be_presented() -> None:
    authority = Authority()
    authority.ttl = 60
    retriever = await authority.retriever()
    with pytest.raises(NoCredential, match="too soon"):
        await retriever.initialize()
    retriever = await authority.retriever("other", RefreshTiming(clock_skew_gap=5, proactive_refresh_gap=5))
    await retriever.initialize()
    await authority.pass_time(50)
    assert authority.asked_at == [0, 0, 50]


@asynchronous
async def test_an_issuer_that_is_down_is_asked_every_ten_seconds() -> None:
    authority = Authority()
    authority.failure = OckamError("down")
    retriever = await authority.retriever()
    with pytest.raises(OckamError, match="down"):
        await retriever.initialize()
    # Whoever opens channels meanwhile fails at once, and does not ask.
    for _ in range(3):
        with pytest.raises(NoCredential, match="a moment ago"):
            await retriever.initialize()
    await authority.pass_time(35)
    assert authority.asked_at == [0, 10, 20, 30]
    authority.failure = None
    await authority.pass_time(5)
    assert authority.asked_at == [0, 10, 20, 30, 40]
    await retriever.initialize()
    await retriever.retrieve()


@asynchronous
async def test_a_renewal_that_fails_leaves_the_credential_until_it_ends() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    await retriever.initialize()
    first = await retriever.retrieve()
    authority.failure = ValueError("a defect of ours")
    await authority.pass_time(3480 + 55)
    assert authority.asked_at == [0, *range(3480, 3540, 10)]
    assert await retriever.retrieve() is first
    await authority.pass_time(5)  # a minute is left, and peers' clocks may be ahead
    with pytest.raises(NoCredential):
        await retriever.retrieve()
    authority.failure = None
    await authority.pass_time(10)
    assert await retriever.retrieve() != first


@asynchronous
async def test_it_is_found_again_after_a_restart() -> None:
    authority = Authority()
    await (await authority.retriever()).initialize()
    await authority.pass_time(1000)
    again = await authority.retriever()
    await again.initialize()
    # The reference asks here, although the credential holds for long.
    assert authority.asked_at == [0]
    assert again.expires_at == T0 + 3600
    await authority.pass_time(2480)
    assert authority.asked_at == [0, 3480]
    # One that ends too soon is no use, and another scope is another credential.
    await (await authority.retriever("other")).initialize()
    authority.world.clock.advance(3600 - 60)
    await (await authority.retriever()).initialize()
    assert len(authority.asked_at) == 4


@asynchronous
async def test_a_machine_that_slept() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    await retriever.initialize()
    authority.world.clock.advance(3500)  # no timer counted that
    assert authority.due is not None
    _, callback = authority.due
    callback()
    await asyncio.gather(*authority.tasks)
    assert authority.asked_at == [0, 3500]


@asynchronous
async def test_a_stored_credential_of_an_issuer_that_was_rotated_is_not_presented() -> None:
    authority = Authority()
    await (await authority.retriever()).initialize()
    assert authority.issuer is not None
    await authority.world.identities.rotate_identity(authority.issuer)
    await (await authority.retriever()).initialize()
    assert authority.asked_at == [0, 0]


class FullDisk:
    """Where nothing can be stored."""

    async def put_credential(self, *_: object) -> None:
        raise StorageError("the disk is full")

    async def credential(self, *_: object) -> None:
        return None

    async def delete_credential(self, *_: object) -> None:
        """Nothing is there."""


@asynchronous
async def test_a_credential_that_cannot_be_stored_is_presented_all_the_same() -> None:
    authority = Authority()
    repositories = replace(authority.world.repositories, credentials=FullDisk())
    authority.world.identities.repositories = repositories
    retriever = await authority.retriever()
    with Failures() as failures:
        await retriever.initialize()
    assert failures.has("could not be stored")
    await retriever.retrieve()


@asynchronous
async def test_a_retriever_that_is_closed_while_it_is_about_to_ask() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    await retriever.initialize()
    assert authority.due is not None
    _, callback = authority.due
    authority.world.clock.advance(3480)
    callback()
    retriever.close()
    await asyncio.gather(*authority.tasks)
    assert authority.asked_at == [0]


@asynchronous
async def test_only_the_issuers_word_about_us_counts() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    world = authority.world.identities
    stranger = await world.create_identity()
    assert authority.issuer is not None

    async def of_a_stranger() -> CredentialAndPurposeKey:
        return await world.issue_credential(stranger, authority.subject, {}, 3600)

    async def about_a_stranger() -> CredentialAndPurposeKey:
        assert authority.issuer is not None
        return await world.issue_credential(authority.issuer, stranger, {}, 3600)

    for fetch, error in ((of_a_stranger, UnknownAuthority), (about_a_stranger, PeerError)):
        retriever._fetch = fetch
        with pytest.raises(error):
            await retriever.initialize()
        with pytest.raises(NoCredential):
            await retriever.retrieve()
        authority.world.clock.advance(10)


@asynchronous
async def test_an_unchanged_credential_is_no_news() -> None:
    authority = Authority()
    retriever = await authority.retriever()
    await retriever.initialize()
    same = await retriever.retrieve()

    async def unchanged() -> CredentialAndPurposeKey:
        return same

    told: list[None] = []
    retriever.subscribe(lambda: told.append(None))
    retriever._fetch = unchanged
    await authority.pass_time(3480)
    await settle()
    assert not told
