"""Identities on a live node: rotated, compared, handed over as text, and used without their primary key at hand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from ockam.core.route import route
from ockam.errors import DecodeError, Misuse, OckamError
from ockam.identity import Comparison, IdentityNotFound, PurposeKeyAttestationVerificationFailed
from ockam.identity.errors import ConsistencyError, WrongSecretKey
from ockam.node import Node
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.storage.memory import create_memory_repositories
from ockam.vault import KeyNotFound, SigningKeyType, SigningSecret, Vault
from ockam.vault.software import create_software_vault
from tests.asynchronous import asynchronous, until
from tests.interop.raw import RawConnection
from tests.known_identities import CLIENT, ISSUER, SERVER
from tests.secure_channel.workers.scripted import Failures, Listening, Script, initiate, listening, respond
from tests.transport.tcp.raw_peers import dialled_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.identity import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel

KEY_TYPES = [SigningKeyType.ED25519, SigningKeyType.ECDSA_P256]


async def open_channel(node: Node, identifier: Identifier, here: Listening) -> SecureChannel:
    connection = await (await node.create_tcp_transport()).connect(here.address)
    channel = await node.create_secure_channel(identifier, route(connection, "listener"))
    assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str) == "hi"
    return channel


# ---- rotation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_new_channels_use_the_new_history_and_open_ones_stay(key_type: SigningKeyType) -> None:
    @asynchronous
    async def check() -> None:
        async with listening() as here, Node(clock=here.clock) as node:
            alice = await node.create_identity()
            before = await open_channel(node, alice, here)
            old = await node.export_identity(alice)
            assert await here.node.export_identity(alice) == old

            new = await node.rotate_identity(alice, key_type=key_type, revoke_all_purpose_keys=True)
            assert new != old
            assert await node.export_identity(alice) == new
            assert (await node.identities.identity(alice)).latest_change.data.revoke_all_purpose_keys
            # The peer learns of it by the next channel.
            assert await here.node.compare_identity(new) is Comparison.NEWER
            after = await open_channel(node, alice, here)
            assert await here.node.export_identity(alice) == new
            for channel in (before, after):
                assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str) == "hi"

            # And the listener's own identity, while it listens.
            await here.node.rotate_identity(here.identifier)
            again = await open_channel(node, alice, here)
            assert again.their_identifier == here.identifier
            theirs = await here.node.export_identity(here.identifier)
            assert await node.export_identity(here.identifier) == theirs

    check()


@asynccontextmanager
async def rotated_peer() -> AsyncIterator[tuple[Script, Script]]:
    """What a peer says about itself before and after its rotation; it can go back, as a thief of the old key could."""
    before = await Script.make()
    await before.world.identities.rotate_identity(before.identifier)
    yield before, await Script.of(before.world, before.identifier)


@asynchronous
async def test_a_listener_that_has_seen_the_new_history_refuses_the_old_one() -> None:
    async with rotated_peer() as (before, after), listening() as here:
        for script in (before, after):
            async with RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                channel = await initiate(peer, script)
                await channel.send(channel.seal("up"))
                assert await channel.receive() == "up"
        with Failures() as failures:
            async with RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                await initiate(peer, before)
                await until(lambda: failures.has("handshake failed"))
        (error,) = failures.errors("handshake failed")
        assert isinstance(error, ConsistencyError)
        assert await here.node.compare_identity(after.history.encode()) is Comparison.EQUAL


@asynchronous
async def test_an_initiator_that_has_seen_the_new_history_refuses_the_old_one() -> None:
    async with rotated_peer() as (before, after), listening() as here:
        node = here.node
        for script, is_accepted in ((before, True), (after, True), (before, False)):
            async with dialled_peer(node) as (connection, peer):
                assert await peer.read_version() == 1
                answering = asyncio.create_task(respond(peer, script))
                opening = node.create_secure_channel(here.identifier, route(connection, "listener"))
                if is_accepted:
                    assert (await opening).their_identifier == script.identifier
                    await answering
                else:
                    with pytest.raises(ConsistencyError):
                        await opening
                    answering.cancel()  # there is no message 3


@asynchronous
async def test_an_old_attestation_under_the_new_history_is_refused() -> None:
    async with rotated_peer() as (before, after), listening() as here:
        before.history = after.history
        with Failures() as failures:
            async with RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                await initiate(peer, before)
                await until(lambda: failures.has("handshake failed"))
        (error,) = failures.errors("handshake failed")
        assert isinstance(error, PurposeKeyAttestationVerificationFailed)


# ---- without the primary key -----------------------------------------------------------------------------------------


async def delete_primary_key(vault: Vault, node: Node, identifier: Identifier) -> None:
    identity = await node.identities.identity(identifier)
    handle = await vault.identity.handle_of(identity.latest_public_key)
    assert await vault.identity.delete_signing_key(handle)
    with pytest.raises(KeyNotFound):
        await vault.identity.public_key(handle)


@asynchronous
async def test_channels_open_without_the_primary_key_once_there_is_a_purpose_key() -> None:
    async with listening() as here:
        vault, storage = create_software_vault(), create_memory_repositories()
        async with Node(clock=here.clock, vault=vault, storage=storage) as node:
            alice, unused = await node.create_identity(), await node.create_identity()
            await node.create_secure_channel_key(alice)
            for identifier in (alice, unused):
                await delete_primary_key(vault, node, identifier)
            await open_channel(node, alice, here)
            with pytest.raises(KeyNotFound):
                await open_channel(node, unused, here)
            with pytest.raises(KeyNotFound):
                await node.rotate_identity(alice)
        # Nor after a restart, and in the other role.
        async with Node(clock=here.clock, vault=vault, storage=storage) as node:
            await open_channel(node, alice, here)
            listener = await (await node.create_tcp_transport()).listen("127.0.0.1:0")
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
            await node.create_secure_channel_listener(alice, "listener", options)
            connection = await (await here.node.create_tcp_transport()).connect(listener.socket_address)
            channel = await here.node.create_secure_channel(here.identifier, route(connection, "listener"))
            assert channel.their_identifier == alice


# ---- histories as values ---------------------------------------------------------------------------------------------


@asynchronous
async def test_histories_are_compared_and_nothing_is_stored() -> None:
    async with Node() as node, Node() as other:
        alice = await other.create_identity()
        first = await other.export_identity(alice)
        with pytest.raises(IdentityNotFound):
            await node.compare_identity(first)
        assert await node.import_identity(first) == alice
        second = await other.rotate_identity(alice)
        third = await other.rotate_identity(alice, key_type=SigningKeyType.ECDSA_P256)
        assert await node.compare_identity(first) is Comparison.EQUAL
        assert await node.compare_identity(third) is Comparison.NEWER
        assert await node.export_identity(alice) == first
        await node.import_identity(third)
        assert await node.compare_identity(second) is Comparison.OLDER
        with pytest.raises(ConsistencyError):
            await node.import_identity(second)
        with pytest.raises(OckamError):
            await node.compare_identity(third[:-1] + bytes((third[-1] ^ 1,)))
        with pytest.raises(DecodeError):
            await node.compare_identity(third + b"\0")


@asynchronous
async def test_histories_as_text() -> None:
    async with Node() as node, Node() as other:
        alice = await node.create_identity()
        text = await node.export_identity_hex(alice)
        assert text == (await node.export_identity(alice)).hex()
        assert await other.import_identity_hex(f" {text.upper()}\n", alice) == alice
        assert await other.export_identity_hex(alice) == text
        with pytest.raises(DecodeError):
            await other.import_identity_hex("no hexadecimal text")


@asynchronous
async def test_an_identity_that_was_made_elsewhere() -> None:
    async with Node() as node, Node() as other:
        assert await node.import_private_identity(CLIENT.history, CLIENT.secret, CLIENT.identifier) == CLIENT.identifier
        vault = node.identities.vault.identity
        handle = await vault.handle_of((await node.identities.identity(CLIENT.identifier)).latest_public_key)
        assert await node.import_private_identity(CLIENT.history, handle) == CLIENT.identifier
        rotated = await node.rotate_identity(CLIENT.identifier)
        assert await other.import_identity(rotated) == CLIENT.identifier
        with pytest.raises(WrongSecretKey):
            await node.import_private_identity(SERVER.history, ISSUER.secret)
        with pytest.raises(OckamError):
            await node.import_private_identity(SERVER.history, SERVER.secret, ISSUER.identifier)
        with pytest.raises(OckamError):
            await node.import_private_identity(SERVER.history, SigningSecret(SigningKeyType.ED25519, b"short"))


class NoImport:
    """A vault whose keys are made in it."""


@asynchronous
async def test_a_vault_that_takes_no_secrets() -> None:
    vault = create_software_vault()
    elsewhere = Vault(NoImport(), vault.credential, vault.secure_channel, vault.verifying)  # type: ignore[arg-type]
    async with Node(vault=elsewhere) as node:
        with pytest.raises(Misuse, match="takes no secrets"):
            await node.import_private_identity(CLIENT.history, CLIENT.secret)
