"""The rules of verification, broken one at a time."""

from __future__ import annotations

import dataclasses

import pytest

from ockam.errors import DecodeError, OckamError
from ockam.identity import (
    Change,
    ChangeData,
    ChangeHash,
    ChangeHistory,
    Comparison,
    CredentialPurposeKey,
    CredentialSigning,
    CredentialVerificationFailed,
    DataType,
    Identifier,
    IdentityNotFound,
    IdentityVerificationFailed,
    InvalidCredentialDataType,
    InvalidIdentityDataType,
    InvalidKeyType,
    InvalidPurposeKeyAttestationDataType,
    PurposeKeyAttestationData,
    PurposeKeyAttestationVerificationFailed,
    UnknownAuthority,
    UnknownCredentialVersion,
    UnknownIdentityVersion,
    VersionedData,
    compare,
    compare_change_hashes,
    verify_change_history,
    verify_purpose_key_attestation,
)
from ockam.vault import (
    EcdsaP256Signature,
    Ed25519Signature,
    Signature,
    SignatureAndPublicKeyTypesDontMatch,
    SigningKeyHandle,
    SigningKeyType,
)
from tests.identity.world import T0, World, run


class Forge:
    """Makes histories change by change, with any field wrong."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.changes: list[Change] = []
        self.keys: list[SigningKeyHandle] = []

    async def add(
        self,
        key_type: SigningKeyType = SigningKeyType.ED25519,
        *,
        version: int = 1,
        data_type: int = DataType.CHANGE,
        valid_from: int = T0,
        previous_change: ChangeHash | str | None = "the last one's",
        previous_signature: Signature | str | None = "the last key's",
        signer: int | None = None,
        trailing: bytes = b"",
    ) -> ChangeHistory:
        vault = self.world.vault.identity
        self.keys.append(await vault.generate_signing_key(key_type))
        if isinstance(previous_change, str):
            hashes = ChangeHistory(tuple(self.changes)).change_hashes()
            previous_change = hashes[-1] if hashes else None
        public_key = await vault.public_key(self.keys[-1])
        data = ChangeData(previous_change, public_key, False, valid_from, T0 + 1000)
        encoded = VersionedData(version, data_type, data.encode() + trailing).encode()
        digest = self.world.vault.verifying.sha256(encoded)
        if isinstance(previous_signature, str):
            previous_signature = await vault.sign(self.keys[-2], digest) if self.changes else None
        signature = await vault.sign(self.keys[-1 if signer is None else signer], digest)
        self.changes.append(Change(encoded, signature, previous_signature))
        return ChangeHistory(tuple(self.changes))


async def refused(world: World, history: ChangeHistory, error: type[OckamError]) -> None:
    with pytest.raises(error):
        verify_change_history(history, world.vault.verifying)


def test_any_mix_of_key_kinds_verifies() -> None:
    async def main() -> None:
        forge = Forge(World())
        kinds = [SigningKeyType.ED25519, SigningKeyType.ECDSA_P256, SigningKeyType.ECDSA_P256, SigningKeyType.ED25519]
        for count, kind in enumerate(kinds, start=1):
            history = await forge.add(kind)
            identity = verify_change_history(history, forge.world.vault.verifying)
            assert len(identity.changes) == count
            assert identity.export() == history.encoded
            assert ChangeHistory.decode_exactly(history.encoded) == history
            assert str(identity).startswith(f"Identifier:     {identity.identifier}\nChange history: 8")

    run(main())


def test_what_the_reference_lets_pass() -> None:
    async def main() -> None:
        world = World()
        junk = Ed25519Signature(bytes(64))
        for history in (
            await Forge(world).add(previous_signature=junk),  # on a first change: ignored
            await Forge(world).add(valid_from=T0 + 5000),  # starts after it ends, and in the future
            await Forge(world).add(trailing=b"\x00"),  # bytes after the signed data's value
        ):
            verify_change_history(history, world.vault.verifying)
        forge = Forge(world)
        await forge.add(valid_from=T0)
        verify_change_history(await forge.add(valid_from=T0), world.vault.verifying)  # begins at the same second
        verify_change_history(await forge.add(valid_from=T0 + 9999), world.vault.verifying)  # leaves a gap

    run(main())


def test_broken_first_changes() -> None:
    async def main() -> None:
        world = World()
        await refused(world, ChangeHistory(()), IdentityVerificationFailed)
        await refused(world, await Forge(world).add(version=2), UnknownIdentityVersion)
        await refused(world, await Forge(world).add(data_type=2), InvalidIdentityDataType)
        somewhere = ChangeHash(bytes(32))
        await refused(world, await Forge(world).add(previous_change=somewhere), IdentityVerificationFailed)
        (change,) = (await Forge(world).add()).changes
        await refused(world, ChangeHistory((dataclasses.replace(change, data=b"\x80"),)), DecodeError)
        other_kind = EcdsaP256Signature(change.signature.value)
        wrong = ChangeHistory((dataclasses.replace(change, signature=other_kind),))
        await refused(world, wrong, SignatureAndPublicKeyTypesDontMatch)
        wrong = ChangeHistory((dataclasses.replace(change, signature=Ed25519Signature(bytes(64))),))
        await refused(world, wrong, IdentityVerificationFailed)

    run(main())


def test_broken_later_changes() -> None:
    async def main() -> None:
        world = World()

        async def forge() -> Forge:
            made = Forge(world)
            await made.add()
            return made

        failed = IdentityVerificationFailed
        await refused(world, await (await forge()).add(version=0), UnknownIdentityVersion)
        await refused(world, await (await forge()).add(previous_change=None), failed)
        await refused(world, await (await forge()).add(previous_change=ChangeHash(bytes(32))), failed)
        await refused(world, await (await forge()).add(valid_from=T0 - 1), failed)
        await refused(world, await (await forge()).add(previous_signature=None), failed)
        await refused(world, await (await forge()).add(previous_signature=Ed25519Signature(bytes(64))), failed)
        await refused(world, await (await forge()).add(signer=0), failed)

    run(main())


def test_the_expected_identifier() -> None:
    async def main() -> None:
        world = World()
        history = await Forge(world).add()
        identity = verify_change_history(history, world.vault.verifying)
        assert verify_change_history(history, world.vault.verifying, identity.identifier) == identity
        with pytest.raises(IdentityVerificationFailed):
            verify_change_history(history, world.vault.verifying, Identifier(bytes(32)))

    run(main())


def test_comparison() -> None:
    async def main() -> None:
        world = World()
        forge = Forge(world)
        one = verify_change_history(await forge.add(), world.vault.verifying)
        two = verify_change_history(await forge.add(), world.vault.verifying)
        forge.changes.pop()
        forge.keys.pop()
        other_two = verify_change_history(await forge.add(), world.vault.verifying)
        assert compare(one, one) is Comparison.EQUAL
        assert compare(two, one) is Comparison.NEWER
        assert compare(one, two) is Comparison.OLDER
        assert compare(two, other_two) is Comparison.CONFLICT
        assert one != two
        hashes = [change.change_hash for change in two.changes]
        assert compare_change_hashes(hashes, hashes[1:]) is Comparison.CONFLICT

    run(main())


# --- attestations -----------------------------------------------------------------------------------------------------


def test_attestations_broken_one_rule_at_a_time() -> None:
    async def main() -> None:
        world = World()
        subject = await world.identities.create_identity()
        other = await world.identities.create_identity()
        good = (await world.identities.secure_channel_purpose_key(subject)).data
        until = (await world.identities.identity(subject)).latest_change.data.attestations_valid_until

        async def check(data: PurposeKeyAttestationData, *, holds: bool) -> None:
            attestation = await world.forge_attestation(data)
            if holds:
                assert await world.identities.verify_purpose_key_attestation(attestation, subject) == data
            else:
                with pytest.raises(PurposeKeyAttestationVerificationFailed):
                    await world.identities.verify_purpose_key_attestation(attestation, subject)

        await check(good, holds=True)
        await check(dataclasses.replace(good, subject=other), holds=False)
        await check(dataclasses.replace(good, subject_latest_change_hash=ChangeHash(other.value)), holds=False)
        await check(dataclasses.replace(good, expires_at=until), holds=True)
        await check(dataclasses.replace(good, expires_at=until + 1), holds=False)
        await check(dataclasses.replace(good, created_at=T0 - 1), holds=False)
        await check(dataclasses.replace(good, created_at=T0 + 60), holds=True)
        await check(dataclasses.replace(good, created_at=T0 + 61), holds=False)
        world.clock.advance(10)
        await check(dataclasses.replace(good, expires_at=T0 + 10), holds=True)
        await check(dataclasses.replace(good, expires_at=T0 + 9), holds=False)
        await check(dataclasses.replace(good, created_at=T0 + 10, expires_at=T0 + 10), holds=True)

    run(main())


def test_attestations_of_other_data_and_other_signers() -> None:
    async def main() -> None:
        world = World()
        subject = await world.identities.create_identity()
        other = await world.identities.create_identity()
        data = (await world.identities.secure_channel_purpose_key(subject)).data
        identities = world.identities
        with pytest.raises(PurposeKeyAttestationVerificationFailed):
            await identities.verify_purpose_key_attestation(await world.forge_attestation(data, version=2), None)
        with pytest.raises(InvalidPurposeKeyAttestationDataType):
            await identities.verify_purpose_key_attestation(await world.forge_attestation(data, data_type=3), None)
        wrong_key = await world.forge_attestation(data, key=await world.primary_key(other))
        with pytest.raises(PurposeKeyAttestationVerificationFailed):
            await identities.verify_purpose_key_attestation(wrong_key, None)
        with pytest.raises(PurposeKeyAttestationVerificationFailed):
            verify_purpose_key_attestation(
                await world.forge_attestation(data),
                await identities.identity(subject),
                T0,
                world.vault.verifying,
                other,
            )
        stranger = World("b")
        with pytest.raises(IdentityNotFound):
            await stranger.identities.verify_purpose_key_attestation(await world.forge_attestation(data), None)

    run(main())


# --- credentials ------------------------------------------------------------------------------------------------------


def test_credentials_broken_one_rule_at_a_time() -> None:
    async def main() -> None:
        world = World()
        issuer = await world.identities.create_identity()
        subject = await world.identities.create_identity()
        key = await world.identities.credential_purpose_key(issuer)
        until = key.data.expires_at

        async def check(subject_of: Identifier | None, created_at: int, expires_at: int, *, holds: bool) -> None:
            forged = await world.forge_credential(key, subject_of, created_at, expires_at)
            if holds:
                verified = await world.identities.verify_credential(forged, subject, [issuer])
                assert (verified.subject, verified.issuer) == (subject, issuer)
                assert (verified.created_at, verified.expires_at) == (created_at, expires_at)
                assert verified.attributes == {"role": "forger"}
            else:
                with pytest.raises(CredentialVerificationFailed):
                    await world.identities.verify_credential(forged, subject, [issuer])

        await check(subject, T0, T0 + 10, holds=True)
        await check(None, T0, T0 + 10, holds=False)
        await check(issuer, T0, T0 + 10, holds=False)
        await check(subject, T0 - 1, T0 + 10, holds=False)
        await check(subject, T0 + 60, T0 + 70, holds=True)
        await check(subject, T0 + 61, T0 + 70, holds=False)
        await check(subject, T0, until, holds=True)
        await check(subject, T0, until + 1, holds=False)
        world.clock.advance(10)
        await check(subject, T0, T0 + 10, holds=True)
        await check(subject, T0, T0 + 9, holds=False)

    run(main())


def test_credentials_of_other_data_other_keys_and_other_authorities() -> None:
    async def main() -> None:
        world = World()
        identities = world.identities
        issuer = await identities.create_identity()
        subject = await identities.create_identity()
        key = await identities.credential_purpose_key(issuer)
        good = await world.forge_credential(key, subject, T0, T0 + 10)
        assert (await identities.verify_credential(good, None, [subject, issuer])).subject == subject
        for authorities in ([], [subject]):
            with pytest.raises(UnknownAuthority):
                await identities.verify_credential(good, subject, authorities)
        forged = await world.forge_credential(key, subject, T0, T0 + 10, version=2)
        with pytest.raises(UnknownCredentialVersion):
            await identities.verify_credential(forged, subject, [issuer])
        forged = await world.forge_credential(key, subject, T0, T0 + 10, data_type=2)
        with pytest.raises(InvalidCredentialDataType):
            await identities.verify_credential(forged, subject, [issuer])

        primary = CredentialPurposeKey(key.attestation, key.data, await world.primary_key(issuer))
        forged = await world.forge_credential(primary, subject, T0, T0 + 10)
        with pytest.raises(CredentialVerificationFailed):
            await identities.verify_credential(forged, subject, [issuer])

        channel_key = await identities.secure_channel_purpose_key(issuer)
        with pytest.raises(InvalidKeyType):
            await identities.verify_credential(
                dataclasses.replace(good, purpose_key_attestation=channel_key.attestation), subject, [issuer]
            )
        bad = dataclasses.replace(good.credential, data=good.credential.data + b"\x00")
        with pytest.raises(CredentialVerificationFailed):
            await identities.verify_credential(dataclasses.replace(good, credential=bad), subject, [issuer])
        with pytest.raises(IdentityNotFound):
            await World("b").identities.verify_credential(good, subject, [issuer])

    run(main())


def test_a_p256_credential_key_works() -> None:
    async def main() -> None:
        world = World()
        issuer = await world.identities.create_identity(key_type=SigningKeyType.ECDSA_P256)
        handle = await world.vault.credential.generate_signing_key(SigningKeyType.ECDSA_P256)
        own = (await world.identities.credential_purpose_key(issuer)).data
        data = dataclasses.replace(own, public_key=CredentialSigning(await world.vault.credential.public_key(handle)))
        key = CredentialPurposeKey(await world.forge_attestation(data), data, handle)
        credential = await world.forge_credential(key, issuer, T0, T0 + 10)
        assert (await world.identities.verify_credential(credential, issuer, [issuer])).issuer == issuer

    run(main())
