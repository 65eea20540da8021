import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ockam.secure_channel.encryptor import FRAME_OVERHEAD, Encryptor
from ockam.secure_channel.errors import NonceOverflow
from ockam.secure_channel.noise import AES256_GCM_SHA256

KEY = bytes(range(32))
IV_0 = bytes(12)


def test_a_frame_is_nonce_ciphertext_tag_with_an_empty_aad() -> None:
    assert Encryptor(KEY).seal(b"text") == bytes(8) + AESGCM(KEY).encrypt(IV_0, b"text", b"")


def test_the_key_of_the_second_bucket_begins_with_nonce_32() -> None:
    encryptor = Encryptor(KEY)
    frames = [encryptor.seal(b"text") for _ in range(65)]
    second = AESGCM(KEY).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    third = AESGCM(second).encrypt(bytes(4) + b"\xff" * 8, bytes(32), b"")[:32]
    for nonce, key in [(0, KEY), (31, KEY), (32, second), (63, second), (64, third)]:
        head = nonce.to_bytes(8, "big")
        assert frames[nonce] == head + AESGCM(key).encrypt(bytes(4) + head, b"text", b"")
    assert encryptor.nonce == 65


def test_without_rekeying_there_is_one_key() -> None:
    encryptor = Encryptor(KEY, rekeying=False)
    frames = [encryptor.seal(b"text") for _ in range(33)]
    assert frames[32] == bytes(7) + b"\x20" + AESGCM(KEY).encrypt(bytes(11) + b"\x20", b"text", b"")


@pytest.mark.parametrize("size", [0, 1, 64, 4096])
def test_in_place_equals_out_of_place_across_a_rekey(size: int) -> None:
    one, two = Encryptor(KEY), Encryptor(KEY)
    plaintext = bytes(range(256)) * 16
    for _ in range(34):
        buffer = bytearray(b"\xaa" * 10 + bytes(8) + plaintext[:size] + bytes(16) + b"\xbb" * 5)
        one.seal_into(buffer, 10, 10 + size + FRAME_OVERHEAD)
        assert buffer == b"\xaa" * 10 + two.seal(plaintext[:size]) + b"\xbb" * 5
        # No view is left behind: the buffer can be resized.
        buffer.clear()


@pytest.mark.parametrize(("start", "end"), [(0, 23), (5, 28), (10, 5), (0, 41), (-1, 30)])
def test_in_place_needs_room_and_uses_up_no_nonce_without_it(start: int, end: int) -> None:
    encryptor = Encryptor(KEY)
    with pytest.raises(ValueError, match="at least 24 bytes"):
        encryptor.seal_into(bytearray(40), start, end)
    assert encryptor.nonce == 0


def test_the_last_nonce_is_never_used() -> None:
    encryptor = Encryptor(KEY)
    encryptor._nonce = 2**64 - 2
    assert encryptor.seal(b"").startswith(b"\xff" * 7 + b"\xfe")
    for _ in range(2):
        with pytest.raises(NonceOverflow):
            encryptor.seal(b"")
        with pytest.raises(NonceOverflow):
            encryptor.seal_into(bytearray(24), 0, 24)
    assert encryptor.nonce == 2**64 - 1


def test_the_key_is_not_kept() -> None:
    encryptor = Encryptor(KEY, AES256_GCM_SHA256)
    assert not any(getattr(encryptor, name) == KEY for name in encryptor.__slots__)
    assert KEY.hex() not in repr(encryptor)
