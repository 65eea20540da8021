"""What a node can do, the same wherever its data and its keys are: in memory, a home, PostgreSQL, a PKCS#11 token.

The other side is always a plain node in memory.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from ockam.core.route import route
from ockam.errors import AlreadyExists, Misuse, TimedOut
from ockam.identity import (
    Comparison,
    CredentialAccessControl,
    CredentialAndPurposeKey,
    IdentityNotFound,
    PurposeKeyAttestationVerificationFailed,
    SecureChannelTrustCheckFailed,
    UnknownAuthority,
)
from ockam.identity.errors import ConsistencyError
from ockam.node import Node
from ockam.policy import ResourceType, parse_expression
from ockam.runtime import Echoer
from ockam.secure_channel.errors import OwnPayloadTooLong
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.secure_channel.trust_policy import TrustIdentifier
from ockam.testing import FixedClock
from ockam.vault import KeyNotFound, SigningKeyType
from tests.asynchronous import asynchronous, until
from tests.identity.world import T0
from tests.interop.raw import RawConnection
from tests.secure_channel.workers.scripted import Failures, Script, initiate, respond
from tests.transport.tcp.raw_peers import dialled_peer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam.identity import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel
    from ockam.secure_channel.workers.listener import SecureChannelListener
    from tests.node.configurations import Configuration

HOUR = 3600
SHORT = 0.2
"""What is refused is not answered: so long we wait for what must not come."""


@dataclass
class Listening:
    """A channel listener of a node, with an echoer behind it."""

    node: Node
    identifier: Identifier
    address: str
    channels: SecureChannelListener

    async def reached_from(
        self, node: Node, identifier: Identifier, options: SecureChannelOptions | None = None
    ) -> SecureChannel:
        """Open a channel from another node."""
        connection = await (await node.create_tcp_transport()).connect(self.address)
        return await node.create_secure_channel(identifier, route(connection, "listener"), options)


async def listen(node: Node, identifier: Identifier, **options: Any) -> Listening:
    tcp = await (await node.create_tcp_transport()).listen("127.0.0.1:0")
    given = SecureChannelListenerOptions(consumer_of=[tcp.flow_control_id], **options)
    channels = await node.create_secure_channel_listener(identifier, "listener", given)
    await node.start_worker("echoer", Echoer())
    node.flow_controls.add_consumer("echoer", channels.flow_control_id)
    return Listening(node, identifier, tcp.socket_address, channels)


async def echoes(node: Node, channel: SecureChannel, worker: str = "echoer", *, allowed: bool = True) -> bool:
    """Ask a worker, and return whether what is `allowed` is answered, or what is not allowed is not."""
    try:
        timeout = 10.0 if allowed else SHORT
        answer = await node.send_and_receive(route(channel, worker), "hi", reply=str, timeout=timeout)
    except TimedOut:
        return not allowed
    return allowed and answer == "hi"


@asynccontextmanager
async def both(configuration: Configuration) -> AsyncIterator[tuple[Node, Node]]:
    """A node of this configuration, and the other side."""
    async with configuration.node(clock=FixedClock(T0)) as node, Node(clock=FixedClock(T0)) as peer:
        yield node, peer


# ---- identities ------------------------------------------------------------------------------------------------------


@asynchronous
async def test_identities_are_made_exported_imported_and_compared(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        for key_type in configuration.key_types:
            ours = await node.create_identity(key_type.name, key_type=key_type)
            assert await node.identity_named(key_type.name) == ours
            history = await node.export_identity(ours)
            with pytest.raises(IdentityNotFound):
                await peer.compare_identity(history)
            assert await peer.import_identity(history, ours) == ours
            assert await peer.export_identity(ours) == history
            assert await peer.compare_identity(history) is Comparison.EQUAL

            theirs = await peer.create_identity(key_type=key_type)
            first = await peer.export_identity(theirs)
            with pytest.raises(IdentityNotFound):
                await node.compare_identity(first)
            assert await node.import_identity(first, theirs) == theirs
            second = await peer.rotate_identity(theirs)
            assert await node.compare_identity(second) is Comparison.NEWER
            assert await node.export_identity(theirs) == first
            await node.import_identity(second)
            assert await node.compare_identity(first) is Comparison.OLDER
            with pytest.raises(ConsistencyError):
                await node.import_identity(first)
            # Known, but not ours.
            with pytest.raises(KeyNotFound):
                await node.rotate_identity(theirs)


@pytest.mark.parametrize("name", ["", "'; --", "%s ?", "e\u0301", "\u00e9", "x" * 10_000])
@asynchronous
async def test_any_text_is_a_name(configuration: Configuration, name: str) -> None:
    async with configuration.node() as node:
        identifier = await node.create_identity(name, key_type=configuration.key_types[0])
        assert await node.identity_named(name) == identifier
        with pytest.raises(AlreadyExists):
            await node.create_identity(name)


@pytest.mark.parametrize("name", ["a\0b", "\udcff"])
@asynchronous
async def test_what_cannot_be_stored_everywhere_is_no_name_anywhere(configuration: Configuration, name: str) -> None:
    async with configuration.node() as node:
        assert await node.identity_named(name) is None
        for make in (node.create_identity, node.ensure_identity):
            with pytest.raises(Misuse, match="no name"):
                await make(name)


# ---- channels --------------------------------------------------------------------------------------------------------


@asynchronous
async def test_channels_in_both_roles_to_those_that_are_trusted(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        for_all, stranger = await peer.create_identity(), await peer.create_identity()
        there = await listen(peer, for_all)
        ours = [await node.create_identity(key_type=key_type) for key_type in configuration.key_types]
        here = await listen(node, ours[0], trust_policy=TrustIdentifier(for_all))
        trusting = SecureChannelOptions(trust_policy=TrustIdentifier(for_all))
        for identifier in ours:
            channel = await there.reached_from(node, identifier, trusting)
            assert channel.their_identifier == for_all
            assert await echoes(node, channel)
        with pytest.raises(SecureChannelTrustCheckFailed):
            await there.reached_from(node, ours[0], SecureChannelOptions(trust_policy=TrustIdentifier(ours[0])))

        channel = await here.reached_from(peer, for_all)
        assert channel.their_identifier == ours[0]
        assert await echoes(peer, channel)
        with Failures() as failures:
            await here.reached_from(peer, stranger)  # the refusal is not announced
            await until(lambda: failures.has("handshake failed"))
        (error,) = failures.errors("handshake failed")
        assert isinstance(error, SecureChannelTrustCheckFailed)


# ---- credentials -----------------------------------------------------------------------------------------------------


@asynchronous
async def test_credentials_are_issued_verified_and_open_what_they_should(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        for number, key_type in enumerate(configuration.key_types):
            authority = await node.create_identity(key_type=key_type)
            await peer.import_identity(await node.export_identity(authority))
            admin, sensor = await peer.create_identity(), await peer.create_identity()
            credentials = {}
            for subject, role in ((admin, "admin"), (sensor, "sensor")):
                await node.import_identity(await peer.export_identity(subject))
                issued = await node.issue_credential(authority, subject, {"role": role}, ttl_seconds=HOUR)
                for verifier in (node, peer):
                    assert (await verifier.verify_credential(issued, subject, [authority])).attributes["role"] == role
                    with pytest.raises(UnknownAuthority):
                        await verifier.verify_credential(issued, subject, [subject])
                credentials[subject] = issued
            if number:
                continue
            here = await listen(node, authority, authority=authority)
            control = CredentialAccessControl({"role": "admin"}, authority, node.identities)
            await node.start_worker("guarded", Echoer(), incoming=control)
            node.flow_controls.add_consumer("guarded", here.channels.flow_control_id)
            for subject, allowed in ((admin, True), (sensor, False)):
                options = SecureChannelOptions(credential=credentials[subject])
                channel = await here.reached_from(peer, subject, options)
                assert await echoes(peer, channel)
                assert await echoes(peer, channel, "guarded", allowed=allowed)
            # One of somebody else counts for nothing.
            options = SecureChannelOptions(credential=credentials[admin])
            thief = await peer.create_identity()
            channel = await here.reached_from(peer, thief, options)
            assert await echoes(peer, channel)
            assert await echoes(peer, channel, "guarded", allowed=False)
            assert await node.identities.attributes(thief, authority) is None


@asynchronous
async def test_credentials_are_presented_in_both_roles(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        authority = await peer.create_identity()
        await node.import_identity(await peer.export_identity(authority))
        ours = await node.create_identity(key_type=configuration.key_types[-1])
        await peer.import_identity(await node.export_identity(ours))
        credential = await peer.issue_credential(authority, ours, {"role": "admin"}, ttl_seconds=HOUR)
        there = await listen(peer, authority, authority=authority)
        assert await echoes(node, await there.reached_from(node, ours))
        assert await peer.identities.attributes(ours, authority) is None
        channel = await there.reached_from(node, ours, SecureChannelOptions(credential=credential))
        assert await echoes(node, channel)
        entry = await peer.identities.attributes(ours, authority)
        assert entry is not None
        assert entry.text() == {"role": "admin"}

        here = await listen(node, ours, credential=credential)
        async with Node(clock=FixedClock(T0)) as third:
            await third.import_identity(await peer.export_identity(authority))
            channel = await here.reached_from(
                third, await third.create_identity(), SecureChannelOptions(authority=authority)
            )
            assert await echoes(third, channel)
            entry = await third.identities.attributes(ours, authority)
            assert entry is not None
            assert entry.text() == {"role": "admin"}


@asynchronous
async def test_a_credential_is_presented_up_to_the_size_of_a_handshake_message(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        authority = await peer.create_identity()
        there = await listen(peer, authority, authority=authority)
        ours = await node.create_identity(key_type=configuration.key_types[0])
        await peer.import_identity(await node.export_identity(ours))
        for size, fits in ((60_000, True), (65_536, False)):
            attributes = {"long": "x" * size}
            issued = await peer.issue_credential(authority, ours, attributes, ttl_seconds=HOUR)
            await peer.verify_credential(issued, ours, [authority])
            options = SecureChannelOptions(credential=issued)
            if not fits:
                with pytest.raises(OwnPayloadTooLong):
                    await there.reached_from(node, ours, options)
                continue
            assert await echoes(node, await there.reached_from(node, ours, options))
            entry = await peer.identities.attributes(ours, authority)
            assert entry is not None
            assert entry.text() == attributes


@asynchronous
async def test_several_authorities_each_count_by_themselves(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        own = await node.create_identity(key_type=configuration.key_types[0])
        foreign, unknown = await peer.create_identity(), await peer.create_identity()
        subject = await peer.create_identity()
        await node.import_identity(await peer.export_identity(subject))
        for authority in (foreign, unknown):
            await node.import_identity(await peer.export_identity(authority))
        here = await listen(node, own, authority=[own, foreign])
        # What counts takes the place of what counted before; what does not count leaves it as it is.
        counts = own
        for issuing, authority in ((node, own), (peer, foreign), (peer, unknown), (node, own)):
            issued = await issuing.issue_credential(authority, subject, {"by": str(authority)}, ttl_seconds=HOUR)
            options = SecureChannelOptions(credential=issued)
            assert await echoes(peer, await here.reached_from(peer, subject, options))
            counts = counts if authority == unknown else authority
            for known in (own, foreign, unknown):
                entry = await node.identities.attributes(subject, known)
                assert (entry.text() if entry else None) == ({"by": str(known)} if known == counts else None)


# ---- rotation --------------------------------------------------------------------------------------------------------


@asynchronous
async def test_rotation_of_a_live_node(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        bob = await peer.create_identity()
        there = await listen(peer, bob)
        ours = await node.create_identity(key_type=configuration.key_types[0])
        here = await listen(node, ours)
        authority_subject = await peer.create_identity()
        await node.import_identity(await peer.export_identity(authority_subject))
        issued = await node.issue_credential(ours, authority_subject, {}, ttl_seconds=HOUR)
        before = await there.reached_from(node, ours)
        assert await echoes(node, before)
        history = old = await node.export_identity(ours)
        for key_type in (*configuration.key_types, configuration.key_types[0]):
            old_key = await node.identities.vault.identity.handle_of(
                (await node.identities.identity(ours)).latest_public_key
            )
            history = await node.rotate_identity(ours, key_type=key_type)
            with pytest.raises(KeyNotFound):
                await node.identities.vault.identity.public_key(old_key)
            assert await peer.compare_identity(history) is Comparison.NEWER
            after = await there.reached_from(node, ours)
            for channel in (before, after):
                assert await echoes(node, channel)
            assert await peer.export_identity(ours) == history
            assert await echoes(peer, await here.reached_from(peer, bob))
        for verifier in (node, peer):
            with pytest.raises(ConsistencyError):
                await verifier.import_identity(old)
            with pytest.raises(PurposeKeyAttestationVerificationFailed):
                await verifier.verify_credential(issued, authority_subject, [ours])
        issued = await node.issue_credential(ours, authority_subject, {}, ttl_seconds=HOUR)
        await peer.verify_credential(issued, authority_subject, [ours])


@asynchronous
async def test_the_old_history_of_a_peer_is_refused_in_both_roles(configuration: Configuration) -> None:
    async with configuration.node(clock=FixedClock(T0)) as node:
        ours = await node.create_identity(key_type=configuration.key_types[0])
        here = await listen(node, ours)
        before = await Script.make()
        await before.world.identities.rotate_identity(before.identifier)
        after = await Script.of(before.world, before.identifier)
        for script in (before, after):
            async with RawConnection.open(here.address) as raw:
                assert await raw.read_version() == 1
                channel = await initiate(raw, script)
                await channel.send(channel.seal("up"))
                assert await channel.receive() == "up"
        with Failures() as failures:
            async with RawConnection.open(here.address) as raw:
                assert await raw.read_version() == 1
                await initiate(raw, before)
                await until(lambda: failures.has("handshake failed"))
        (error,) = failures.errors("handshake failed")
        assert isinstance(error, ConsistencyError)
        async with dialled_peer(node) as (connection, raw):
            assert await raw.read_version() == 1
            answering = asyncio.create_task(respond(raw, before))
            with pytest.raises(ConsistencyError):
                await node.create_secure_channel(ours, route(connection, "listener"))
            answering.cancel()  # there is no message 3


# ---- restart ---------------------------------------------------------------------------------------------------------


@asynchronous
async def test_a_restart_keeps_what_the_configuration_keeps(configuration: Configuration) -> None:
    async with Node(clock=FixedClock(T0)) as peer:
        bob = await peer.create_identity()
        there = await listen(peer, bob, authority=bob)
        kept = {}
        async with configuration.node(clock=FixedClock(T0)) as node:
            for key_type in configuration.key_types:
                ours = await node.create_identity(key_type.name, key_type=key_type)
                await node.rotate_identity(ours, key_type=key_type)
                await peer.import_identity(await node.export_identity(ours))
                static = await node.identities.secure_channel_purpose_key(ours)
                signing = await node.identities.credential_purpose_key(ours)
                issued = await node.issue_credential(ours, ours, {"from": "before"}, ttl_seconds=HOUR)
                await node.identities.receive_presented_credential(ours, [ours], CredentialAndPurposeKey.decode(issued))
                kept[key_type] = (ours, await node.export_identity(ours), static, signing, issued)
        async with configuration.node(clock=FixedClock(T0)) as node:
            for key_type, (ours, history, static, signing, issued) in kept.items():
                if not configuration.keeps:
                    assert await node.identity_named(key_type.name) is None
                    with pytest.raises(IdentityNotFound):
                        await node.export_identity(ours)
                    continue
                assert await node.identity_named(key_type.name) == ours
                assert await node.export_identity(ours) == history
                again = await node.identities.secure_channel_purpose_key(ours)
                assert (again.attestation, again.key.public) == (static.attestation, static.key.public)
                assert await node.identities.credential_purpose_key(ours) == signing
                assert (await node.verify_credential(issued, ours, [ours])).attributes == {"from": "before"}
                entry = await node.identities.attributes(ours, ours)
                assert entry is not None
                assert entry.text() == {"from": "before"}
                channel = await there.reached_from(node, ours)
                assert channel.their_identifier == bob
                assert await echoes(node, channel)
                await node.rotate_identity(ours, key_type=SigningKeyType.ECDSA_P256)
                assert await echoes(node, await there.reached_from(node, ours))


@asynchronous
async def test_policies_are_stored_and_count(configuration: Configuration) -> None:
    async with both(configuration) as (node, peer):
        authority = await node.create_identity(key_type=configuration.key_types[0])
        subject = await peer.create_identity()
        await node.import_identity(await peer.export_identity(subject))
        here = await listen(node, authority, authority=authority)
        controls = await node.create_policy_access_controls(
            "guarded", ResourceType.ECHOER, authority=authority, allow="role=admin"
        )
        await node.start_worker("guarded", Echoer(), incoming=controls.incoming, outgoing=controls.outgoing)
        node.flow_controls.add_consumer("guarded", here.channels.flow_control_id)
        for role in ("admin", "sensor"):
            credential = await node.issue_credential(authority, subject, {"role": role}, ttl_seconds=HOUR)
            channel = await here.reached_from(peer, subject, SecureChannelOptions(credential=credential))
            assert await echoes(peer, channel, "guarded", allowed=role == "admin")
        await node.policies.store("guarded", parse_expression('(= subject.role "sensor")'))
        assert await echoes(peer, channel, "guarded")
    async with configuration.node() as node:
        stored = await node.policies.repositories.resource_policies.policies()
        expressions = [str(policy.expression) for policy in stored]
        assert expressions == (['(= subject.role "sensor")'] if configuration.keeps else [])
