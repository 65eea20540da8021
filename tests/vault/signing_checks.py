"""What every signing vault does, whatever is behind it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ockam.vault import EcdsaP256PublicKey, Ed25519PublicKey, InvalidKeyType, KeyNotFound, SigningKeyType
from ockam.vault.software import SoftwareVerifyingVault

if TYPE_CHECKING:
    from collections.abc import Collection

    from ockam.vault import SigningKeyHandle, SigningVault

__all__ = ["assert_is_a_signing_vault", "assert_signs_messages_of_wycheproof", "wycheproof_messages"]

PUBLIC_KEYS: Final = {
    SigningKeyType.ED25519: Ed25519PublicKey,
    SigningKeyType.ECDSA_P256: EcdsaP256PublicKey,
}
VECTORS: Final = Path(__file__).parents[1] / "vectors" / "data" / "wycheproof"
SETS: Final = {
    SigningKeyType.ED25519: "ed25519_test.json",
    SigningKeyType.ECDSA_P256: "ecdsa_secp256r1_sha256_p1363_test.json",
}


async def assert_is_a_signing_vault(
    vault: SigningVault, key_types: Collection[SigningKeyType], *, smallest: int = 0
) -> None:
    """Make keys of all kinds that the vault says it can make, use and delete them; messages have `smallest` bytes."""
    verifier = SoftwareVerifyingVault()
    for key_type in SigningKeyType:
        if key_type not in key_types:
            with pytest.raises(InvalidKeyType):
                await vault.generate_signing_key(key_type)
            continue
        handle, other = await vault.generate_signing_key(key_type), await vault.generate_signing_key(key_type)
        public_key = await vault.public_key(handle)
        assert isinstance(public_key, PUBLIC_KEYS[key_type])
        assert await vault.handle_of(public_key) == handle
        assert await vault.public_key(other) != public_key
        for data in (bytes(smallest), b"data", bytes(4000)):
            signature = await vault.sign(handle, data)
            assert verifier.verify(public_key, data, signature)
            assert not verifier.verify(public_key, data + b"\0", signature)
        assert await vault.delete_signing_key(handle)
        await assert_key_is_gone(vault, handle)
        assert verifier.verify(await vault.public_key(other), b"data", await vault.sign(other, b"data"))
        assert await vault.delete_signing_key(other)


async def assert_key_is_gone(vault: SigningVault, handle: SigningKeyHandle) -> None:
    """The key is neither found nor used."""
    with pytest.raises(KeyNotFound):
        await vault.public_key(handle)


def wycheproof_messages(key_type: SigningKeyType) -> list[bytes]:
    """Return the messages of Project Wycheproof's set for this kind of key, each once."""
    groups = json.loads((VECTORS / SETS[key_type]).read_text())["testGroups"]
    return sorted({bytes.fromhex(test["msg"]) for group in groups for test in group["tests"]})


async def assert_signs_messages_of_wycheproof(
    vault: SigningVault, key_type: SigningKeyType, *, smallest: int = 0
) -> None:
    """Sign every message of the set; the sets have no secret keys, so the verifier tells."""
    verifier = SoftwareVerifyingVault()
    handle = await vault.generate_signing_key(key_type)
    public_key = await vault.public_key(handle)
    messages = [message for message in wycheproof_messages(key_type) if len(message) >= smallest]
    assert len(messages) > 10
    for message in messages:
        assert verifier.verify(public_key, message, await vault.sign(handle, message))
