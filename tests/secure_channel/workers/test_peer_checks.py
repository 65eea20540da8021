"""Every check on what a peer says about itself, in both roles of a node: a scripted peer breaks one rule at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ockam.core.route import route
from ockam.encoding.cbor import Decoder, encode_array, encode_bytes
from ockam.errors import DecodeError, OckamError
from ockam.identity import CredentialSigning, Identifier, SecureChannelStatic, VersionedData, issuing
from ockam.identity.change import Change, ChangeData
from ockam.identity.change_history import ChangeHistory
from ockam.identity.errors import (
    ConsistencyError,
    IdentityVerificationFailed,
    InvalidIdentityDataType,
    InvalidPurposeKeyAttestationDataType,
    PurposeKeyAttestationVerificationFailed,
    UnknownIdentityVersion,
)
from ockam.identity.identifier import ChangeHash
from ockam.node import Node
from ockam.secure_channel import TrustIdentifier, TrustIdentifiers, TrustPolicy
from ockam.secure_channel.errors import InvalidKeyData, InvalidKeyType, SecureChannelTrustCheckFailed
from ockam.secure_channel.identity_payload import encode_credentials
from ockam.secure_channel.options import SecureChannelOptions
from ockam.vault.interfaces import SigningKeyType
from tests.asynchronous import asynchronous, until
from tests.identity.world import T0, YEAR, World
from tests.interop.raw import RawConnection
from tests.secure_channel.workers.scripted import Failures, Script, initiate, listening, respond
from tests.transport.tcp.raw_peers import dialled_peer

if TYPE_CHECKING:
    from ockam.vault.signatures import Signature

Break = Callable[[Script], Awaitable[None]]


# ---- the rules, one by one -------------------------------------------------------------------------------------------


def raw(payload: Callable[[Script], bytes]) -> Break:
    async def broken(script: Script) -> None:
        script.raw = payload(script)

    return broken


def attested(**changes: object) -> Break:
    async def broken(script: Script) -> None:
        await script.attest(**changes)  # type: ignore[arg-type] # fields of the attestation

    return broken


async def sign_history(
    script: Script, *changes: Callable[[ChangeData], tuple[int, int, ChangeData]], previous: str = "good"
) -> None:
    """Rotate once, and sign the second change with these things wrong in it."""
    world = script.world
    identity = await world.identities.identity(script.identifier)
    old = await world.primary_key(script.identifier)
    signer, sha256 = world.vault.identity, world.vault.verifying.sha256
    new = await signer.generate_signing_key(SigningKeyType.ED25519)
    first = identity.latest_change.data
    data = ChangeData(
        identity.latest_change_hash,
        await signer.public_key(new),
        False,
        first.attestations_valid_from,
        first.attestations_valid_until,
    )
    version, data_type = 1, 1
    for change in changes:
        version, data_type, data = change(data)
    encoded = VersionedData(version, data_type, data.encode()).encode()
    digest = sha256(encoded)
    previous_signature: Signature | None
    match previous:
        case "good":
            previous_signature = await signer.sign(old, digest)
        case "none":
            previous_signature = None
        case _:
            previous_signature = await signer.sign(new, digest)
    second = Change(encoded, await signer.sign(new, digest), previous_signature)
    script.history = ChangeHistory((*identity.change_history.changes, second))
    data2 = replace(script.data, subject_latest_change_hash=ChangeHash(digest))
    script.attestation = await world.forge_attestation(data2, key=new)


def second_change(version: int = 1, data_type: int = 1, *, previous: str = "good", **fields: object) -> Break:
    async def broken(script: Script) -> None:
        await sign_history(
            script,
            lambda data: (version, data_type, replace(data, **fields)),  # type: ignore[arg-type] # fields of a change
            previous=previous,
        )

    return broken


async def first_change_with(script: Script, **fields: object) -> None:
    """Be another identity, whose first change has these fields."""
    world = script.world
    signer = world.vault.identity
    key = await signer.generate_signing_key(SigningKeyType.ED25519)
    data = ChangeData(None, await signer.public_key(key), False, T0, T0 + 10 * YEAR)
    data = replace(data, **{name: value for name, value in fields.items() if hasattr(data, name)})  # type: ignore[arg-type]
    version, data_type = fields.get("version", 1), fields.get("data_type", 1)
    assert isinstance(version, int)
    assert isinstance(data_type, int)
    encoded = VersionedData(version, data_type, data.encode()).encode()
    digest = world.vault.verifying.sha256(encoded)
    signature = await signer.sign(key, b"\x07" * 32 if "unsigned" in fields else digest)
    script.history = ChangeHistory((Change(encoded, signature),))
    script.identifier = Identifier(digest)
    attestation = replace(script.data, subject=script.identifier, subject_latest_change_hash=ChangeHash(digest))
    script.data = attestation
    script.attestation = await world.forge_attestation(attestation, key=key)


def first_change(**fields: object) -> Break:
    async def broken(script: Script) -> None:
        await first_change_with(script, **fields)

    return broken


async def rotated_without_attestation(script: Script) -> None:
    attestation = script.attestation
    await sign_history(script)
    script.attestation = attestation


async def signed_by_another(script: Script) -> None:
    other = await script.world.vault.identity.generate_signing_key(SigningKeyType.ED25519)
    script.attestation = await script.world.forge_attestation(script.data, key=other)


async def signed_by_another_kind_of_key(script: Script) -> None:
    other = await script.world.vault.identity.generate_signing_key(SigningKeyType.ECDSA_P256)
    script.attestation = await script.world.forge_attestation(script.data, key=other)


async def changed_after_signing(script: Script) -> None:
    data = bytearray(script.attestation.data)
    data[-1] ^= 1  # expires_at
    script.attestation = replace(script.attestation, data=bytes(data))


async def another_subject(script: Script) -> None:
    other = await script.world.identities.create_identity()
    await script.attest(subject=other)


async def a_credential_key(script: Script) -> None:
    identity = await script.world.identities.identity(script.identifier)
    await script.attest(public_key=CredentialSigning(identity.latest_public_key))


async def another_static_key(script: Script) -> None:
    await script.attest(public_key=SecureChannelStatic(script.ephemeral().public))


async def anothers_identity(script: Script) -> None:
    """Replay what an honest peer says, with a key of one's own: the heart of it all."""
    honest = await Script.make("honest")
    script.history, script.attestation = honest.history, honest.attestation


def two_elements(script: Script) -> bytes:
    return encode_array(script.history.encode(), script.attestation.encode())


BROKEN: dict[str, tuple[Break, type[OckamError]]] = {
    "1 nothing": (raw(lambda _: b""), DecodeError),
    "1 no CBOR": (raw(lambda _: b"\xff\xff"), DecodeError),
    "1 two elements": (raw(two_elements), DecodeError),
    "1 cut": (raw(lambda script: script.payload()[:-1]), DecodeError),
    "2 no changes": (
        raw(lambda s: encode_array(encode_array(), s.attestation.encode(), encode_credentials(()))),
        OckamError,
    ),
    "2 version of the first change": (first_change(version=2), UnknownIdentityVersion),
    "2 data type of the first change": (first_change(data_type=2), InvalidIdentityDataType),
    "2 version of a later change": (second_change(2), UnknownIdentityVersion),
    "2 data type of a later change": (second_change(1, 3), InvalidIdentityDataType),
    "2 the first change has a predecessor": (
        first_change(previous_change=ChangeHash(bytes(32))),
        IdentityVerificationFailed,
    ),
    "2 a later change has none": (second_change(previous_change=None), IdentityVerificationFailed),
    "2 a later change has another": (
        second_change(previous_change=ChangeHash(bytes(32))),
        IdentityVerificationFailed,
    ),
    "2 valid_from goes back": (second_change(attestations_valid_from=T0 - 1), IdentityVerificationFailed),
    "3 self signature": (first_change(unsigned=True), IdentityVerificationFailed),
    "3 no previous signature": (second_change(previous="none"), IdentityVerificationFailed),
    "3 wrong previous signature": (second_change(previous="wrong"), IdentityVerificationFailed),
    "5 version of the attestation": (attested(version=2), PurposeKeyAttestationVerificationFailed),
    "5 data type of the attestation": (attested(data_type=3), InvalidPurposeKeyAttestationDataType),
    "5 subject": (another_subject, PurposeKeyAttestationVerificationFailed),
    "6 not of the latest change": (rotated_without_attestation, PurposeKeyAttestationVerificationFailed),
    "6 of no change": (
        attested(subject_latest_change_hash=ChangeHash(bytes(32))),
        PurposeKeyAttestationVerificationFailed,
    ),
    "7 outlives the identity's key": (attested(expires_at=T0 + 100 * YEAR), PurposeKeyAttestationVerificationFailed),
    "7 before the identity's key": (attested(created_at=T0 - 1), PurposeKeyAttestationVerificationFailed),
    "8 from the future": (attested(created_at=T0 + 61), PurposeKeyAttestationVerificationFailed),
    "8 expired": (attested(expires_at=T0 - 1), PurposeKeyAttestationVerificationFailed),
    "9 signed by another key": (signed_by_another, PurposeKeyAttestationVerificationFailed),
    "9 signed by another kind of key": (signed_by_another_kind_of_key, OckamError),
    "9 changed after it was signed": (changed_after_signing, PurposeKeyAttestationVerificationFailed),
    "10 a credential key": (a_credential_key, InvalidKeyType),
    "10 another static key": (another_static_key, InvalidKeyData),
    "10 another identity": (anothers_identity, InvalidKeyData),
}


async def nothing_broken(script: Script) -> None:
    """An honest peer."""


async def indefinite(script: Script) -> None:
    """Arrays of indefinite length, further elements and bytes behind it: read as the reference reads."""
    script.raw = (
        b"\x9f" + script.history.encode() + script.attestation.encode() + encode_credentials(()) + b"\x07\xff\x00\x00"
    )


FINE: dict[str, Break] = {
    "honest": nothing_broken,
    "rotated": second_change(),
    "another spelling": indefinite,
    "just created, as the peer's clock says": attested(created_at=T0 + 60),
    "in its last second": attested(expires_at=T0),
    "as long as the identity's key": attested(expires_at=T0 + 10 * YEAR),
}


async def presents(role: str, breaks: Break, error: type[OckamError] | None) -> None:
    """Let a scripted peer in `role` present itself to a node; `error` is what the node must find, None: nothing."""
    script = await Script.make()
    await breaks(script)
    with Failures() as failures:
        if role == "initiator":
            async with listening() as here, RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                start = here.counts()
                channel = await initiate(peer, script)
                await channel.send(channel.seal("are you there?"))
                if error is None:
                    assert await channel.receive() == "are you there?"
                    return
                await until(lambda: failures.errors("handshake failed"))
                await until(lambda: here.counts() == start)  # nothing is left behind
                await until(lambda: here.channels.half_open == 0)
                (found,) = failures.errors("handshake failed")
                assert isinstance(found, error)
            return
        async with Node(clock=World().clock) as node, dialled_peer(node) as (connection, peer):
            assert await peer.read_version() == 1
            alice = await node.create_identity()
            start_statistics = node.statistics()
            creating = asyncio.create_task(node.create_secure_channel(alice, route(connection, "listener")))
            if error is None:
                raw_channel = await respond(peer, script)
                channel_here = await creating
                assert channel_here.their_identifier == script.identifier
                asking = asyncio.create_task(node.send_and_receive(route(channel_here, "x"), "?", reply=str))
                assert await raw_channel.receive() == "?"
                asking.cancel()
                await channel_here.close()
                return
            responding = asyncio.create_task(respond(peer, script))
            with pytest.raises(error):
                await creating
            responding.cancel()  # no message 3 came
            await asyncio.gather(responding, return_exceptions=True)
            await until(lambda: node.statistics() == start_statistics)


@pytest.mark.parametrize("role", ["initiator", "responder"])
@pytest.mark.parametrize(("breaks", "error"), BROKEN.values(), ids=BROKEN)
def test_a_peer_that_breaks_a_rule_is_refused(role: str, breaks: Break, error: type[OckamError]) -> None:
    asynchronous(presents)(role, breaks, error)


@pytest.mark.parametrize("role", ["initiator", "responder"])
@pytest.mark.parametrize("breaks", FINE.values(), ids=FINE)
def test_a_peer_that_breaks_none_is_accepted(role: str, breaks: Break) -> None:
    asynchronous(presents)(role, breaks, None)


# ---- against what is known -------------------------------------------------------------------------------------------


async def rotate(script: Script) -> Script:
    """Return the same identity one change later."""
    world = script.world
    identity = await world.identities.identity(script.identifier)
    old = await world.primary_key(script.identifier)
    new = await world.vault.identity.generate_signing_key(SigningKeyType.ED25519)
    later = await issuing.issue_rotation(
        identity, old, new, T0, T0 + 10 * YEAR, world.vault.identity, world.vault.verifying
    )
    data = replace(script.data, subject_latest_change_hash=later.latest_change_hash)
    attestation = await world.forge_attestation(data, key=new)
    return replace(script, data=data, history=later.change_history, attestation=attestation)


async def meets_twice(role: str, first: Script, second: Script, error: type[OckamError] | None) -> None:
    with Failures() as failures:
        if role == "initiator":
            async with listening() as here, RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                channel = await initiate(peer, first)
                await channel.send(channel.seal("one"))
                assert await channel.receive() == "one"
                channel = await initiate(peer, second)
                await channel.send(channel.seal("two"))
                if error is None:
                    assert await channel.receive() == "two"
                    known = await here.node.identities.identity(first.identifier)
                    assert known.change_history == second.history
                    return
                await until(lambda: failures.errors("handshake failed"))
                assert isinstance(failures.errors("handshake failed")[0], error)
            return
        async with Node(clock=World().clock) as node, dialled_peer(node) as (connection, peer):
            assert await peer.read_version() == 1
            alice = await node.create_identity()
            for script, wrong in ((first, None), (second, error)):
                creating = asyncio.create_task(node.create_secure_channel(alice, route(connection, "listener")))
                responding = asyncio.create_task(respond(peer, script))
                if wrong is None:
                    await creating
                    await responding
                else:
                    with pytest.raises(wrong):
                        await creating
                    responding.cancel()
                    await asyncio.gather(responding, return_exceptions=True)


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_a_peer_that_has_rotated_is_known_by_its_newer_history_only(role: str) -> None:
    async def check(*order: int) -> None:
        now = await Script.make()
        scripts = [now, await rotate(now)]
        first, second = (scripts[index] for index in order)
        await meets_twice(role, first, second, ConsistencyError if order == (1, 0) else None)

    for order in ((0, 0), (0, 1), (1, 1), (1, 0)):
        asynchronous(check)(*order)


@pytest.mark.parametrize("role", ["initiator", "responder"])
def test_a_conflicting_history_is_refused(role: str) -> None:
    @asynchronous
    async def check() -> None:
        now = await Script.make()
        await meets_twice(role, await rotate(now), await rotate(now), ConsistencyError)

    check()


@asynchronous
async def test_nothing_is_kept_of_a_peer_that_fails() -> None:
    script = await Script.make()
    await signed_by_another(script)
    with Failures() as failures:
        async with listening() as here, RawConnection.open(here.address) as peer:
            assert await peer.read_version() == 1
            await initiate(peer, script)
            await until(lambda: failures.errors("handshake failed"))
            histories = here.node.identities.repositories.change_histories
            assert await histories.change_history(script.identifier) is None


# ---- trust policies --------------------------------------------------------------------------------------------------


class Asked(TrustPolicy):
    def __init__(self, answer: bool) -> None:
        self.answer = answer
        self.about: list[Identifier] = []

    def check(self, identifier: Identifier) -> bool:
        self.about.append(identifier)
        return self.answer


@pytest.mark.parametrize("answer", [False, True])
def test_the_listeners_trust_policy_has_the_last_word(answer: bool) -> None:
    @asynchronous
    async def check() -> None:
        policy, script = Asked(answer), await Script.make()
        with Failures() as failures:
            async with listening(trust_policy=policy) as here, RawConnection.open(here.address) as peer:
                assert await peer.read_version() == 1
                channel = await initiate(peer, script)
                await channel.send(channel.seal("hi"))
                if answer:
                    assert await channel.receive() == "hi"
                else:
                    await until(lambda: failures.errors("handshake failed"))
                    (found,) = failures.errors("handshake failed")
                    assert isinstance(found, SecureChannelTrustCheckFailed)
                    assert here.node.secure_channels.channels == ()
                assert policy.about == [script.identifier]

    check()


@asynchronous
async def test_the_initiators_trust_policy_has_the_last_word() -> None:
    async with listening() as here, Node(clock=here.clock) as node:
        alice, other = await node.create_identity(), await node.create_identity()
        connection = await (await node.create_tcp_transport()).connect(here.address)
        where = route(connection, "listener")
        await node.create_secure_channel(alice, where, SecureChannelOptions(TrustIdentifier(here.identifier)))
        either = TrustIdentifiers([other, here.identifier])
        channel = await node.create_secure_channel(alice, where, SecureChannelOptions(either))
        assert await node.send_and_receive(route(channel, "echoer"), "in", reply=str) == "in"
        for policy in (TrustIdentifier(other), TrustIdentifiers([]), either.and_(TrustIdentifier(other))):
            with pytest.raises(SecureChannelTrustCheckFailed):
                await node.create_secure_channel(alice, where, SecureChannelOptions(policy))


def test_the_shapes_used_above() -> None:
    assert Decoder(encode_bytes(b"x")).bytes() == b"x"
