from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam.encoding.bare import Reader, decode_string, encode_data, encode_string, encode_uint
from ockam.errors import DecodeError, Kind, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

VECTORS = [
    (0, "00"),
    (127, "7f"),
    (128, "8001"),
    (300, "ac02"),
    (16383, "ff7f"),
    (16384, "808001"),
    (65535, "ffff03"),
    ((1 << 64) - 1, "ff" * 9 + "01"),
]


def reader(spaced_hex: str) -> Reader:
    return Reader(bytes.fromhex(spaced_hex))


@pytest.mark.parametrize(("value", "spelling"), VECTORS)
def test_uint(value: int, spelling: str) -> None:
    assert encode_uint(value).hex() == spelling
    assert reader(spelling).uint() == value


def test_uint_out_of_range() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        encode_uint(1 << 64)
    with pytest.raises(ValueError, match="not an unsigned integer"):
        encode_uint(-1)


@pytest.mark.parametrize(
    ("spelling", "value"), [("8000", 0), ("ff00", 127), ("80" * 9 + "00", 0), ("80" * 9 + "01", 1 << 63)]
)
def test_a_uint_longer_than_needed_is_accepted(spelling: str, value: int) -> None:
    assert reader(spelling).uint() == value


@pytest.mark.parametrize("spelling", ["", "80", "ff" * 9, "ff" * 9 + "02", "80" * 9 + "80" + "01", "ff" * 11])
def test_a_uint_that_is_cut_or_too_large_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        reader(spelling).uint()


def test_fixed_integers_are_little_endian() -> None:
    r = reader("01 0203 04050607 08090a0b0c0d0e0f")
    assert (r.u8(), r.u16(), r.u32(), r.u64()) == (0x01, 0x0302, 0x07060504, 0x0F0E0D0C0B0A0908)
    assert r.remaining() == 0


@pytest.mark.parametrize("read", [Reader.u8, Reader.u16, Reader.u32, Reader.u64, Reader.bool, Reader.option])
def test_a_cut_value_is_refused(read: Callable[[Reader], object]) -> None:
    with pytest.raises(DecodeError, match="cut"):
        read(reader(""))


def test_any_byte_but_zero_is_true() -> None:
    assert [reader(spelling).bool() for spelling in ("00", "01", "02", "ff")] == [False, True, True, True]


def test_option() -> None:
    assert not reader("00").option()
    assert reader("01").option()
    with pytest.raises(DecodeError, match="starts with 0 or 1"):
        reader("02").option()


@pytest.mark.parametrize(
    ("text", "spelling"),
    [
        ("", "00"),
        ("Hello Ockam!", "0c48656c6c6f204f636b616d21"),
        ("é", "02c3a9"),
        ("x" * 127, "7f" + "78" * 127),
        ("x" * 128, "8001" + "78" * 128),
    ],
)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_string(text: str, spelling: str, kind: Callable[[bytes], bytes]) -> None:
    data = bytes.fromhex(spelling)
    assert encode_string(text) == data
    assert decode_string(kind(data)) == text
    assert decode_string(kind(data + b"trailing")) == text
    assert Reader(kind(data)).string() == text


@pytest.mark.parametrize(
    "spelling", ["", "01", "0548656c6c", "80", "8001", "ff" * 9 + "01", "01ff", "02c328", "8001" + "ff" * 128]
)
def test_what_is_no_string_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_string(bytes.fromhex(spelling))
    assert (caught.value.origin, caught.value.kind) == (Origin.CORE, Kind.IO)
    with pytest.raises(DecodeError):
        reader(spelling).string()


def test_a_length_longer_than_needed_is_accepted() -> None:
    assert decode_string(bytes.fromhex("820061 62")) == "ab"


def test_data() -> None:
    assert encode_data(b"\x01\x02") == bytes.fromhex("020102")
    assert encode_data(bytes(300))[:2] == bytes.fromhex("ac02")
    r = reader("020102 00 03")
    assert r.bytes() == b"\x01\x02"
    assert r.bytes() == b""
    with pytest.raises(DecodeError, match="more bytes are announced"):
        r.bytes()


def test_reading_starts_where_told() -> None:
    r = Reader(b"\xff\x01", 1)
    assert r.u8() == 1


@pytest.mark.parametrize("announced", [1 << 63, (1 << 64) - 1, 1 << 32])
def test_a_length_bomb_costs_nothing(announced: int) -> None:
    data = encode_uint(announced) + b"x"
    with pytest.raises(DecodeError, match="announced"):
        Reader(data).bytes()
    with pytest.raises(DecodeError, match="longer than what is left"):
        decode_string(data)
