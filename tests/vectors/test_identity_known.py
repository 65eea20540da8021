"""Public histories, a credential of the reference, and worked examples rebuilt from their seeds."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError
from ockam.identity import (
    Attributes,
    AttributesEntry,
    ChangeHistory,
    Comparison,
    CredentialAndPurposeKey,
    CredentialData,
    CredentialSigning,
    Identifier,
    Identities,
    InvalidIdentifier,
    PurposeKeyAttestation,
    VersionedData,
    compare,
    encode_attribute_map,
    read_attestation_data,
    read_attribute_map,
    verify_change_history,
)
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock
from ockam.vault import EcdsaP256PublicKey, SigningKeyType, SigningSecret
from ockam.vault.software import SoftwareSigningVault, SoftwareVerifyingVault, create_software_vault
from ockam.vault.software.secrets import MemorySecretsRepository

KNOWN = json.loads((Path(__file__).parent / "data" / "identity-known.json").read_text())
WORKED = KNOWN["worked_examples"]
IDENTITIES = KNOWN["identities"]


def by_name(entry: dict[str, Any]) -> str:
    return str(entry["name"])


class SeedSequence:
    """A random source that hands out given seeds in order."""

    def __init__(self, *seeds: str) -> None:
        self.seeds = [bytes.fromhex(seed) for seed in seeds]

    def __call__(self, size: int) -> bytes:
        seed = self.seeds.pop(0)
        assert len(seed) == size
        return seed


@pytest.mark.parametrize("entry", IDENTITIES, ids=by_name)
def test_a_public_history_verifies_and_encodes_to_the_same_bytes(entry: dict[str, Any]) -> None:
    data = bytes.fromhex(entry["change_history"])
    history = ChangeHistory.decode_exactly(data)
    identity = verify_change_history(history, SoftwareVerifyingVault(), Identifier.parse(entry["identifier"]))
    assert identity.export() == data
    assert str(identity.identifier) == entry["identifier"]
    for change, expected in zip(identity.changes, entry["changes"], strict=True):
        assert str(change.change_hash) == expected["change_hash"]
        assert change.primary_public_key.value.hex() == expected["primary_public_key"]
        p256 = expected["key_type"] == "ECDSASHA256CurveP256"
        assert isinstance(change.primary_public_key, EcdsaP256PublicKey) is p256
        for name in ("attestations_valid_from", "attestations_valid_until", "revoke_all_purpose_keys"):
            if name in expected:
                assert getattr(change.data, name) == expected[name]
        assert change.data.encode() == VersionedData.decode(history.changes[0].data).data


@pytest.mark.parametrize("entry", [entry for entry in IDENTITIES if "secret_key" in entry], ids=by_name)
def test_a_published_secret_signs_the_published_signature(entry: dict[str, Any]) -> None:
    history = ChangeHistory.parse(entry["change_history"])

    async def sign() -> bytes:
        vault = SoftwareSigningVault(MemorySecretsRepository(), SeedSequence())
        secret = SigningSecret(SigningKeyType.ED25519, bytes.fromhex(entry["secret_key"]))
        handle = await vault.import_signing_key(secret)
        return (await vault.sign(handle, sha256(history.changes[0].data).digest())).value

    assert asyncio.run(sign()) == history.changes[0].signature.value


@pytest.mark.parametrize("entry", KNOWN["must_be_rejected"], ids=by_name)
def test_a_legacy_history_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        ChangeHistory.parse(entry["change_history"])


@pytest.mark.parametrize("text", KNOWN["placeholder_identifiers"]["values"])
def test_an_identifier_without_a_history_parses(text: str) -> None:
    assert str(Identifier.parse(f"  {text}\n")) == text.lower().replace("i", "I", 1)


@pytest.mark.parametrize("text", KNOWN["invalid_identifiers"]["values"])
def test_an_invalid_identifier_is_refused(text: str) -> None:
    with pytest.raises(InvalidIdentifier):
        Identifier.parse(text)


def test_the_credential_inside_a_message_of_the_reference() -> None:
    (message,) = KNOWN["messages"]
    expected = message["credential"]
    data = bytes.fromhex(message["credential_and_purpose_key"])
    credential_and_purpose_key = CredentialAndPurposeKey.decode(data)
    assert credential_and_purpose_key.encode() == data
    assert message["change_history"] + "81" + data.hex() in message["message"]

    verifier = SoftwareVerifyingVault()
    attested = read_attestation_data(credential_and_purpose_key.purpose_key_attestation)
    assert str(attested.subject) == message["purpose_key_attestation"]["subject"]
    assert isinstance(attested.public_key, CredentialSigning)
    credential = credential_and_purpose_key.credential
    digest = sha256(credential.data).digest()
    assert digest.hex() == expected["data_sha256"]
    assert verifier.verify(attested.public_key.key, digest, credential.signature)

    said = CredentialData.decode(VersionedData.decode(credential.data).data)
    assert str(said.subject) == message["identifier"]
    assert said.subject_attributes.text() == expected["attributes"]
    assert said.subject_attributes.schema == expected["schema"]
    assert (said.created_at, said.expires_at) == (expected["created_at"], expected["expires_at"])
    assert said.encode() == VersionedData.decode(credential.data).data
    assert attested.created_at <= said.created_at < said.expires_at <= attested.expires_at


def test_the_worked_examples_come_out_of_their_seeds() -> None:
    async def main() -> None:
        clock = FixedClock(WORKED["T0"])
        names = ("issuer", "secure_channel_purpose_key", "subject", "credential_purpose_key")
        seeds = [WORKED[name]["secret_key"] for name in names]
        vault = create_software_vault(random=SeedSequence(*seeds, WORKED["issuer_rotated"]["new_secret_key"]))
        identities = Identities(vault, create_memory_repositories(), clock)

        issuer = await identities.create_identity()
        expected = WORKED["issuer"]
        assert str(issuer) == expected["identifier"]
        assert (await identities.export_identity(issuer)).hex() == expected["change_history"]
        before = await identities.identity(issuer)
        assert (await vault.identity.handle_of(before.latest_public_key)).value.hex() == expected["secret_key_handle"]

        channel_key = await identities.secure_channel_purpose_key(issuer)
        expected = WORKED["secure_channel_purpose_key"]
        assert channel_key.attestation.encode().hex() == expected["attestation"]
        assert channel_key.key.public.value.hex() == expected["public_key"]
        assert sha256(channel_key.attestation.data).hexdigest() == expected["data_sha256"]
        assert (channel_key.data.created_at, channel_key.data.expires_at) == (
            expected["created_at"],
            expected["expires_at"],
        )

        subject = await identities.create_identity()
        assert str(subject) == WORKED["subject"]["identifier"]
        assert (await identities.export_identity(subject)).hex() == WORKED["subject"]["change_history"]

        credential_key = await identities.credential_purpose_key(issuer)
        assert credential_key.attestation.encode().hex() == WORKED["credential_purpose_key"]["attestation"]
        expected = WORKED["credential"]
        credential = await identities.issue_credential(issuer, subject, expected["attributes"], 3600)
        assert credential.credential.encode().hex() == expected["credential"]
        assert str(credential) == expected["credential_and_purpose_key"]
        assert sha256(credential.credential.data).hexdigest() == expected["data_sha256"]

        clock.advance(86400)
        rotated = await identities.rotate_identity(issuer)
        expected = WORKED["issuer_rotated"]
        assert rotated.export().hex() == expected["change_history"]
        assert str(rotated.latest_change_hash) == expected["second_change_hash"]
        assert str(rotated.identifier) == expected["identifier"]
        assert compare(rotated, before) is Comparison.NEWER
        assert compare(before, rotated) is Comparison.OLDER

    asyncio.run(main())


def test_attributes_are_sorted_by_the_bytes_of_the_key() -> None:
    expected = bytes.fromhex(WORKED["other"]["attributes_map_key_order"]["bytes"])
    assert Attributes(1, {b"b": b"1", b"aa": b"2"}).encode() == b"\x82\x01" + expected


def test_stored_attributes_are_arrays_of_integers() -> None:
    expected = WORKED["other"]["identity_attributes_blob"]
    attributes = {key.encode(): value.encode() for key, value in expected["attributes"].items()}
    assert encode_attribute_map(attributes).hex() == expected["bytes"]
    assert read_attribute_map(Decoder(bytes.fromhex(expected["bytes"]))) == attributes

    data = bytes.fromhex(WORKED["other"]["attributes_entry"]["bytes"])
    entry = AttributesEntry.decode(data)
    assert entry.encode() == data
    assert entry.text() == {"name": "alice"}
    assert (entry.added_at, entry.expires_at) == (WORKED["T0"], WORKED["T0"] + 3600)
    assert str(entry.attested_by) == WORKED["issuer"]["identifier"]


def test_the_primitives_of_the_vault_samples() -> None:
    sample = KNOWN["vault"]["hkdf_sha256"]
    derived = HKDF(hashes.SHA256(), 64, bytes.fromhex(sample["salt"]), b"").derive(bytes.fromhex(sample["ikm"]))
    assert derived.hex() == sample["k1"] + sample["k2"]
    sample = {name: bytes.fromhex(value) for name, value in KNOWN["vault"]["aes256gcm"].items()}
    sealed = AESGCM(sample["key"]).encrypt(sample["nonce"], sample["plaintext"], sample["aad"])
    assert sealed == sample["ciphertext_and_tag"]


def test_a_stored_attestation_keeps_its_bytes() -> None:
    for name in ("secure_channel_purpose_key", "credential_purpose_key"):
        data = bytes.fromhex(WORKED[name]["attestation"])
        attestation = PurposeKeyAttestation.decode(data)
        assert attestation.encode() == data
        assert read_attestation_data(attestation).encode() == VersionedData.decode(attestation.data).data
