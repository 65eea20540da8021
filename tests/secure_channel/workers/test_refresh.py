"""Credentials that are renewed while channels live, and several authorities; over sockets."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ockam.core.route import route
from ockam.errors import Misuse, OckamError
from ockam.identity.access_control import CredentialAccessControl
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.credential_retriever import CachedCredentialRetriever, MemoryCredentialRetriever
from ockam.identity.errors import NoCredential
from ockam.node import Node
from ockam.runtime import Echoer
from ockam.secure_channel.errors import CredentialRefused
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.transport.errors import PeerNotFound
from tests.asynchronous import asynchronous, settle, until
from tests.secure_channel.workers.scripted import Failures, Listening, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.identity.identifier import Identifier


async def credential(node: Node, issuer: Identifier, subject: Identifier, **attributes: str) -> CredentialAndPurposeKey:
    return CredentialAndPurposeKey.decode(await node.issue_credential(issuer, subject, attributes))


def said(node: Node, subject: Identifier, authority: Identifier) -> dict[str, str] | None:
    entry = node.identities.remembered_attributes(subject, authority)
    return None if entry is None else entry.text()


@asynccontextmanager
async def world() -> AsyncIterator[tuple[Listening, Node, Identifier, Identifier]]:
    """A node that listens, and another one that knows the same issuer, whose secrets are on the latter."""
    async with listening() as here, Node(clock=here.clock) as node:
        issuer, alice = await node.create_identity(), await node.create_identity()
        await here.node.import_identity(await node.export_identity(issuer))
        await node.import_identity(await here.node.export_identity(here.identifier))
        yield here, node, issuer, alice


@asynchronous
async def test_both_sides_present_what_has_changed() -> None:
    async with world() as (here, node, issuer, alice):
        ours = MemoryCredentialRetriever(await credential(node, issuer, alice, visit="1"))
        theirs = MemoryCredentialRetriever(await credential(node, issuer, here.identifier, visit="a"))
        options = SecureChannelListenerOptions(
            consumer_of=[here.tcp.flow_control_id], authority=issuer, credential_retriever=theirs
        )
        await here.node.create_secure_channel_listener(here.identifier, "renewing", options)
        connection = await (await node.create_tcp_transport()).connect(here.address)
        channel = await node.create_secure_channel(
            alice, route(connection, "renewing"), SecureChannelOptions(authority=issuer, credential_retriever=ours)
        )
        assert said(node, here.identifier, issuer) == {"visit": "a"}
        await until(lambda: here.node.secure_channels.channels)
        assert said(here.node, alice, issuer) == {"visit": "1"}

        ours.replace(await credential(node, issuer, alice, visit="2"))
        await until(lambda: said(here.node, alice, issuer) == {"visit": "2"})
        ours.replace(await credential(node, issuer, alice, visit="3"))
        await until(lambda: said(here.node, alice, issuer) == {"visit": "3"})
        theirs.replace(await credential(node, issuer, here.identifier, visit="b"))
        await until(lambda: said(node, here.identifier, issuer) == {"visit": "b"})

        # The same again: nothing is sent.
        encryptor = channel._encryptor
        assert encryptor is not None
        nonce = encryptor.nonce
        with Failures() as failures:
            ours.replace(await ours.retrieve())
            await until(lambda: failures.has("has not changed"))
        assert encryptor.nonce == nonce

        # Several changes at once: the last one counts.
        for visit in ("4", "5", "6"):
            ours.replace(await credential(node, issuer, alice, visit=visit))
        await until(lambda: said(here.node, alice, issuer) == {"visit": "6"})

        (other,) = here.node.secure_channels.channels
        await channel.close()
        await other.wait_closed()
        assert (len(ours._subscribers), len(theirs._subscribers)) == (0, 0)
        ours.replace(await credential(node, issuer, alice, visit="7"))
        await settle()


@asynchronous
async def test_a_change_during_the_handshake_is_not_missed() -> None:
    async with world() as (here, node, issuer, alice):
        options = SecureChannelListenerOptions(consumer_of=[here.tcp.flow_control_id], authority=issuer)
        await here.node.create_secure_channel_listener(here.identifier, "renewing", options)
        second = await credential(node, issuer, alice, visit="2")

        class Changing(MemoryCredentialRetriever):
            async def retrieve(self) -> CredentialAndPurposeKey:
                present = await super().retrieve()
                if present is not second:
                    self.replace(second)
                return present

        retriever = Changing(await credential(node, issuer, alice, visit="1"))
        connection = await (await node.create_tcp_transport()).connect(here.address)
        options_2 = SecureChannelOptions(credential_retriever=retriever)
        await node.create_secure_channel(alice, route(connection, "renewing"), options_2)
        await until(lambda: said(here.node, alice, issuer) == {"visit": "2"})


@asynchronous
async def test_a_change_that_cannot_be_presented_is_logged_and_the_channel_stays() -> None:
    async with world() as (here, node, issuer, alice):

        class Failing(MemoryCredentialRetriever):
            fails = False

            async def retrieve(self) -> CredentialAndPurposeKey:
                if self.fails:
                    raise NoCredential
                return await super().retrieve()

        retriever = Failing(await credential(node, issuer, alice, visit="1"))
        connection = await (await node.create_tcp_transport()).connect(here.address)
        channel = await node.create_secure_channel(
            alice, route(connection, "listener"), SecureChannelOptions(credential_retriever=retriever)
        )
        retriever.fails = True
        with Failures() as failures:
            retriever.replace(await credential(node, issuer, alice, visit="2"))
            await until(lambda: failures.has("could not be presented"))
        assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str) == "hi"


@asynchronous
async def test_without_a_credential_there_is_no_channel() -> None:
    async with world() as (here, node, issuer, alice):
        retriever = CachedCredentialRetriever(node.identities, issuer, alice, "scope")
        connection = await (await node.create_tcp_transport()).connect(here.address)
        with pytest.raises(NoCredential):
            await node.create_secure_channel(
                alice, route(connection, "listener"), SecureChannelOptions(credential_retriever=retriever)
            )
        assert here.channels.half_open == 0
        stored = await credential(node, issuer, alice)
        await node.identities.repositories.credentials.put_credential(alice, issuer, "scope", None, stored)
        await node.create_secure_channel(
            alice, route(connection, "listener"), SecureChannelOptions(credential_retriever=retriever)
        )


@asynchronous
async def test_a_credential_or_a_retriever() -> None:
    async with world() as (_, node, issuer, alice):
        given = await credential(node, issuer, alice)
        for options in (SecureChannelOptions, SecureChannelListenerOptions):
            with pytest.raises(Misuse):
                options(credential=given, credential_retriever=MemoryCredentialRetriever(given))


@asynchronous
async def test_several_authorities_count_each_by_itself() -> None:
    async with world() as (here, node, issuer, alice):
        second, unknown, bob = [await node.create_identity() for _ in range(3)]
        await here.node.import_identity(await node.export_identity(second))
        await here.node.import_identity(await node.export_identity(unknown))
        options = SecureChannelListenerOptions(consumer_of=[here.tcp.flow_control_id], authority=[issuer, second])
        channels = await here.node.create_secure_channel_listener(here.identifier, "both", options)
        for name, authority in (("first", issuer), ("second", second)):
            guard = CredentialAccessControl({"in": name}, authority, here.node.identities)
            await here.node.start_worker(name, Echoer(), incoming=guard)
            here.node.flow_controls.add_consumer(name, channels.flow_control_id)
        connection = await (await node.create_tcp_transport()).connect(here.address)
        for subject, authority, name in ((alice, issuer, "first"), (bob, second, "second")):
            presented = await credential(node, authority, subject, **{"in": name})
            channel = await node.create_secure_channel(
                subject, route(connection, "both"), SecureChannelOptions(credential=presented)
            )
            assert await node.send_and_receive(route(channel, name), "hi", reply=str) == "hi"
        # What one authority says is not what the other says, and a third one's word is none.
        assert said(here.node, alice, second) is None
        assert said(here.node, bob, issuer) is None
        presented = await credential(node, unknown, alice, **{"in": "first"})
        with Failures() as failures:
            await node.create_secure_channel(
                alice, route(connection, "both"), SecureChannelOptions(credential=presented)
            )
            await until(lambda: failures.has("does not count"))
        assert said(here.node, alice, issuer) == {"in": "first"}
        assert said(here.node, alice, unknown) is None


@asynchronous
async def test_a_credential_from_an_issuer_on_another_node() -> None:
    async with listening() as here, Node(clock=here.clock) as node:
        alice, mallory = await node.create_identity(), await node.create_identity()
        await here.node.create_credential_issuer(
            here.identifier,
            {alice: {"cluster": "production"}},
            ttl_seconds=3600,
            consumer_of=[here.channels.flow_control_id],
        )
        at = route(f"1#{here.address}", "listener")
        retriever = await node.create_credential_retriever(alice, here.identifier, at)
        await retriever.initialize()
        assert retriever.expires_at == here.clock.now + 3600
        presented = await retriever.retrieve()
        verified = await node.verify_credential(presented.encode(), alice, [here.identifier])
        assert verified.attributes == {"cluster": "production"}
        # One channel for the request, closed with its connection.
        tcp = await node.create_tcp_transport()
        await until(lambda: not tcp.connections)
        assert not node.secure_channels.channels

        # Who is no member gets none; and only the issuer we named is asked.
        with pytest.raises(CredentialRefused):
            await (await node.create_credential_retriever(mallory, here.identifier, at)).initialize()
        with pytest.raises(OckamError):
            await (await node.create_credential_retriever(alice, mallory, at, scope="other")).initialize()
        nowhere = route("1#127.0.0.1:1", "listener")
        with pytest.raises(PeerNotFound):
            await (await node.create_credential_retriever(alice, here.identifier, nowhere, scope="o")).initialize()
        assert not tcp.connections
