"""Signed data of each kind, offered wherever another kind is expected; and credentials whose attributes are odd.

In the matrix the data is always signed by the very key that the verifier asks for: what tells kinds apart is the data
type alone. Data type 17 (a revocation list) is planned and has neither maker nor verifier.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

import pytest

from ockam.core import Address, LocalMessage, RelayMessage, route, secure_channel_info
from ockam.encoding.cbor import encode_array, encode_bytes, encode_map_head, encode_uint
from ockam.enrollment.enrollee import AcceptedAnswer, RejectedAnswer
from ockam.enrollment.enrollment_bundle import EnrollmentBundle, SignedEnrollmentBundle, verify_bundle
from ockam.enrollment.errors import BundleNotUnderstood, InvalidBundleAttestation, InvalidBundleSignature
from ockam.enrollment.handling import Send
from ockam.enrollment.messages import RejectReason
from ockam.enrollment.session import DATA_TYPE_BUNDLE, DATA_TYPE_PROOF, ChannelKeys, SessionKeys, versioned
from ockam.errors import DecodeError, OckamError
from ockam.identity import (
    Change,
    ChangeHistory,
    Credential,
    CredentialAccessControl,
    CredentialAndPurposeKey,
    CredentialPurposeKey,
    CredentialVerificationFailed,
    DataType,
    Identifier,
    Identity,
    IdentityVerificationFailed,
    InvalidCredentialDataType,
    InvalidIdentityDataType,
    InvalidKeyType,
    InvalidPurposeKeyAttestationDataType,
    PurposeKeyAttestation,
    PurposeKeyAttestationVerificationFailed,
    VersionedData,
    verify_change_history,
)
from ockam.identity.issuing import issue_first_change, issue_rotation
from ockam.policy.access_control import Abac, attribute_is
from ockam.policy.expression import Bool, Str, call
from ockam.secure_channel.identity_payload import IdentityAndCredentials
from ockam.secure_channel.options import TRUST_EVERYONE
from ockam.secure_channel.workers.peer import verify_peer
from ockam.storage.database import Database
from ockam.storage.sqlite.identity import create_sqlite_repositories
from ockam.vault import SigningKeyHandle, SigningKeyType
from tests.enrollment.model import SIGNED_BUNDLE
from tests.enrollment.parties import Device, Service
from tests.identity.world import T0, World

if TYPE_CHECKING:
    from ockam.vault.keys import X25519PublicKey

HOUR: Final = 3600
TRANSCRIPT: Final = bytes(range(32))


class NotAProof(OckamError):
    """The signature is not over this session's proof."""


# ---- the matrix ------------------------------------------------------------------------------------------------------

Verifier: TypeAlias = Callable[["Party", bytes, SigningKeyHandle], Awaitable[object]]


@dataclass
class Party:
    """An identity, rotated once, that signs everything there is."""

    world: World
    identity: Identity
    first_key: SigningKeyHandle
    primary_key: SigningKeyHandle
    credential_key: CredentialPurposeKey
    static: X25519PublicKey
    attestation: PurposeKeyAttestation
    credential: CredentialAndPurposeKey
    bundle: EnrollmentBundle

    @classmethod
    async def make(cls) -> Party:
        world = World("party")
        vault, verifier = world.vault.identity, world.vault.verifying
        first, primary = [await vault.generate_signing_key(SigningKeyType.ED25519) for _ in range(2)]
        identity = await issue_first_change(first, T0, T0 + 1000 * HOUR, vault, verifier)
        identity = await issue_rotation(identity, first, primary, T0, T0 + 1000 * HOUR, vault, verifier)
        await world.repositories.change_histories.update_identity(identity)
        me = identity.identifier
        static = await world.identities.secure_channel_purpose_key(me)
        credential = await world.identities.issue_credential(me, me, {"role": "admin"}, HOUR)
        bundle = replace(SIGNED_BUNDLE.contents(), service=me, created_at=T0, expires_at=T0 + HOUR)
        credential_key = await world.identities.credential_purpose_key(me)
        static_key, attestation = static.key.public, static.attestation
        return cls(world, identity, first, primary, credential_key, static_key, attestation, credential, bundle)

    @property
    def history(self) -> ChangeHistory:
        return self.identity.change_history

    def data(self, kind: str) -> bytes:
        """Return honest data of a kind: what is hashed and signed."""
        match kind:
            case "first change":
                return self.history.changes[0].data
            case "rotation":
                return self.history.changes[1].data
            case "channel attestation":
                return self.attestation.data
            case "credential attestation":
                return self.credential.purpose_key_attestation.data
            case "credential":
                return self.credential.credential.data
            case "bundle":
                return self.bundle.signed_data()
            case _:
                return versioned(DATA_TYPE_PROOF, encode_array(encode_bytes(TRANSCRIPT)))


async def take_first_change(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    vault = party.world.vault
    change = Change(data, await vault.identity.sign(key, sha256(data).digest()))
    return verify_change_history(ChangeHistory((change,)), vault.verifying)


async def take_rotation(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    vault, digest = party.world.vault, sha256(data).digest()
    signatures = [await vault.identity.sign(handle, digest) for handle in (key, party.first_key)]
    return verify_change_history(ChangeHistory((party.history.changes[0], Change(data, *signatures))), vault.verifying)


async def attested(party: Party, data: bytes, key: SigningKeyHandle) -> PurposeKeyAttestation:
    return PurposeKeyAttestation(data, await party.world.vault.identity.sign(key, sha256(data).digest()))


async def take_channel_attestation(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    payload = IdentityAndCredentials(party.history, await attested(party, data, key)).encode()
    return await verify_peer(party.world.identities, payload, party.static, TRUST_EVERYONE, ())


async def take_credential_attestation(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    presented = replace(party.credential, purpose_key_attestation=await attested(party, data, key))
    return await party.world.identities.verify_credential(presented, None, [party.identity.identifier])


async def take_credential(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    signature = await party.world.vault.credential.sign(key, sha256(data).digest())
    presented = replace(party.credential, credential=Credential(data, signature))
    return await party.world.identities.verify_credential(presented, None, [party.identity.identifier])


async def signed_bundle(party: Party, data: bytes, key: SigningKeyHandle) -> SignedEnrollmentBundle:
    signature = await party.world.vault.credential.sign(key, sha256(data).digest())
    return SignedEnrollmentBundle(data, signature, party.credential_key.attestation, party.history)


async def take_bundle(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    return verify_bundle(await signed_bundle(party, data, key), T0, party.world.vault.verifying)


async def take_bundle_attestation(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    signed = await signed_bundle(party, party.data("bundle"), party.credential_key.handle)
    signed = replace(signed, attestation=await attested(party, data, key))
    return verify_bundle(signed, T0, party.world.vault.verifying)


async def take_proof(party: Party, data: bytes, key: SigningKeyHandle) -> object:
    session = SessionKeys(TRANSCRIPT, b"", b"", ChannelKeys(b"", b""))
    signature = await party.world.vault.identity.sign(key, sha256(data).digest())
    if not party.world.vault.verifying.verify(party.identity.latest_public_key, session.proof_hash, signature):
        raise NotAProof
    return session


@dataclass(frozen=True)
class Slot:
    """A place where signed data is taken: what belongs there, how other data is refused, data by the wrong key."""

    take: Verifier
    belongs: str
    data_type: int
    key: str
    other_kind: type[OckamError]
    wrong_key: type[OckamError]
    near: tuple[str, type[OckamError]] | None = None
    """Another kind of the same data type, and how that is refused."""


SLOTS: Final = {
    "first change": Slot(
        take_first_change,
        "first change",
        DataType.CHANGE,
        "first",
        InvalidIdentityDataType,
        IdentityVerificationFailed,
        ("rotation", IdentityVerificationFailed),
    ),
    "rotation": Slot(
        take_rotation,
        "rotation",
        DataType.CHANGE,
        "primary",
        InvalidIdentityDataType,
        IdentityVerificationFailed,
        ("first change", IdentityVerificationFailed),
    ),
    "channel attestation": Slot(
        take_channel_attestation,
        "channel attestation",
        DataType.PURPOSE_KEY_ATTESTATION,
        "primary",
        InvalidPurposeKeyAttestationDataType,
        PurposeKeyAttestationVerificationFailed,
        ("credential attestation", InvalidKeyType),
    ),
    "credential attestation": Slot(
        take_credential_attestation,
        "credential attestation",
        DataType.PURPOSE_KEY_ATTESTATION,
        "primary",
        InvalidPurposeKeyAttestationDataType,
        PurposeKeyAttestationVerificationFailed,
        ("channel attestation", InvalidKeyType),
    ),
    "attestation of a bundle": Slot(
        take_bundle_attestation,
        "credential attestation",
        DataType.PURPOSE_KEY_ATTESTATION,
        "primary",
        InvalidBundleAttestation,
        InvalidBundleAttestation,
    ),
    "credential": Slot(
        take_credential,
        "credential",
        DataType.CREDENTIAL,
        "credential",
        InvalidCredentialDataType,
        CredentialVerificationFailed,
    ),
    "bundle": Slot(take_bundle, "bundle", DATA_TYPE_BUNDLE, "credential", BundleNotUnderstood, InvalidBundleSignature),
    "proof": Slot(take_proof, "proof", DATA_TYPE_PROOF, "primary", NotAProof, NotAProof),
}
KINDS: Final = tuple(dict.fromkeys(slot.belongs for slot in SLOTS.values()))


@functools.cache
def party() -> Party:
    """The same for all tests: none of them changes it."""
    return asyncio.run(Party.make())


def keys(made: Party) -> dict[str, SigningKeyHandle]:
    return {"first": made.first_key, "primary": made.primary_key, "credential": made.credential_key.handle}


async def offer(slot: Slot, data: bytes, key: str | None = None) -> object:
    return await slot.take(party(), data, keys(party())[key or slot.key])


def test_the_kinds_are_of_the_types_that_are_said() -> None:
    types = {kind: VersionedData.decode(party().data(kind)).data_type for kind in KINDS}
    assert types == {slot.belongs: slot.data_type for slot in SLOTS.values()}
    assert set(types.values()) == {*DataType, DATA_TYPE_BUNDLE, DATA_TYPE_PROOF}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_each_kind_is_taken_in_its_own_place_only(slot: Slot, kind: str) -> None:
    offered = offer(slot, party().data(kind))
    if kind == slot.belongs:
        assert asyncio.run(_awaited(offered)) is not None
        return
    near = slot.near is not None and slot.near[0] == kind
    expected = slot.near[1] if near and slot.near else slot.other_kind
    with pytest.raises(OckamError) as caught:
        asyncio.run(_awaited(offered))
    assert type(caught.value) is expected


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_honest_contents_under_every_other_type_and_version(slot: Slot) -> None:
    inner = VersionedData.decode(party().data(slot.belongs)).data

    async def main() -> None:
        assert await offer(slot, VersionedData(1, slot.data_type, inner).encode()) is not None
        for data_type in set(range(256)) - {slot.data_type}:
            with pytest.raises(slot.other_kind):
                await offer(slot, VersionedData(1, data_type, inner).encode())
        for version in (0, 2, 255):
            with pytest.raises(OckamError):
                await offer(slot, VersionedData(version, slot.data_type, inner).encode())

    asyncio.run(main())


@pytest.mark.parametrize("slot", SLOTS.values(), ids=SLOTS)
def test_the_right_data_by_another_of_our_own_keys(slot: Slot) -> None:
    made = party()

    async def main() -> None:
        for name in set(keys(made)) - {slot.key}:
            with pytest.raises(OckamError) as caught:
                await offer(slot, made.data(slot.belongs), name)
            assert type(caught.value) is slot.wrong_key

    asyncio.run(main())


async def _awaited(offered: Awaitable[object]) -> object:
    return await offered


class OtherProof(Device):
    """A device that signs, where its proof belongs, something else that its primary key may well have signed."""

    def __init__(self, name: str, choose: Callable[[OtherProof, bytes], bytes]) -> None:
        super().__init__(name)
        self._choose = choose
        self._attested = b""

    async def attest(self, key: bytes) -> PurposeKeyAttestation:
        made = await super().attest(key)
        self._attested = made.data
        return made

    async def sign(self, digest: bytes) -> object:  # type: ignore[override]
        return await super().sign(self._choose(self, digest))

    def change(self) -> bytes:
        assert self.identity is not None
        return self.identity.change_history.changes[0].data


def digest_of(data: bytes) -> bytes:
    return sha256(data).digest()


@pytest.mark.parametrize(
    ("choose", "is_accepted"),
    [
        (lambda _, digest: digest, True),
        (lambda device, _: digest_of(device.change()), False),
        (lambda device, _: digest_of(device._attested), False),
        (lambda *_: digest_of(SIGNED_BUNDLE.bundle), False),
        (lambda *_: digest_of(versioned(DATA_TYPE_PROOF, encode_array(encode_bytes(TRANSCRIPT)))), False),
        (lambda _, digest: digest_of(digest), False),
    ],
    ids=["proof", "change", "attestation", "bundle", "proof of another session", "hashed twice"],
)
def test_the_service_takes_the_proof_of_this_session_alone(
    choose: Callable[[OtherProof, bytes], bytes], is_accepted: bool
) -> None:
    async def main() -> None:
        service, device = Service(), OtherProof("axiom", choose)
        (bundle,) = await service.bundles()
        await service.approve(device.entry())
        made = await device.message(bundle)
        outcome = await service.send(made.state.message)
        assert isinstance(outcome, Send)
        answer = device.take(made, outcome.answer)
        assert isinstance(answer, AcceptedAnswer) is is_accepted
        if isinstance(answer, RejectedAnswer):
            assert answer.rejected.reason == RejectReason.INVALID_IDENTITY

    asyncio.run(main())


# ---- odd attributes --------------------------------------------------------------------------------------------------

Pairs: TypeAlias = list[tuple[bytes, bytes]]


def encoded_map(pairs: Pairs) -> bytes:
    """Return attributes in the order given, as often as given."""
    return encode_map_head(len(pairs)) + b"".join(encode_bytes(key) + encode_bytes(value) for key, value in pairs)


class Presented:
    """A credential with any attributes, signed as it should be, presented to somebody else."""

    def __init__(self, attributes: bytes, storage: str) -> None:
        self.attributes = attributes
        self.issuer_world, self.world = World("issuer"), World("verifier")
        self.database = Database(None)
        if storage == "sqlite":
            repositories = create_sqlite_repositories(self.database, self.world.vault.verifying)
            self.world = World("verifier", repositories=repositories)

    async def receive(self) -> None:
        issuing = self.issuer_world.identities
        self.issuer, self.subject = await issuing.create_identity(), await issuing.create_identity()
        await self.world.learn(self.issuer_world, self.issuer)
        purpose_key = await issuing.credential_purpose_key(self.issuer)
        inner = encode_array(
            self.subject.encode(),
            b"\xf6",
            encode_array(encode_uint(1), self.attributes),
            encode_uint(T0),
            encode_uint(T0 + HOUR),
        )
        data = VersionedData(1, DataType.CREDENTIAL, inner).encode()
        signature = await self.issuer_world.vault.credential.sign(purpose_key.handle, sha256(data).digest())
        made = CredentialAndPurposeKey(Credential(data, signature), purpose_key.attestation)
        # Over the wire: the signed bytes stay as they are, whatever is odd about them.
        received = CredentialAndPurposeKey.decode(made.encode())
        assert received.encode() == made.encode()
        assert received.credential.data == data
        self.verified = await self.world.identities.verify_credential(received, self.subject, [self.issuer])
        await self.world.identities.receive_presented_credential(self.subject, [self.issuer], received)

    async def exact(self) -> dict[bytes, bytes]:
        """Return the attributes as bytes; verified and kept ones are the same."""
        entry = await self.world.identities.attributes(self.subject, self.issuer)
        assert entry is not None
        assert dict(entry.attributes) == dict(self.verified.data.subject_attributes.map)
        assert entry.text() == self.verified.attributes
        return dict(entry.attributes)

    async def passes(self, **required: str) -> bool:
        """Ask a CredentialAccessControl, and a policy that says the same: they agree."""
        addresses = Address.local("a"), Address.local("b")
        local = LocalMessage(route("b"), route("a"), b"", (secure_channel_info(self.subject.value),))
        control = CredentialAccessControl(required, self.issuer, self.world.identities)
        answer = control.is_authorized(RelayMessage(*addresses, local))
        passes = bool(await answer) if inspect.isawaitable(answer) else bool(answer)
        policy = call("and", *(attribute_is(key, value) for key, value in required.items()))
        assert await self.abac().is_authorized(self.subject, policy) is passes
        return passes

    def abac(self) -> Abac:
        return Abac(self.world.identities, self.issuer)

    async def bound(self) -> dict[str, object]:
        """Return what policies see of the attributes."""
        environment = await self.abac().environment(self.subject)
        assert environment.value("subject.has_credential") == Bool(True)
        assert environment.value("subject.identifier") == Str(str(self.subject))
        fixed = ("subject.has_credential", "subject.identifier")
        return {name: environment.value(name) for name in environment if name not in fixed}


STORAGES = pytest.mark.parametrize("storage", ["memory", "sqlite"])
ADMIN: Final = (b"role", b"admin")
SENSOR: Final = (b"role", b"sensor")
SITE: Final = (b"site", b"a")


@STORAGES
@pytest.mark.parametrize(
    "attributes",
    [
        encoded_map([ADMIN, SENSOR, SITE]),
        encoded_map([ADMIN, SITE, SENSOR]),
        encoded_map([SENSOR, ADMIN, ADMIN, SITE, SENSOR]),
        # The same key in a longer encoding is the same key.
        b"\xa3" + encode_bytes(b"site") + encode_bytes(b"a") + b"\x44role\x45admin" + b"\x58\x04role\x46sensor",
        # A map of indefinite length.
        b"\xbf\x44role\x45admin\x44site\x41a\x44role\x46sensor\xff",
    ],
)
def test_of_equal_keys_the_last_counts(attributes: bytes, storage: str) -> None:
    async def main() -> None:
        presented = Presented(attributes, storage)
        await presented.receive()
        assert await presented.exact() == dict([SENSOR, SITE])
        assert presented.verified.attributes == {"role": "sensor", "site": "a"}
        assert await presented.passes(role="sensor", site="a")
        assert not await presented.passes(role="admin")
        assert await presented.bound() == {"subject.role": Str("sensor"), "subject.site": Str("a")}

    asyncio.run(main())


NOT_UTF_8: Final = [b"\xff", b"\x80", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"admin\xc3"]


@STORAGES
@pytest.mark.parametrize("odd", NOT_UTF_8)
def test_what_is_not_text_is_kept_exactly_and_seen_by_no_policy(odd: bytes, storage: str) -> None:
    async def main() -> None:
        pairs = [SITE, (odd, b"text"), (b"text", odd), (b"bytes " + odd, odd)]
        presented = Presented(encoded_map(pairs), storage)
        await presented.receive()
        assert await presented.exact() == dict(pairs)
        assert presented.verified.attributes == {"site": "a"}
        assert await presented.passes(site="a")
        for guess in ("", odd.decode(errors="replace"), odd.decode(errors="ignore"), odd.decode("latin-1")):
            assert not await presented.passes(text=guess)
        assert await presented.bound() == {"subject.site": Str("a")}

    asyncio.run(main())


@STORAGES
def test_a_last_value_that_is_not_text_leaves_none(storage: str) -> None:
    async def main() -> None:
        presented = Presented(encoded_map([ADMIN, (b"role", b"\xff")]), storage)
        await presented.receive()
        assert await presented.exact() == {b"role": b"\xff"}
        assert presented.verified.attributes == {}
        assert not await presented.passes(role="admin")
        assert await presented.bound() == {}

    asyncio.run(main())


@STORAGES
def test_odd_text_is_text(storage: str) -> None:
    async def main() -> None:
        composed, apart = "é".encode(), "e\u0301".encode()
        pairs = [(b"", b"empty"), (b"empty", b""), (b"nul", b"a\0b"), (composed, b"1"), (apart, b"2"), SITE]
        presented = Presented(encoded_map(pairs), storage)
        await presented.receive()
        assert await presented.exact() == dict(pairs)
        assert presented.verified.attributes == {key.decode(): value.decode() for key, value in pairs}
        assert await presented.passes(empty="", site="a")
        assert not await presented.passes(nul="a")
        bound = await presented.bound()
        assert bound == {f"subject.{key.decode()}": Str(value.decode()) for key, value in pairs}

    asyncio.run(main())


@STORAGES
def test_attributes_do_not_take_the_place_of_what_the_channel_proves(storage: str) -> None:
    async def main() -> None:
        other = str(Identifier(bytes(32)))
        pairs = [(b"identifier", other.encode()), (b"has_credential", b"no"), (b"subject.identifier", other.encode())]
        presented = Presented(encoded_map(pairs), storage)
        await presented.receive()
        assert await presented.exact() == dict(pairs)
        assert await presented.bound() == {}

    asyncio.run(main())


@STORAGES
@pytest.mark.parametrize("size", [255, 65_536, 1_000_000])
def test_long_attributes_are_exact(size: int, storage: str) -> None:
    async def main() -> None:
        key, value = b"k" * min(size, 65_536), b"v" * size
        presented = Presented(encoded_map([(key, b"x"), (b"long", value)]), storage)
        await presented.receive()
        assert await presented.exact() == {key: b"x", b"long": value}
        assert await presented.passes(long=value.decode())
        assert not await presented.passes(long=value.decode()[:-1])
        assert not await presented.passes(long=value.decode() + "v")

    asyncio.run(main())


@STORAGES
def test_many_attributes(storage: str) -> None:
    async def main() -> None:
        pairs = [(b"key-%d" % number, b"%d" % number) for number in range(5_000)]
        presented = Presented(encoded_map(pairs), storage)
        await presented.receive()
        assert await presented.exact() == dict(pairs)
        assert await presented.passes(**{"key-4999": "4999"})
        assert not await presented.passes(**{"key-5000": "5000"})

    asyncio.run(main())


@pytest.mark.parametrize(
    "attributes",
    [
        b"\xbb" + b"\xff" * 8,  # more entries than memory could hold
        b"\xa1\x5b" + b"\xff" * 8,  # a key longer than that
        b"\xa1\x44role\x5b" + b"\x7f" * 8,
        b"\xa1\x44role\x5a\x00\x10\x00\x00admin",  # and more than is there
        encode_map_head(2) + encode_bytes(b"role") + encode_bytes(b"admin"),
        b"\xa1\x64role\x45admin",  # text, where bytes belong
        b"\xa1\x44role\x65admin",
        b"\xa1\x44role\x82\x01\x02",
        b"\xbf\x44role\xff",
    ],
)
def test_what_cannot_be_read_is_refused_and_nothing_is_kept(attributes: bytes) -> None:
    async def main() -> None:
        presented = Presented(attributes, "memory")
        with pytest.raises(DecodeError):
            await presented.receive()
        assert await presented.world.identities.attributes(presented.subject, presented.issuer) is None

    asyncio.run(main())
