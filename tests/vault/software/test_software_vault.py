from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from ockam.testing import FixedRandom
from ockam.vault import (
    DiffieHellmanKey,
    EcdsaP256PublicKey,
    EcdsaP256Signature,
    Ed25519PublicKey,
    Ed25519Signature,
    InvalidEcdsaInput,
    InvalidPublicKey,
    InvalidSecret,
    InvalidSecretLength,
    InvalidSharedSecret,
    KeyNotFound,
    SignatureAndPublicKeyTypesDontMatch,
    SigningKeyHandle,
    SigningKeyType,
    SigningSecret,
    X25519KeyHandle,
    X25519PublicKey,
)
from ockam.vault.software import (
    MemorySecretsRepository,
    SoftwareDiffieHellmanKey,
    SoftwareSecureChannelVault,
    SoftwareSigningVault,
    SoftwareVerifyingVault,
    create_software_vault,
)
from ockam.vault.software.cache import LruCache
from ockam.vault.software.signing import P256_ORDER

if TYPE_CHECKING:
    from collections.abc import Callable

ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493

# Points of small order, and encodings of some: with S = 0 and R the neutral element they "sign" anything or half of it.
NEUTRAL = (1).to_bytes(32, "little")
# RFC 7748 points of low order on curve25519.
LOW_ORDER = [
    bytes(32),
    (1).to_bytes(32, "little"),
    bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    bytes.fromhex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    (2**255 - 20).to_bytes(32, "little"),
    (2**255 - 19).to_bytes(32, "little"),
    (2**255 - 18).to_bytes(32, "little"),
]


def signing_vault(random: Callable[[int], bytes] | None = None) -> SoftwareSigningVault:
    return SoftwareSigningVault(MemorySecretsRepository(), random or FixedRandom())


@pytest.mark.parametrize("key_type", SigningKeyType)
def test_a_generated_key_signs(key_type: SigningKeyType) -> None:
    async def main() -> None:
        vault, verifier = signing_vault(), SoftwareVerifyingVault()
        handle = await vault.generate_signing_key(key_type)
        public_key = await vault.public_key(handle)
        assert handle.value == sha256(public_key.value).digest()
        assert await vault.handle_of(public_key) == handle
        signature = await vault.sign(handle, b"data")
        assert await vault.sign(handle, b"data") == signature
        assert verifier.verify(public_key, b"data", signature)
        assert not verifier.verify(public_key, b"other", signature)
        assert await vault.number_of_keys() == 1
        assert await vault.delete_signing_key(handle)
        assert not await vault.delete_signing_key(handle)
        with pytest.raises(KeyNotFound):
            await vault.sign(handle, b"data")

    asyncio.run(main())


def test_p256_signs_as_rfc_6979_says_and_does_not_lower_s() -> None:
    async def main() -> None:
        vault = signing_vault()
        scalar = bytes.fromhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721")
        handle = await vault.import_signing_key(SigningSecret(SigningKeyType.ECDSA_P256, scalar))
        signature = await vault.sign(handle, b"sample")
        assert signature == EcdsaP256Signature(
            bytes.fromhex(
                "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
                "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"
            )
        )

    asyncio.run(main())


def test_a_p256_scalar_is_drawn_again_until_it_is_one() -> None:
    draws = [bytes(32), b"\xff" * 32, P256_ORDER.to_bytes(32, "big"), bytes(31) + b"\x05"]

    async def main() -> None:
        vault = signing_vault(lambda size: draws.pop(0)[:size])
        handle = await vault.generate_signing_key(SigningKeyType.ECDSA_P256)
        assert isinstance(await vault.public_key(handle), EcdsaP256PublicKey)
        assert draws == []

    asyncio.run(main())


def test_secrets_that_are_none_are_refused() -> None:
    async def main() -> None:
        vault = signing_vault()
        with pytest.raises(InvalidSecretLength):
            await vault.import_signing_key(SigningSecret(SigningKeyType.ED25519, bytes(31)))
        with pytest.raises(InvalidSecret):
            await vault.import_signing_key(SigningSecret(SigningKeyType.ECDSA_P256, bytes(32)))
        with pytest.raises(InvalidSecretLength):
            await SoftwareSecureChannelVault(MemorySecretsRepository(), FixedRandom()).import_static_x25519_key(b"")
        assert await vault.number_of_keys() == 0

    asyncio.run(main())


def test_a_secret_does_not_show_in_its_repr() -> None:
    assert "secret" not in repr(SigningSecret(SigningKeyType.ED25519, b"secret"))


def test_keys_are_found_again_by_another_vault_over_the_same_store() -> None:
    async def main() -> None:
        secrets = MemorySecretsRepository()
        first, second = (create_software_vault(secrets, FixedRandom(name)) for name in "ab")
        signing = await first.identity.generate_signing_key(SigningKeyType.ED25519)
        static = await first.secure_channel.generate_static_x25519_key()
        assert await second.credential.public_key(signing) == await first.identity.public_key(signing)
        mine, theirs = [await vault.secure_channel.x25519_private_key(static) for vault in (first, second)]
        assert mine.public == theirs.public == await second.secure_channel.x25519_public_key(static)
        assert await first.secure_channel.x25519_private_key(static) is mine
        assert await first.secure_channel.x25519_handle_of(mine.public) == static
        assert await secrets.signing_secret_handles() == (signing,)
        assert await secrets.x25519_secret_handles() == (static,)
        assert await first.secure_channel.delete_static_x25519_key(static)
        assert not await first.secure_channel.delete_static_x25519_key(static)
        with pytest.raises(KeyNotFound):
            await first.secure_channel.x25519_private_key(static)
        await secrets.delete_all()
        assert await secrets.signing_secret_handles() == ()

    asyncio.run(main())


def test_an_ephemeral_key_is_not_stored() -> None:
    async def main() -> None:
        vault = SoftwareSecureChannelVault(MemorySecretsRepository(), FixedRandom())
        ours, theirs = vault.generate_ephemeral_x25519_key(), vault.generate_ephemeral_x25519_key()
        assert isinstance(ours, DiffieHellmanKey)
        assert ours.exchange(theirs.public) == theirs.exchange(ours.public)
        with pytest.raises(KeyNotFound):
            await vault.x25519_private_key(await vault.x25519_handle_of(ours.public))

    asyncio.run(main())


@pytest.mark.parametrize("point", LOW_ORDER)
def test_a_low_order_point_gives_no_secret(point: bytes) -> None:
    with pytest.raises(InvalidSharedSecret):
        SoftwareDiffieHellmanKey(bytes(range(32))).exchange(X25519PublicKey(point))


def test_the_default_random_source_is_the_operating_system() -> None:
    async def main() -> None:
        vaults = create_software_vault(), create_software_vault(random=os.urandom)
        handles = [await vault.identity.generate_signing_key(SigningKeyType.ED25519) for vault in vaults]
        assert handles[0] != handles[1]

    asyncio.run(main())


def test_unknown_handles() -> None:
    async def main() -> None:
        vault = create_software_vault(random=FixedRandom())
        with pytest.raises(KeyNotFound):
            await vault.identity.public_key(SigningKeyHandle(bytes(32)))
        with pytest.raises(KeyNotFound):
            await vault.secure_channel.x25519_public_key(X25519KeyHandle(bytes(32)))

    asyncio.run(main())


# --- verification -----------------------------------------------------------------------------------------------------


def ed25519_pair() -> tuple[Ed25519PublicKey, Ed25519Signature]:
    async def main() -> tuple[Ed25519PublicKey, Ed25519Signature]:
        vault = signing_vault()
        handle = await vault.generate_signing_key(SigningKeyType.ED25519)
        key, signature = await vault.public_key(handle), await vault.sign(handle, b"data")
        assert isinstance(key, Ed25519PublicKey)
        assert isinstance(signature, Ed25519Signature)
        return key, signature

    return asyncio.run(main())


def test_s_must_be_canonical() -> None:
    key, signature = ed25519_pair()
    s = int.from_bytes(signature.value[32:], "little") + ED25519_ORDER
    malleable = Ed25519Signature(signature.value[:32] + s.to_bytes(32, "little"))
    verifier = SoftwareVerifyingVault()
    assert verifier.verify(key, b"data", signature)
    assert not verifier.verify(key, b"data", malleable)


def test_small_order_keys_are_not_refused_as_in_the_reference() -> None:
    # S·B = R + k·A holds with S = 0 and R = A = the neutral element, whatever the data.
    assert SoftwareVerifyingVault().verify(Ed25519PublicKey(NEUTRAL), b"any", Ed25519Signature(NEUTRAL + bytes(32)))


def test_r_is_compared_byte_for_byte() -> None:
    not_canonical = (2**255 - 19 + 1).to_bytes(32, "little")  # the neutral element again, written with y = p + 1
    verifier = SoftwareVerifyingVault()
    assert not verifier.verify(Ed25519PublicKey(NEUTRAL), b"any", Ed25519Signature(not_canonical + bytes(32)))


@pytest.mark.parametrize("y", [2, 7, 8])
def test_a_key_that_is_no_point_is_an_error(y: int) -> None:
    with pytest.raises(InvalidPublicKey):
        SoftwareVerifyingVault().verify(
            Ed25519PublicKey(y.to_bytes(32, "little")), b"data", Ed25519Signature(bytes(64))
        )


@pytest.mark.parametrize("y", [0, 1, 3, 4, 2**255 - 19, 2**255 - 18, 2**255 + 1])
def test_a_key_that_is_a_point_gives_a_verdict(y: int) -> None:
    assert not SoftwareVerifyingVault().verify(
        Ed25519PublicKey(y.to_bytes(32, "little")), b"data", Ed25519Signature(b"\x01" * 64)
    )


def test_kinds_of_key_and_signature_must_match() -> None:
    key, signature = ed25519_pair()
    verifier = SoftwareVerifyingVault()
    with pytest.raises(SignatureAndPublicKeyTypesDontMatch):
        verifier.verify(key, b"data", EcdsaP256Signature(signature.value))
    with pytest.raises(SignatureAndPublicKeyTypesDontMatch):
        verifier.verify(EcdsaP256PublicKey(bytes(65)), b"data", signature)


def test_p256_values_out_of_range_are_errors() -> None:
    async def main() -> None:
        vault, verifier = signing_vault(), SoftwareVerifyingVault()
        handle = await vault.generate_signing_key(SigningKeyType.ECDSA_P256)
        key = await vault.public_key(handle)
        value = (await vault.sign(handle, b"data")).value
        order = P256_ORDER.to_bytes(32, "big")
        for bad in (bytes(32) + value[32:], value[:32] + bytes(32), order + value[32:], value[:32] + order):
            with pytest.raises(InvalidEcdsaInput):
                verifier.verify(key, b"data", EcdsaP256Signature(bad))
        point = bytearray(key.value)
        for prefix in (0x00, 0x02, 0x06, 0x07):
            point[0] = prefix
            with pytest.raises(InvalidEcdsaInput):
                verifier.verify(EcdsaP256PublicKey(bytes(point)), b"data", EcdsaP256Signature(value))
        point[0] = 0x04
        point[-1] ^= 1
        with pytest.raises(InvalidEcdsaInput):
            verifier.verify(EcdsaP256PublicKey(bytes(point)), b"data", EcdsaP256Signature(value))

    asyncio.run(main())


def test_only_good_verdicts_are_remembered_and_not_too_many() -> None:
    async def main() -> None:
        vault, verifier = signing_vault(), SoftwareVerifyingVault(verdicts_limit=2)
        handle = await vault.generate_signing_key(SigningKeyType.ED25519)
        key = await vault.public_key(handle)
        signatures = [await vault.sign(handle, bytes([number])) for number in range(3)]
        assert not verifier.verify(key, b"other", signatures[0])
        assert verifier.statistics() == {"remembered_verdicts": 0}
        for _ in range(2):
            for number, signature in enumerate(signatures):
                assert verifier.verify(key, bytes([number]), signature)
                assert not verifier.verify(key, bytes([number + 1]), signature)
        assert verifier.statistics() == {"remembered_verdicts": 2}
        assert verifier.sha256(b"") == sha256(b"").digest()

    asyncio.run(main())


def test_the_cache_forgets_what_was_used_longest_ago() -> None:
    cache: LruCache[str, int] = LruCache(2)
    cache.keep("a", 1)
    cache.keep("b", 2)
    assert cache.find("a") == 1
    cache.keep("c", 3)
    assert (cache.find("a"), cache.find("b"), cache.find("c")) == (1, None, 3)
    cache.forget("a")
    cache.forget("a")
    assert len(cache) == 1
    cache.forget_where(lambda value: value > 2)
    assert len(cache) == 0
