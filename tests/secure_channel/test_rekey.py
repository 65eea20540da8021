import pytest

from ockam.secure_channel.errors import InvalidNonce
from ockam.secure_channel.noise import AES128_GCM_SHA256, AES256_GCM_SHA256, CHACHAPOLY_BLAKE2S, Suite
from ockam.secure_channel.rekey import KeyChoice, choose_key, rekey

KEY = bytes(range(32))


@pytest.mark.parametrize("suite", [AES256_GCM_SHA256, AES128_GCM_SHA256, CHACHAPOLY_BLAKE2S])
def test_the_next_key_is_the_encryption_of_zeros_under_the_reserved_nonce(suite: Suite) -> None:
    key = KEY[: suite.key_size]
    following = suite.aead(key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[: suite.key_size]
    iv = bytes(12)
    assert rekey(suite.aead(key), suite).encrypt(iv, b"text", None) == suite.aead(following).encrypt(iv, b"text", None)


def test_the_previous_key_needs_to_be_there() -> None:
    assert choose_key(31, 1, has_previous=True) is KeyChoice.PREVIOUS
    with pytest.raises(InvalidNonce):
        choose_key(31, 1, has_previous=False)
    with pytest.raises(InvalidNonce):
        choose_key(31, 2, has_previous=True)


def test_when_the_nonces_are_used_up_nothing_is_accepted() -> None:
    for nonce in (0, 2**64 - 1):
        with pytest.raises(InvalidNonce):
            choose_key(nonce, 2**59, has_previous=True)
    assert choose_key(2**64 - 1, 2**59 - 1, has_previous=True) is KeyChoice.CURRENT
