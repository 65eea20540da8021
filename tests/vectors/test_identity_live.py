"""Objects that the reference made, and its verdicts on objects it did not make."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ockam.errors import OckamError
from ockam.identity import (
    ChangeHistory,
    ConsistencyError,
    CredentialAndPurposeKey,
    CredentialData,
    CredentialVerificationFailed,
    Identifier,
    Identities,
    Identity,
    PurposeKeyAttestation,
    VersionedData,
    check_attestation_data,
    read_attestation_data,
    verify_change_history,
    verify_credential,
    verify_purpose_key_attestation,
)
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault.software import SoftwareVerifyingVault, create_software_vault

if TYPE_CHECKING:
    from ockam.vault import VerifyingVault

LIVE = json.loads((Path(__file__).parent / "data" / "identity-live.json").read_text())
VERDICTS = LIVE["judged_by_reference"]
CREDENTIALS = [(group, entry) for group in LIVE["credential_sets"] for entry in group["credentials"]]


def verified(history: str, verifier: VerifyingVault | None = None) -> Identity:
    return verify_change_history(ChangeHistory.parse(history), verifier or SoftwareVerifyingVault())


def flips(data: bytes) -> list[bytes]:
    """Return `data` with one bit flipped, for every bit."""
    number = int.from_bytes(data, "big")
    return [(number ^ 1 << bit).to_bytes(len(data), "big") for bit in range(len(data) * 8)]


@pytest.mark.parametrize("entry", LIVE["identities"], ids=lambda entry: str(entry["kind"]))
def test_identities_of_the_reference(entry: dict[str, Any]) -> None:
    verifier = SoftwareVerifyingVault()
    for data in entry["histories"]:
        identity = verified(data, verifier)
        assert str(identity.identifier) == entry["identifier"]
        assert identity.export().hex() == data
        for change, verified_change in zip(identity.change_history.changes, identity.changes, strict=True):
            assert verified_change.data.encode() == VersionedData.decode(change.data).data
    for name in ("secure_channel_attestation", "credential_attestation"):
        attestation = PurposeKeyAttestation.decode(bytes.fromhex(entry[name]))
        assert attestation.encode().hex() == entry[name]
        said = verify_purpose_key_attestation(attestation, identity, LIVE["check_at"], verifier, identity.identifier)
        assert said.encode() == VersionedData.decode(attestation.data).data


@pytest.mark.parametrize("entry", LIVE["identities"], ids=lambda entry: str(entry["kind"]))
def test_a_history_with_one_bit_flipped_is_refused(entry: dict[str, Any]) -> None:
    async def main() -> None:
        for data in entry["histories"]:
            identities = Identities(
                create_software_vault(random=FixedRandom()), create_memory_repositories(), FixedClock(LIVE["check_at"])
            )
            identifier = Identifier.parse(entry["identifier"])
            await identities.import_identity(bytes.fromhex(data))
            for flipped in flips(bytes.fromhex(data)):
                with pytest.raises(OckamError):
                    await identities.import_identity(flipped, identifier)
            assert (await identities.export_identity(identifier)).hex() == data

    asyncio.run(main())


@pytest.mark.parametrize("entry", LIVE["identities"], ids=lambda entry: str(entry["kind"]))
def test_only_the_unsigned_count_of_a_history_can_change_unnoticed(entry: dict[str, Any]) -> None:
    verifier = SoftwareVerifyingVault()
    for text in entry["histories"]:
        data = bytes.fromhex(text)
        for flipped in flips(data):
            try:
                identity = verify_change_history(ChangeHistory.decode(flipped), verifier)
            except OckamError:
                continue
            if str(identity.identifier) == entry["identifier"]:
                assert flipped[1:] == data[1:]
                assert len(identity.changes) < data[0] & 0x1F


@pytest.mark.parametrize("name", ["secure_channel_attestation", "credential_attestation"])
@pytest.mark.parametrize("entry", LIVE["identities"], ids=lambda entry: str(entry["kind"]))
def test_an_attestation_with_one_bit_flipped_is_refused(entry: dict[str, Any], name: str) -> None:
    verifier = SoftwareVerifyingVault()
    identity = verified(entry["histories"][-1], verifier)
    for flipped in flips(bytes.fromhex(entry[name])):
        with pytest.raises(OckamError):
            verify_purpose_key_attestation(
                PurposeKeyAttestation.decode(flipped), identity, LIVE["check_at"], verifier, identity.identifier
            )


def test_a_rotation_ends_earlier_attestations_and_its_own_do_not_fit_the_older_history() -> None:
    (entry,) = (entry for entry in LIVE["identities"] if len(entry["histories"]) > 1)
    data = read_attestation_data(PurposeKeyAttestation.decode(bytes.fromhex(entry["secure_channel_attestation"])))
    check_attestation_data(data, verified(entry["histories"][-1]), LIVE["check_at"])
    with pytest.raises(OckamError):
        check_attestation_data(data, verified(entry["histories"][0]), LIVE["check_at"])


@pytest.mark.parametrize(("group", "entry"), CREDENTIALS, ids=range(len(CREDENTIALS)))
def test_credentials_of_the_reference(group: dict[str, Any], entry: dict[str, Any]) -> None:
    verifier = SoftwareVerifyingVault()
    issuer = verified(group["issuer_history"], verifier)
    subject = Identifier.parse(entry["subject"])
    data = bytes.fromhex(entry["credential_and_purpose_key"])
    credential = CredentialAndPurposeKey.decode(data)
    assert credential.encode() == data
    said = CredentialData.decode(VersionedData.decode(credential.credential.data).data)
    assert said.encode() == VersionedData.decode(credential.credential.data).data
    assert said.subject_attributes.text() == entry["attributes"]
    assert said.subject_attributes.schema == int(entry["schema"])
    assert verified(entry["subject_history"], verifier).latest_change_hash == said.subject_latest_change_hash

    def verify(candidate: bytes) -> dict[str, str]:
        decoded = CredentialAndPurposeKey.decode(candidate)
        return verify_credential(decoded, issuer, group["check_at"], verifier, subject, [issuer.identifier]).attributes

    if not entry["expect"]["verifies"]:
        with pytest.raises(CredentialVerificationFailed):
            verify(data)
        return
    assert verify(data) == entry["attributes"]
    for flipped in flips(data):
        with pytest.raises(OckamError):
            verify(flipped)


def test_the_verdicts_of_the_reference() -> None:
    async def judge(identities: Identities, entry: dict[str, Any]) -> bool:
        data = bytes.fromhex(entry["bytes"])
        try:
            if entry["kind"] == "history":
                await identities.import_identity(data)
            else:
                authorities = [Identifier.parse(entry["issuer"])]
                await identities.verify_credential(CredentialAndPurposeKey.decode(data), None, authorities)
        except OckamError:
            return False
        return True

    async def main() -> None:
        clock = FixedClock()
        identities = Identities(create_software_vault(random=FixedRandom()), create_memory_repositories(), clock)
        wrong = []
        for entry in VERDICTS:
            clock.now = entry["judged_at"]
            if await judge(identities, entry) is not entry["accepted"]:
                wrong.append((entry["group"], entry["what"]))
        assert not wrong

    assert len(VERDICTS) == 94
    asyncio.run(main())


def test_the_order_of_histories_does_not_save_an_older_one() -> None:
    (entry,) = (entry for entry in LIVE["identities"] if len(entry["histories"]) > 1)
    older, newer = (bytes.fromhex(data) for data in entry["histories"])

    async def main(first: bytes, second: bytes) -> bytes:
        identities = Identities(
            create_software_vault(random=FixedRandom()), create_memory_repositories(), FixedClock(LIVE["check_at"])
        )
        identifier = await identities.import_identity(first)
        if len(second) < len(first):
            with pytest.raises(ConsistencyError):
                await identities.import_identity(second)
            assert await identities.import_identity(second, ignore_older=True) == identifier
        else:
            await identities.import_identity(second)
        return await identities.export_identity(identifier)

    for first, second in itertools.permutations((older, newer)):
        assert asyncio.run(main(first, second)) == newer
