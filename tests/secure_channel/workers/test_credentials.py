"""Credentials in handshakes: what verifies counts, what does not never costs the channel."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from ockam.core.route import route
from ockam.identity import CredentialAndPurposeKey, Identifier
from ockam.identity.access_control import CredentialAccessControl
from ockam.node import Node
from ockam.runtime import Echoer
from ockam.secure_channel.messages import Close, RefreshCredentials
from ockam.secure_channel.options import SecureChannelOptions
from ockam.vault.signatures import Ed25519Signature
from tests.asynchronous import asynchronous, until
from tests.identity.world import T0, World
from tests.interop.raw import RawChannel, RawConnection
from tests.secure_channel.workers.scripted import Failures, Listening, Script, initiate, listening, respond
from tests.transport.tcp.raw_peers import dialled_peer


@dataclass
class Authority:
    world: World
    identifier: Identifier

    @classmethod
    async def make(cls, seed: str = "authority") -> Authority:
        world = World(seed)
        return cls(world, await world.identities.create_identity())

    async def issue(self, script: Script, **attributes: str) -> CredentialAndPurposeKey:
        await self.world.learn(script.world, script.identifier)
        return await self.world.identities.issue_credential(self.identifier, script.identifier, attributes, 3600)

    async def forge(self, subject: Identifier | None, begins: int = T0, ends: int = T0 + 60, **kinds: int) -> Any:
        key = await self.world.identities.credential_purpose_key(self.identifier)
        return await self.world.forge_credential(key, subject, begins, ends, **kinds)

    async def export(self) -> bytes:
        return await self.world.identities.export_identity(self.identifier)


@asynccontextmanager
async def presenting(
    authority: Authority, script: Script, *, knows: bool = True, configured: bool = True
) -> AsyncIterator[tuple[Listening, RawChannel]]:
    """A node with `authority` that `script` has opened a channel to; a worker `guarded` wants the role "tester"."""
    async with listening(authority=authority.identifier if configured else None) as here:
        node = here.node
        if knows:
            await node.import_identity(await authority.export(), authority.identifier)
        control = CredentialAccessControl({"role": "tester"}, authority.identifier, node.identities)
        await node.start_worker("guarded", Echoer(), incoming=control)
        node.flow_controls.add_consumer("guarded", here.channels.flow_control_id)
        async with RawConnection.open(here.address) as peer:
            assert await peer.read_version() == 1
            channel = await initiate(peer, script)
            await channel.send(channel.seal("open"))
            assert await channel.receive() == "open"  # whatever was presented
            yield here, channel


async def is_let_in(channel: RawChannel) -> bool:
    await channel.send(channel.seal("guarded", "guarded"))
    await channel.send(channel.seal("everybody"))
    return "guarded" in await channel.answers_until("everybody")


@asynchronous
async def test_what_a_credential_says_is_kept_and_decides_who_is_let_in() -> None:
    authority, script = await Authority.make(), await Script.make()
    script.credentials = (await authority.issue(script, role="tester"),)
    async with presenting(authority, script) as (here, channel):
        entry = await here.node.identities.attributes(script.identifier, authority.identifier)
        assert entry is not None
        assert entry.attributes == {b"role": b"tester"}
        assert await is_let_in(channel)
        here.clock.advance(3601)
        assert not await is_let_in(channel)  # it has expired
    script.credentials = (await authority.issue(script, role="guest"),)
    async with presenting(authority, script) as (_, channel):
        assert not await is_let_in(channel)


@asynchronous
async def test_the_last_credential_that_verifies_stands() -> None:
    authority, script = await Authority.make(), await Script.make()
    one, two = await authority.issue(script, role="guest"), await authority.issue(script, role="tester")
    script.credentials = (one, two, await authority.forge(None))
    async with presenting(authority, script) as (_, channel):
        assert await is_let_in(channel)


Forge = Callable[[Authority, Script], Awaitable[CredentialAndPurposeKey]]


async def flipped(authority: Authority, script: Script) -> CredentialAndPurposeKey:
    good = await authority.issue(script, role="tester")
    return replace(good, credential=replace(good.credential, signature=Ed25519Signature(bytes(64))))


async def of_another_authority(_: Authority, script: Script) -> CredentialAndPurposeKey:
    return await (await Authority.make("another")).issue(script, role="tester")


async def with_a_static_key(authority: Authority, script: Script) -> CredentialAndPurposeKey:
    good = await authority.issue(script, role="tester")
    key = await authority.world.identities.secure_channel_purpose_key(authority.identifier)
    return replace(good, purpose_key_attestation=key.attestation)


async def of_itself(_: Authority, script: Script) -> CredentialAndPurposeKey:
    return await script.world.identities.issue_credential(script.identifier, script.identifier, {"role": "tester"}, 60)


INVALID: dict[str, Forge] = {
    "no subject": lambda authority, _: authority.forge(None),
    "another subject": lambda authority, _: authority.forge(authority.identifier),
    "expired": lambda authority, script: authority.forge(script.identifier, T0, T0 - 1),
    "from the future": lambda authority, script: authority.forge(script.identifier, T0 + 61, T0 + 100),
    "before its attestation": lambda authority, script: authority.forge(script.identifier, T0 - 1),
    "after its attestation": lambda authority, script: authority.forge(script.identifier, T0, 2**62),
    "version": lambda authority, script: authority.forge(script.identifier, version=2),
    "data type": lambda authority, script: authority.forge(script.identifier, data_type=2),
    "signature": flipped,
    "another authority": of_another_authority,
    "a key for channels": with_a_static_key,
    "issued by itself": of_itself,
}


@pytest.mark.parametrize("forge", INVALID.values(), ids=INVALID)
def test_a_credential_that_does_not_verify_counts_for_nothing_and_costs_nothing(forge: Forge) -> None:
    @asynchronous
    async def check() -> None:
        authority, script = await Authority.make(), await Script.make()
        script.credentials = (await forge(authority, script),)
        with Failures() as failures:
            async with presenting(authority, script) as (here, channel):
                assert failures.has("does not count")
                assert await here.node.identities.attributes(script.identifier, authority.identifier) is None
                assert not await is_let_in(channel)

    check()


@pytest.mark.parametrize(("knows", "configured", "text"), [(False, True, "does not count"), (True, False, "no auth")])
def test_without_an_authority_that_is_known_credentials_count_for_nothing(
    knows: bool, configured: bool, text: str
) -> None:
    @asynchronous
    async def check() -> None:
        authority, script = await Authority.make(), await Script.make()
        script.credentials = (await authority.issue(script, role="tester"),)
        with Failures() as failures:
            async with presenting(authority, script, knows=knows, configured=configured) as (_, channel):
                assert failures.has(text)
                assert not await is_let_in(channel)

    check()


@asynchronous
async def test_the_initiator_keeps_what_the_responder_presents() -> None:
    authority, script = await Authority.make(), await Script.make()
    script.credentials = (await authority.issue(script, role="server"),)
    async with Node(clock=World().clock) as node, dialled_peer(node) as (connection, peer):
        assert await peer.read_version() == 1
        alice = await node.create_identity()
        await node.import_identity(await authority.export())
        creating = asyncio.create_task(
            node.create_secure_channel(
                alice, route(connection, "listener"), SecureChannelOptions(authority=authority.identifier)
            )
        )
        await respond(peer, script)
        assert (await creating).their_identifier == script.identifier
        entry = await node.identities.attributes(script.identifier, authority.identifier)
        assert entry is not None
        assert entry.attributes == {b"role": b"server"}


@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_node_presents_its_credential(as_bytes: bool) -> None:
    @asynchronous
    async def check() -> None:
        authority = await Authority.make()
        async with listening(authority=authority.identifier) as here, Node(clock=here.clock) as node:
            alice = await node.create_identity()
            await here.node.import_identity(await authority.export())
            await authority.world.identities.import_identity(await node.export_identity(alice))
            credential = await authority.world.identities.issue_credential(
                authority.identifier, alice, {"role": "tester"}, 60
            )
            there = f"1#{here.address}"
            channel = await node.create_secure_channel(
                alice,
                route(there, "listener"),
                SecureChannelOptions(credential=credential.encode() if as_bytes else credential),
            )
            await node.send_and_receive(route(channel, "echoer"), "up", reply=str)
            entry = await here.node.identities.attributes(alice, authority.identifier)
            assert entry is not None
            assert entry.attributes == {b"role": b"tester"}

    check()


# ---- refreshed over an open channel ----------------------------------------------------------------------------------


async def send_message(channel: RawChannel, plaintext: bytes) -> None:
    await channel.send(channel._encryptor.seal(plaintext))


@asynchronous
async def test_credentials_are_refreshed_over_an_open_channel() -> None:
    authority, script, other = await Authority.make(), await Script.make(), await Script.make("other")
    tester, guest = await authority.issue(script, role="tester"), await authority.issue(script, role="guest")
    others = await authority.issue(other, role="tester")
    with Failures() as failures:
        async with presenting(authority, script) as (_, channel):
            assert not await is_let_in(channel)
            await send_message(channel, RefreshCredentials(script.history, (tester,)).encode())
            while not await is_let_in(channel):
                pass
            # Of another identity, or nothing that verifies: the channel stays, and so does what was known.
            await send_message(channel, RefreshCredentials(other.history, (others,)).encode())
            await until(lambda: failures.has("refreshed credentials do not count"))
            await send_message(channel, RefreshCredentials(script.history, (others,)).encode())
            await until(lambda: failures.has("a credential that"))
            assert await is_let_in(channel)
            for _ in range(200):  # no work piles up, and the latest stands
                await send_message(channel, RefreshCredentials(script.history, (tester,)).encode())
            await send_message(channel, RefreshCredentials(script.history, (guest,)).encode())
            while await is_let_in(channel):
                pass


@asynchronous
async def test_a_peer_that_says_close_ends_the_channel_and_hears_nothing() -> None:
    authority, script = await Authority.make(), await Script.make()
    async with presenting(authority, script) as (here, channel):
        (open_channel,) = here.node.secure_channels.channels
        await send_message(channel, Close().encode())
        await open_channel.wait_closed()
        assert here.node.secure_channels.channels == ()
        assert await channel._connection.echo("after", "hop", "echoer") == "after"  # the next that comes
