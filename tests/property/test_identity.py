"""Laws of histories, attestations, credentials and attributes, for whatever Hypothesis thinks of."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, OckamError
from ockam.identity import (
    Attributes,
    AttributesEntry,
    Change,
    ChangeData,
    ChangeHash,
    ChangeHistory,
    Comparison,
    Credential,
    CredentialAndPurposeKey,
    CredentialData,
    CredentialSigning,
    Identifier,
    Identities,
    Identity,
    PurposeKeyAttestation,
    PurposeKeyAttestationData,
    SecureChannelStatic,
    VersionedData,
    compare,
    compare_change_hashes,
    encode_attribute_map,
    read_attribute_map,
    verify_change_history,
    verify_credential,
)
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault import (
    EcdsaP256PublicKey,
    EcdsaP256Signature,
    Ed25519PublicKey,
    Ed25519Signature,
    SigningKeyType,
    X25519PublicKey,
)
from ockam.vault.software import SoftwareVerifyingVault, create_software_vault

T0 = 1_735_689_600
VERIFIER = SoftwareVerifyingVault()

times = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)
identifiers = hashes.map(Identifier)
change_hashes = hashes.map(ChangeHash)
verifying_keys = hashes.map(Ed25519PublicKey) | st.binary(min_size=65, max_size=65).map(EcdsaP256PublicKey)
signatures = st.binary(min_size=64, max_size=64).flatmap(
    lambda value: st.sampled_from([Ed25519Signature(value), EcdsaP256Signature(value)])
)
purpose_keys = hashes.map(lambda value: SecureChannelStatic(X25519PublicKey(value))) | verifying_keys.map(
    CredentialSigning
)
attribute_maps = st.dictionaries(st.binary(max_size=30), st.binary(max_size=30), max_size=6)
attributes = st.builds(Attributes, times, attribute_maps)
changes = st.builds(Change, st.binary(max_size=300), signatures, st.none() | signatures)
attestations = st.builds(PurposeKeyAttestation, st.binary(max_size=300), signatures)
credentials = st.builds(Credential, st.binary(max_size=300), signatures)
values = st.one_of(
    changes,
    attestations,
    credentials,
    attributes,
    st.builds(ChangeData, st.none() | change_hashes, verifying_keys, st.booleans(), times, times),
    st.lists(changes, max_size=4).map(lambda made: ChangeHistory(tuple(made))),
    st.builds(PurposeKeyAttestationData, identifiers, change_hashes, purpose_keys, times, times),
    st.builds(CredentialData, st.none() | identifiers, st.none() | change_hashes, attributes, times, times),
    st.builds(CredentialAndPurposeKey, credentials, attestations),
    st.builds(VersionedData, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=300)),
    st.builds(AttributesEntry, attribute_maps, times, st.none() | times, st.none() | identifiers),
)
types = st.sampled_from(
    [
        Attributes,
        AttributesEntry,
        Change,
        ChangeData,
        ChangeHistory,
        Credential,
        CredentialAndPurposeKey,
        CredentialData,
        PurposeKeyAttestation,
        PurposeKeyAttestationData,
        VersionedData,
    ]
)


@given(values, st.binary(max_size=4))
def test_every_value_reads_back_and_encodes_to_the_same_bytes(value: Change, trailing: bytes) -> None:
    data = value.encode()
    read = type(value).decode(data + trailing)
    assert read == value
    assert read.encode() == data


@given(types, st.binary(max_size=200))
def test_whatever_the_bytes_a_decoder_raises_nothing_but_a_decode_error(kind: type[Change], data: bytes) -> None:
    try:
        value = kind.decode(data)
    except DecodeError:
        return
    assert kind.decode(value.encode()) == value


@given(values, st.data())
def test_a_changed_byte_is_refused_or_read_as_something_that_reads_back(value: Change, data: st.DataObject) -> None:
    encoded = bytearray(value.encode())
    position = data.draw(st.integers(0, len(encoded) - 1))
    encoded[position] ^= data.draw(st.integers(1, 255))
    try:
        read = type(value).decode(bytes(encoded))
    except DecodeError:
        return
    assert type(value).decode(read.encode()) == read


@given(attribute_maps)
def test_stored_attributes_read_back_in_the_order_of_their_bytes(made: dict[bytes, bytes]) -> None:
    read = read_attribute_map(Decoder(encode_attribute_map(made)))
    assert read == made
    assert list(read) == sorted(made)


@given(identifiers)
def test_identifiers_read_back_from_text(identifier: Identifier) -> None:
    assert Identifier.parse(str(identifier)) == identifier
    assert Identifier.parse(f" I{identifier.value.hex().upper()} ") == identifier


@given(st.lists(change_hashes, max_size=5), st.lists(change_hashes, max_size=5))
def test_comparison_is_about_beginnings(one: list[ChangeHash], two: list[ChangeHash]) -> None:
    opposite = {
        Comparison.EQUAL: Comparison.EQUAL,
        Comparison.NEWER: Comparison.OLDER,
        Comparison.OLDER: Comparison.NEWER,
        Comparison.CONFLICT: Comparison.CONFLICT,
    }
    assert compare_change_hashes(two, one) is opposite[compare_change_hashes(one, two)]
    assert compare_change_hashes(one, one + two) is (Comparison.OLDER if two else Comparison.EQUAL)


async def rotated(kinds: list[SigningKeyType], seed: bytes) -> list[Identity]:
    clock = FixedClock(T0)
    identities = Identities(create_software_vault(random=FixedRandom(seed)), create_memory_repositories(), clock)
    identifier = await identities.create_identity(key_type=kinds[0])
    made = [await identities.identity(identifier)]
    for kind in kinds[1:]:
        clock.advance(1)
        made.append(await identities.rotate_identity(identifier, kind))
    return made


@given(st.lists(st.sampled_from(SigningKeyType), min_size=1, max_size=4), st.binary(max_size=8), st.data())
def test_a_history_of_any_kinds_verifies_and_no_bit_of_it_can_change(
    kinds: list[SigningKeyType], seed: bytes, data: st.DataObject
) -> None:
    made = asyncio.run(rotated(kinds, seed))
    for index, identity in enumerate(made):
        again = verify_change_history(ChangeHistory.decode_exactly(identity.export()), VERIFIER, made[0].identifier)
        assert again == identity
        assert compare(identity, made[0]) is (Comparison.NEWER if index else Comparison.EQUAL)
    encoded = bytearray(made[-1].export())
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(OckamError):
        verify_change_history(ChangeHistory.decode_exactly(bytes(encoded)), VERIFIER, made[0].identifier)


@given(
    st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4),
    st.integers(1, 157_680_000),
    st.integers(-100, 157_680_200),
    st.data(),
)
def test_an_issued_credential_holds_from_issue_to_expiry_and_no_bit_of_it_can_change(
    said: dict[str, str], ttl_seconds: int, later: int, data: st.DataObject
) -> None:
    async def issue() -> tuple[Identity, Identifier, CredentialAndPurposeKey]:
        vault = create_software_vault(random=FixedRandom())
        identities = Identities(vault, create_memory_repositories(), FixedClock(T0))
        issuer, subject = await identities.create_identity(), await identities.create_identity()
        made = await identities.issue_credential(issuer, subject, said, ttl_seconds)
        return await identities.identity(issuer), subject, made

    issuer, subject, credential = asyncio.run(issue())
    now = T0 + later
    if -60 <= later <= ttl_seconds:
        verified = verify_credential(credential, issuer, now, VERIFIER, subject, [issuer.identifier])
        assert verified.attributes == said
    else:
        with pytest.raises(OckamError):
            verify_credential(credential, issuer, now, VERIFIER, subject, [issuer.identifier])
    encoded = bytearray(credential.encode())
    bit = data.draw(st.integers(0, len(encoded) * 8 - 1))
    encoded[bit // 8] ^= 1 << bit % 8
    with pytest.raises(OckamError):
        verify_encoded(bytes(encoded), issuer, subject)
    swapped = replace(credential, credential=Credential(credential.credential.data, Ed25519Signature(bytes(64))))
    with pytest.raises(OckamError):
        verify_encoded(swapped.encode(), issuer, subject)


def verify_encoded(data: bytes, issuer: Identity, subject: Identifier) -> None:
    verify_credential(CredentialAndPurposeKey.decode(data), issuer, T0, VERIFIER, subject, [issuer.identifier])
