import pytest

from ockam.secure_channel.errors import InvalidNonce
from ockam.secure_channel.nonce_window import mark


def test_the_first_message_may_have_any_nonce_of_0_to_32() -> None:
    for nonce in range(33):
        assert mark(0, 0, nonce)[0] == nonce
    with pytest.raises(InvalidNonce):
        mark(0, 0, 33)


def test_the_edges_are_inclusive() -> None:
    top, bitmap = mark(*mark(0, 0, 32), 64)
    assert mark(top, bitmap, 96) == (96, 1 << 32 | 1)
    with pytest.raises(InvalidNonce):
        mark(top, bitmap, 97)
    with pytest.raises(InvalidNonce):
        mark(top, bitmap, 32)
    with pytest.raises(InvalidNonce):
        mark(top, bitmap, 31)
    assert mark(top, bitmap, 33) == (64, bitmap | 1 << 31)


def test_32_back_is_accepted_once() -> None:
    top, bitmap = mark(*mark(0, 0, 30), 50)
    top, bitmap = mark(top, bitmap, 18)
    for nonce in (18, 17):
        with pytest.raises(InvalidNonce):
            mark(top, bitmap, nonce)


def test_the_bitmap_keeps_64_bits() -> None:
    top, bitmap = 0, 0
    for nonce in range(200):
        top, bitmap = mark(top, bitmap, nonce)
    assert (top, bitmap) == (199, 2**64 - 1)


def test_the_end_of_the_numbers() -> None:
    top, bitmap = mark(2**64 - 20, 1, 2**64 - 1)
    assert top == 2**64 - 1
    with pytest.raises(InvalidNonce):
        mark(top, bitmap, 2**64 - 1)
