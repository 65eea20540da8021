import pytest

from ockam.errors import Misuse
from ockam.secure_channel.errors import AuthenticationFailed, HandshakeInternalError, NonceOverflow
from ockam.secure_channel.noise import (
    AES128_GCM_SHA256,
    AES256_GCM_SHA256,
    CHACHAPOLY_BLAKE2S,
    XX,
    CipherState,
    HandshakeState,
    Pattern,
    Role,
    Suite,
    SymmetricState,
    Token,
    standard_suite,
)
from tests.secure_channel.pair import key, once

KEY = bytes(range(32))


def handshake(role: Role, pattern: Pattern = XX) -> HandshakeState:
    secret = b"\x11" if role is Role.INITIATOR else b"\x22"
    return HandshakeState(AES256_GCM_SHA256, role, key(secret * 32), once(secret * 31 + b"\x01"), pattern=pattern)


@pytest.mark.parametrize("suite", [AES256_GCM_SHA256, AES128_GCM_SHA256, CHACHAPOLY_BLAKE2S])
def test_ockam_names_have_exactly_32_bytes(suite: Suite) -> None:
    assert len(suite.name) == 32
    assert suite.initial_hash() == suite.name


def test_a_short_name_is_padded_and_a_long_one_hashed() -> None:
    assert standard_suite("Noise_XX_25519_AESGCM_SHA256").initial_hash() == b"Noise_XX_25519_AESGCM_SHA256\0\0\0\0"
    long_name = standard_suite("Noise_XX_25519_ChaChaPoly_SHA256")
    assert long_name.initial_hash() == long_name.name
    longer = Suite(b"n" * 33, "sha256", 32, long_name.aead, 32, long_name.iv)
    assert longer.initial_hash() == longer.hash(b"n" * 33)


@pytest.mark.parametrize(
    "name",
    [
        "Noise_XX_25519_AESGCM",
        "Noise_IK_25519_AESGCM_SHA256",
        "Noise_XX_448_AESGCM_SHA256",
        "Noise_XX_25519_XChaCha_SHA256",
        "Noise_XX_25519_AESGCM_MD5",
        "",
    ],
)
def test_unknown_standard_names(name: str) -> None:
    with pytest.raises(ValueError, match="not a Noise XX"):
        standard_suite(name)


def test_without_a_key_encryption_is_the_identity() -> None:
    state = CipherState(AES256_GCM_SHA256)
    assert not state.has_key()
    assert state.encrypt_with_ad(b"ad", b"text") == b"text"
    assert state.decrypt_with_ad(b"ad", b"text") == b"text"
    assert state.n == 0


def test_a_failed_decryption_does_not_count() -> None:
    sender, receiver = CipherState(AES256_GCM_SHA256), CipherState(AES256_GCM_SHA256)
    sender.initialize_key(KEY)
    receiver.initialize_key(KEY)
    ciphertext = sender.encrypt_with_ad(b"ad", b"text")
    for forged in (b"", ciphertext[:-1], ciphertext[:-1] + bytes([ciphertext[-1] ^ 1])):
        with pytest.raises(AuthenticationFailed):
            receiver.decrypt_with_ad(b"ad", forged)
    assert receiver.n == 0
    assert receiver.decrypt_with_ad(b"ad", ciphertext) == b"text"
    assert receiver.n == sender.n == 1


def test_the_last_nonce_is_reserved() -> None:
    state = CipherState(AES256_GCM_SHA256)
    state.initialize_key(KEY)
    state.n = 2**64 - 2
    ciphertext = state.encrypt_with_ad(b"", b"last")
    with pytest.raises(NonceOverflow):
        state.encrypt_with_ad(b"", b"one more")
    with pytest.raises(NonceOverflow):
        state.decrypt_with_ad(b"", ciphertext)


def test_copies_are_independent() -> None:
    state = SymmetricState(AES256_GCM_SHA256)
    state.mix_key(b"ikm")
    copy = state.copy()
    before = (state.ck, state.h, state.cipher_state.n)
    copy.encrypt_and_hash(b"text")
    copy.mix_key(b"more")
    assert (state.ck, state.h, state.cipher_state.n) == before


def test_the_pattern_decides_whose_turn_it_is() -> None:
    a, b = handshake(Role.INITIATOR), handshake(Role.RESPONDER)
    with pytest.raises(Misuse, match="turn"):
        a.read_message(bytes(32))
    with pytest.raises(Misuse, match="turn"):
        b.write_message(b"")
    with pytest.raises(Misuse, match="not finished"):
        a.split()
    b.read_message(a.write_message(b""))
    a.read_message(b.write_message(b""))
    b.read_message(a.write_message(b""))
    assert a.is_finished()
    assert b.is_finished()
    with pytest.raises(Misuse, match="finished"):
        a.write_message(b"")
    assert [c.k for c in a.split()] == [c.k for c in b.split()]


def test_a_pattern_that_uses_a_key_before_it_is_known_is_a_defect() -> None:
    a = handshake(Role.INITIATOR, Pattern("broken", ((Token.EE,),)))
    with pytest.raises(HandshakeInternalError):
        a.write_message(b"")


def test_a_static_key_sent_before_any_key_is_in_the_clear() -> None:
    pattern = Pattern("X1", ((Token.S,),))
    a, b = handshake(Role.INITIATOR, pattern), handshake(Role.RESPONDER, pattern)
    message = a.write_message(b"payload")
    assert message == a.s.public.value + b"payload"
    assert b.read_message(message) == b"payload"
    assert b.rs == a.s.public
