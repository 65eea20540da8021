from __future__ import annotations

import pytest

from ockam.errors import AlreadyExists, DecodeError, OckamError
from ockam.identity import (
    AttestationOutsideKeyWindow,
    AttributesEntry,
    ChangeHistory,
    ConsistencyError,
    CredentialOutlivesAttestation,
    CredentialSigning,
    CredentialVerificationFailed,
    Identifier,
    Identities,
    IdentityNotFound,
    IdentityVerificationFailed,
    InvalidTimeToLive,
    Purpose,
    PurposeKeyAttestationVerificationFailed,
    SecureChannelStatic,
    WrongSecretKey,
    verify_change_history,
)
from ockam.identity.issuing import issue_rotation
from ockam.vault import EcdsaP256PublicKey, KeyNotFound, SigningKeyType
from tests.identity.world import T0, YEAR, World, run

TEN_YEARS = 10 * YEAR
FIVE_YEARS = 5 * YEAR


def test_defaults_of_a_new_identity() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity("alice")
        identity = await world.identities.identity(identifier)
        data = identity.latest_change.data
        assert (data.attestations_valid_from, data.attestations_valid_until) == (T0, T0 + TEN_YEARS)
        assert not data.revoke_all_purpose_keys
        assert len(identity.export()) == 128
        named = await world.repositories.named_identities.named_identity("alice")
        assert named is not None
        assert named.identifier == identifier
        assert not named.is_default
        with pytest.raises(AlreadyExists):
            await world.identities.create_identity("alice")
        p256 = await world.identities.create_identity(
            key_type=SigningKeyType.ECDSA_P256, attestations_valid_from=5, ttl_seconds=7
        )
        latest = (await world.identities.identity(p256)).latest_change
        assert isinstance(latest.primary_public_key, EcdsaP256PublicKey)
        assert (latest.data.attestations_valid_from, latest.data.attestations_valid_until) == (5, 12)
        assert len(await world.identities.export_identity(p256)) == 161 - 8  # two small times
        with pytest.raises(InvalidTimeToLive):
            await world.identities.create_identity(ttl_seconds=0)

    run(main())


def test_a_history_travels_whole() -> None:
    async def main() -> None:
        world, other = World("a"), World("b")
        identifier = await world.identities.create_identity()
        history = await world.identities.export_identity(identifier)
        assert await other.identities.import_identity(history, identifier) == identifier
        assert await other.identities.import_identity(history) == identifier
        assert await other.identities.export_identity(identifier) == history
        with pytest.raises(DecodeError):
            await other.identities.import_identity(history + b"\x00")
        with pytest.raises(IdentityVerificationFailed):
            await other.identities.import_identity(history, Identifier(bytes(32)))
        with pytest.raises(IdentityVerificationFailed):
            await other.identities.import_identity(b"\x80")
        with pytest.raises(IdentityNotFound, match="import its change history"):
            await other.identities.identity(Identifier(bytes(32)))

    run(main())


def test_a_known_history_is_not_verified_again() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        known = await world.identities.identity(identifier)
        history = ChangeHistory.decode(known.export())
        assert await world.identities.import_change_history(history, identifier) is known

    run(main())


def test_rotation() -> None:
    async def main() -> None:
        world, other = World("a"), World("b")
        identities = world.identities
        identifier = await identities.create_identity()
        await other.learn(world, identifier)
        old_history = await identities.export_identity(identifier)
        old_key = await world.primary_key(identifier)
        first = await identities.secure_channel_purpose_key(identifier)
        world.clock.advance(86400)
        rotated = await identities.rotate_identity(identifier, SigningKeyType.ECDSA_P256, revoke_all_purpose_keys=True)
        assert rotated.identifier == identifier
        assert rotated.latest_change.data.revoke_all_purpose_keys
        assert rotated.latest_change.data.attestations_valid_from == T0 + 86400
        with pytest.raises(KeyNotFound):
            await world.vault.identity.public_key(old_key)

        second = await identities.secure_channel_purpose_key(identifier)
        assert second.key is not first.key
        assert second.data.subject_latest_change_hash == rotated.latest_change_hash

        other.clock.advance(86400)
        await other.identities.verify_purpose_key_attestation(first.attestation, identifier)
        with pytest.raises(PurposeKeyAttestationVerificationFailed):
            await other.identities.verify_purpose_key_attestation(second.attestation, identifier)
        await other.learn(world, identifier)
        await other.identities.verify_purpose_key_attestation(second.attestation, identifier)
        with pytest.raises(PurposeKeyAttestationVerificationFailed):
            await other.identities.verify_purpose_key_attestation(first.attestation, identifier)
        with pytest.raises(ConsistencyError):
            await other.identities.import_identity(old_history)
        assert await other.identities.import_identity(old_history, ignore_older=True) == identifier
        assert await other.identities.export_identity(identifier) == rotated.export()

    run(main())


def test_a_rotation_after_the_clock_went_back_is_still_a_valid_history() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        world.clock.advance(-100)
        rotated = await world.identities.rotate_identity(identifier)
        assert rotated.latest_change.data.attestations_valid_from == T0

    run(main())


def test_a_foreign_identity_cannot_be_rotated_or_speak() -> None:
    async def main() -> None:
        world, other = World("a"), World("b")
        identifier = await world.identities.create_identity()
        await other.learn(world, identifier)
        with pytest.raises(KeyNotFound):
            await other.identities.rotate_identity(identifier)
        with pytest.raises(KeyNotFound):
            await other.identities.secure_channel_purpose_key(identifier)
        with pytest.raises(KeyNotFound):
            await other.identities.credential_purpose_key(identifier)

    run(main())


def test_histories_in_conflict() -> None:
    async def main() -> None:
        world, other = World("a"), World("b")
        identifier = await world.identities.create_identity()
        await other.learn(world, identifier)
        identity = await world.identities.identity(identifier)
        signer = world.vault.identity
        old_key = await world.primary_key(identifier)
        forks = [
            await issue_rotation(
                identity,
                old_key,
                await signer.generate_signing_key(SigningKeyType.ED25519),
                T0,
                T0 + 10,
                signer,
                world.vault.verifying,
            )
            for _ in range(2)
        ]
        await other.identities.import_identity(forks[0].export())
        for ignore_older in (False, True):
            with pytest.raises(ConsistencyError):
                await other.identities.import_identity(forks[1].export(), ignore_older=ignore_older)

    run(main())


def test_an_identity_comes_with_its_key() -> None:
    async def main() -> None:
        world, other = World("a"), World("b")
        identifier = await world.identities.create_identity()
        history = await world.identities.export_identity(identifier)
        key = await world.primary_key(identifier)
        assert await world.identities.import_private_identity(history, key, identifier) == identifier
        wrong = await other.vault.identity.generate_signing_key(SigningKeyType.ED25519)
        with pytest.raises(WrongSecretKey):
            await other.identities.import_private_identity(history, wrong)
        with pytest.raises(KeyNotFound):
            await other.identities.import_private_identity(history, key)
        assert await other.identities.export_identity(identifier) == history

    run(main())


# --- purpose keys -----------------------------------------------------------------------------------------------------


def test_purpose_keys_are_made_once_and_found_again() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        channel = await world.identities.secure_channel_purpose_key(identifier)
        credential = await world.identities.credential_purpose_key(identifier)
        assert channel.data.public_key == SecureChannelStatic(channel.key.public)
        assert isinstance(credential.data.public_key, CredentialSigning)
        assert channel.data.expires_at == T0 + FIVE_YEARS
        assert await world.identities.secure_channel_purpose_key(identifier) is channel
        assert await world.identities.credential_purpose_key(identifier) is credential

        restarted = World(repositories=world.repositories)
        restarted.identities = Identities(world.vault, world.repositories, world.clock)
        assert (await restarted.identities.secure_channel_purpose_key(identifier)).attestation == channel.attestation
        assert (await restarted.identities.credential_purpose_key(identifier)).attestation == credential.attestation

    run(main())


def test_a_new_purpose_key_when_the_old_one_is_of_no_use() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        channel = await world.identities.secure_channel_purpose_key(identifier)
        credential = await world.identities.credential_purpose_key(identifier)
        world.clock.advance(FIVE_YEARS)
        assert await world.identities.secure_channel_purpose_key(identifier) is channel
        world.clock.advance(1)
        renewed = await world.identities.secure_channel_purpose_key(identifier)
        assert renewed.key.public != channel.key.public
        renewed_credential = await world.identities.credential_purpose_key(identifier)
        assert renewed_credential.handle != credential.handle

        # The rows are swapped: each is attested, but for the other purpose.
        keys = world.repositories.purpose_keys
        await keys.set_purpose_key(identifier, Purpose.SECURE_CHANNEL, renewed_credential.attestation)
        await keys.set_purpose_key(identifier, Purpose.CREDENTIALS, renewed.attestation)
        world.identities = Identities(world.vault, world.repositories, world.clock)
        again = await world.identities.secure_channel_purpose_key(identifier)
        assert isinstance(again.data.public_key, SecureChannelStatic)
        assert isinstance(
            (await world.identities.credential_purpose_key(identifier)).data.public_key, CredentialSigning
        )

        # The secret is gone.
        await world.vault.secure_channel.delete_static_x25519_key(
            await world.vault.secure_channel.x25519_handle_of(again.key.public)
        )
        world.identities = Identities(world.vault, world.repositories, world.clock)
        assert (await world.identities.secure_channel_purpose_key(identifier)).key.public != again.key.public

    run(main())


def test_an_attestation_stays_inside_the_window_of_its_key() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity(attestations_valid_from=T0 + 30, ttl_seconds=100)
        key = await world.identities.secure_channel_purpose_key(identifier)
        assert (key.data.created_at, key.data.expires_at) == (T0 + 30, T0 + 130)
        await world.identities.verify_purpose_key_attestation(key.attestation, identifier)
        world.clock.advance(131)
        for purpose_key in (world.identities.secure_channel_purpose_key, world.identities.credential_purpose_key):
            with pytest.raises(AttestationOutsideKeyWindow):
                await purpose_key(identifier)
        later = await world.identities.create_identity(attestations_valid_from=T0 + 1000)
        with pytest.raises(AttestationOutsideKeyWindow):
            await world.identities.secure_channel_purpose_key(later)

    run(main())


# --- credentials ------------------------------------------------------------------------------------------------------


def test_a_credential_from_issuer_to_verifier() -> None:
    async def main() -> None:
        issuing, subject_side, verifier = World("issuer"), World("subject"), World("verifier")
        issuer = await issuing.identities.create_identity()
        subject = await subject_side.identities.create_identity()
        with pytest.raises(IdentityNotFound):
            await issuing.identities.issue_credential(issuer, subject, {}, 60)
        await issuing.learn(subject_side, subject)
        credential = await issuing.identities.issue_credential(issuer, subject, {"role": "sensor"}, 60, schema=3)
        await verifier.learn(issuing, issuer)
        received = await verifier.identities.receive_presented_credential(subject, [issuer], credential)
        assert received.attributes == {"role": "sensor"}
        assert received.data.subject_attributes.schema == 3
        identity = await issuing.identities.identity(subject)
        assert received.data.subject_latest_change_hash == identity.latest_change_hash

        entry = await verifier.identities.attributes(subject, issuer)
        assert entry == AttributesEntry({b"role": b"sensor"}, T0, T0 + 60, issuer)
        assert verifier.identities.remembered_attributes(subject, issuer) == entry
        assert await verifier.identities.attributes(subject, subject) is None
        assert await verifier.identities.attributes(issuer, issuer) is None

        verifier.clock.advance(59)
        assert await verifier.identities.attributes(subject, issuer) == entry
        verifier.clock.advance(1)
        # A credential is valid in its last second, kept attributes are not.
        await verifier.identities.verify_credential(credential, subject, [issuer])
        assert verifier.identities.remembered_attributes(subject, issuer) is None
        assert await verifier.identities.attributes(subject, issuer) is None
        assert await verifier.repositories.attributes.attributes(subject, issuer) is None
        verifier.clock.advance(1)
        with pytest.raises(CredentialVerificationFailed):
            await verifier.identities.receive_presented_credential(subject, [issuer], credential)

    run(main())


def test_a_later_credential_replaces_an_earlier_one() -> None:
    async def main() -> None:
        world = World()
        issuer, other, subject = [await world.identities.create_identity() for _ in range(3)]
        first = await world.identities.issue_credential(issuer, subject, {"a": "1", "b": "2"}, 60)
        second = await world.identities.issue_credential(other, subject, {"a": "3"}, 60)
        both = [issuer, other]
        await world.identities.receive_presented_credential(subject, both, first)
        await world.identities.receive_presented_credential(subject, both, second)
        assert await world.identities.attributes(subject, issuer) is None
        entry = await world.identities.attributes(subject, other)
        assert entry is not None
        assert entry.text() == {"a": "3"}

    run(main())


def test_a_credential_may_not_outlive_its_attestation() -> None:
    async def main() -> None:
        world = World()
        issuer, subject = [await world.identities.create_identity() for _ in range(2)]
        issue = world.identities.issue_credential
        with pytest.raises(CredentialOutlivesAttestation, match="longer than"):
            await issue(issuer, subject, {}, FIVE_YEARS + 1)
        for ttl_seconds in (0, -5, 2**64):
            with pytest.raises(InvalidTimeToLive):
                await issue(issuer, subject, {}, ttl_seconds)
        credential = await issue(issuer, subject, {}, FIVE_YEARS)
        await world.identities.verify_credential(credential, subject, [issuer])

        # One year later the same key would end too early; a new one does not.
        world.clock.advance(YEAR)
        renewed = await issue(issuer, subject, {}, FIVE_YEARS)
        assert renewed.purpose_key_attestation != credential.purpose_key_attestation
        await world.identities.verify_credential(renewed, subject, [issuer])
        await world.identities.verify_credential(credential, subject, [issuer])

    run(main())


def test_a_credential_issued_after_the_clock_went_back_still_verifies() -> None:
    async def main() -> None:
        world = World()
        issuer, subject = [await world.identities.create_identity() for _ in range(2)]
        await world.identities.credential_purpose_key(issuer)
        world.clock.advance(-30)
        credential = await world.identities.issue_credential(issuer, subject, {}, 60)
        verified = await world.identities.verify_credential(credential, subject, [issuer])
        assert verified.created_at == T0

    run(main())


def test_a_rotated_issuer_ends_its_earlier_credentials() -> None:
    async def main() -> None:
        world = World()
        issuer, subject = [await world.identities.create_identity() for _ in range(2)]
        credential = await world.identities.issue_credential(issuer, subject, {}, 60)
        await world.identities.rotate_identity(issuer)
        with pytest.raises(OckamError):
            await world.identities.verify_credential(credential, subject, [issuer])
        renewed = await world.identities.issue_credential(issuer, subject, {}, 60)
        await world.identities.verify_credential(renewed, subject, [issuer])

    run(main())


def test_only_verification_makes_an_identity() -> None:
    async def main() -> None:
        world = World()
        identifier = await world.identities.create_identity()
        identity = await world.identities.identity(identifier)
        assert verify_change_history(identity.change_history, world.vault.verifying) == identity

    run(main())
