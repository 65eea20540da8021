from collections.abc import Callable

import pytest

from ockam.secure_channel.decryptor import Decryptor, SingleKeyDecryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.errors import AuthenticationFailed, InvalidNonce

KEY = bytes(range(32))


def frames(count: int) -> list[bytes]:
    encryptor = Encryptor(KEY)
    return [encryptor.seal(b"message %d" % nonce) for nonce in range(count)]


def forged(frame: bytes) -> bytes:
    return frame[:-1] + bytes([frame[-1] ^ 1])


Open = Callable[[Decryptor, bytes], tuple[int, bytes]]


def open_bytes(decryptor: Decryptor, frame: bytes) -> tuple[int, bytes]:
    return decryptor.open(frame)


def open_view(decryptor: Decryptor, frame: bytes) -> tuple[int, bytes]:
    return decryptor.open(memoryview(b"\0" + frame + b"\0")[1:-1])


def open_in_place(decryptor: Decryptor, frame: bytes) -> tuple[int, bytes]:
    buffer = bytearray(frame)
    nonce, plaintext = decryptor.open_in_place(memoryview(buffer))
    assert plaintext.obj is buffer
    return nonce, bytes(plaintext)


@pytest.fixture(params=[open_bytes, open_view, open_in_place])
def open_(request: pytest.FixtureRequest) -> Open:
    function: Open = request.param
    return function


def test_in_order_across_two_rekeys(open_: Open) -> None:
    decryptor = Decryptor(KEY)
    for nonce, frame in enumerate(frames(70)):
        assert open_(decryptor, frame) == (nonce, b"message %d" % nonce)
    assert (decryptor.top, decryptor.rekeys) == (69, 2)


def test_replay_is_refused(open_: Open) -> None:
    decryptor = Decryptor(KEY)
    sealed = frames(3)
    for frame in sealed:
        open_(decryptor, frame)
    for frame in sealed:
        with pytest.raises(InvalidNonce):
            open_(decryptor, frame)


def test_a_forged_frame_leaves_no_trace_even_at_a_buckets_first_nonce(open_: Open) -> None:
    decryptor = Decryptor(KEY)
    sealed = frames(65)
    for nonce in (0, 32, 64):
        before = (decryptor.top, decryptor.rekeys, decryptor._bitmap, decryptor._current, decryptor._previous)
        with pytest.raises(AuthenticationFailed):
            open_(decryptor, forged(sealed[nonce]))
        assert before == (decryptor.top, decryptor.rekeys, decryptor._bitmap, decryptor._current, decryptor._previous)
        assert open_(decryptor, sealed[nonce]) == (nonce, b"message %d" % nonce)
    assert decryptor.rekeys == 2


def test_the_previous_key_opens_late_frames_and_older_keys_are_gone(open_: Open) -> None:
    decryptor = Decryptor(KEY)
    sealed = frames(65)
    for nonce in (0, 32, 5, 64, 33):
        assert open_(decryptor, sealed[nonce])[0] == nonce
    with pytest.raises(InvalidNonce):
        open_(decryptor, sealed[31])
    assert (decryptor.top, decryptor.rekeys) == (64, 2)


@pytest.mark.parametrize("size", range(24))
def test_short_frames(open_: Open, size: int) -> None:
    decryptor = Decryptor(KEY)
    with pytest.raises(InvalidNonce if size < 8 else AuthenticationFailed):
        open_(decryptor, bytes(size))
    assert open_(decryptor, frames(1)[0])[0] == 0


@pytest.mark.parametrize("nonce", [33, 64, 2**32, 2**63, 2**64 - 1])
def test_far_nonces_cost_nothing(open_: Open, nonce: int) -> None:
    decryptor = Decryptor(KEY)
    with pytest.raises(InvalidNonce):
        open_(decryptor, nonce.to_bytes(8, "big") + bytes(40))
    assert (decryptor.top, decryptor.rekeys) == (0, 0)


def test_an_empty_message() -> None:
    assert Decryptor(KEY).open(Encryptor(KEY).seal(b"")) == (0, b"")


def test_thirty_two_losses_in_a_row_end_the_direction() -> None:
    sealed = frames(100)
    decryptor = Decryptor(KEY)
    decryptor.open(sealed[0])
    assert decryptor.open(sealed[32])[0] == 32
    for nonce in range(65, 100):
        with pytest.raises(InvalidNonce):
            decryptor.open(sealed[nonce])


def test_one_key_takes_any_nonce_again_and_again() -> None:
    encryptor = Encryptor(KEY, rekeying=False)
    sealed = [encryptor.seal(b"message") for _ in range(100)]
    decryptor = SingleKeyDecryptor(KEY)
    for nonce in (99, 0, 99, 50):
        assert decryptor.open(sealed[nonce]) == (nonce, b"message")
    with pytest.raises(AuthenticationFailed):
        decryptor.open(forged(sealed[0]))
    with pytest.raises(InvalidNonce):
        decryptor.open(bytes(7))
