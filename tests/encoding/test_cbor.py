from __future__ import annotations

from typing import TYPE_CHECKING

import cbor2
import pytest

from ockam.encoding.cbor import (
    EMPTY_ARRAY,
    MAX_DEPTH,
    NULL,
    Decoder,
    decode_exactly,
    encode_array,
    encode_array_head,
    encode_bool,
    encode_bytes,
    encode_bytes_head,
    encode_enum,
    encode_int,
    encode_map_head,
    encode_struct,
    encode_text,
    encode_uint,
)
from ockam.errors import DecodeError, Kind, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

EDGES = [0, 1, 23, 24, 255, 256, 65535, 65536, 0xFFFF_FFFF, 0x1_0000_0000, 0xFFFF_FFFF_FFFF_FFFF]


def decoder(spaced_hex: str) -> Decoder:
    return Decoder(bytes.fromhex(spaced_hex))


def point(d: Decoder) -> tuple[int, str | None]:
    """A struct with a mandatory and an optional field, as generated for `[n(0) u16, n(1) Option<String>]`."""
    fields = d.array()
    fields.require()
    size = d.uint(16)
    note = d.text() if fields.optional() else None
    fields.close()
    return size, note


# ---- writing: cbor2 is the oracle ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", EDGES)
def test_integers_have_the_shortest_head(value: int) -> None:
    assert encode_uint(value) == cbor2.dumps(value)
    assert encode_int(value) == cbor2.dumps(value)
    assert encode_int(-1 - value) == cbor2.dumps(-1 - value)


@pytest.mark.parametrize("size", [0, 1, 23, 24, 255, 256, 65535, 65536])
def test_strings_have_the_shortest_head(size: int) -> None:
    assert encode_bytes(bytes(size)) == cbor2.dumps(bytes(size)) == encode_bytes_head(size) + bytes(size)
    assert encode_text("x" * size) == cbor2.dumps("x" * size)
    assert encode_array(*[NULL] * size) == cbor2.dumps([None] * size)
    assert encode_array_head(size) == cbor2.dumps([None] * size)[: -size or None]
    assert encode_map_head(size) == cbor2.dumps(dict.fromkeys(range(size)))[: len(encode_map_head(size))]


def test_text_length_counts_bytes() -> None:
    assert encode_text("é") == bytes.fromhex("62c3a9")


def test_simple_values() -> None:
    assert encode_bool(False) == b"\xf4"
    assert encode_bool(True) == b"\xf5"
    assert NULL == b"\xf6"
    assert EMPTY_ARRAY == b"\x80"


@pytest.mark.parametrize("encode", [encode_uint, encode_int, encode_array_head, encode_map_head, encode_bytes_head])
def test_more_than_64_bits_is_refused(encode: Callable[[int], bytes]) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        encode(1 << 64)


def test_integers_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="not an unsigned integer"):
        encode_uint(-1)
    with pytest.raises(ValueError, match="64 bits"):
        encode_int(-(1 << 64) - 1)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), "80"),
        ((b"\x01", b"\x02"), "820102"),
        ((b"\x01", None), "8101"),
        ((None, b"\x02"), "82f602"),
        ((b"\x01", None, b"\x03", None, None), "8301f603"),
        ((None, None), "80"),
    ],
)
def test_struct_cuts_absent_trailing_fields_and_writes_null_for_inner_ones(
    fields: tuple[bytes | None, ...], expected: str
) -> None:
    assert encode_struct(*fields).hex() == expected


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [(encode_enum(0), "820080"), (encode_enum(1, b"\x05"), "82018105"), (encode_enum(300), "8219012c80")],
)
def test_enum_is_variant_and_fields(encoded: bytes, expected: str) -> None:
    assert encoded.hex() == expected


# ---- reading: one test per row of the rules of minicbor --------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["07", "1807", "190007", "1a00000007", "1b0000000000000007"])
def test_an_integer_of_any_width_is_accepted_if_the_value_fits(spelling: str) -> None:
    assert decoder(spelling).uint(8) == 7
    assert decoder(spelling).int(8) == 7


@pytest.mark.parametrize("spelling", ["26", "3806", "390006", "3a00000006", "3b0000000000000006"])
def test_a_negative_integer_of_any_width(spelling: str) -> None:
    assert decoder(spelling).int(8) == -7
    with pytest.raises(DecodeError, match="unsigned integer is expected, negative integer is there"):
        decoder(spelling).uint()


@pytest.mark.parametrize(
    ("spelling", "bits"), [("190100", 8), ("1a00010000", 16), ("1b0000000100000000", 32), ("1902bc", 8)]
)
def test_an_unsigned_integer_that_does_not_fit_is_refused(spelling: str, bits: int) -> None:
    with pytest.raises(DecodeError, match=f"more than {bits} bits"):
        decoder(spelling).uint(bits)


@pytest.mark.parametrize(("value", "fits"), [(127, True), (128, False), (-128, True), (-129, False)])
def test_a_signed_integer_is_twos_complement(value: int, fits: bool) -> None:
    d = Decoder(encode_int(value))
    if fits:
        assert d.int(8) == value
    else:
        with pytest.raises(DecodeError, match="more than 8 bits"):
            d.int(8)


def test_the_largest_integers() -> None:
    assert decoder("1bffffffffffffffff").uint() == (1 << 64) - 1
    assert decoder("3b7fffffffffffffff").int() == -(1 << 63)
    with pytest.raises(DecodeError, match="64 bits"):
        decoder("3b8000000000000000").int()


def test_a_string_has_the_size_it_should_have() -> None:
    assert decoder("43010203").bytes() == b"\x01\x02\x03"
    assert decoder("43010203").bytes(3) == b"\x01\x02\x03"
    with pytest.raises(DecodeError, match="2 bytes are expected, 3 are there"):
        decoder("43010203").bytes(2)
    assert decoder("6161").text(1) == "a"
    with pytest.raises(DecodeError, match="more than 1 bytes"):
        decoder("62c3a9").text(1)


def test_a_byte_string_can_be_found_without_a_copy() -> None:
    d = decoder("5803010203ff")
    assert d.bytes_range() == (2, 5)
    assert d.position == 5
    with pytest.raises(DecodeError, match="cut"):
        decoder("43010203"[:-2]).bytes_range()


@pytest.mark.parametrize("spelling", ["5f4101ff", "5fff"])
def test_an_indefinite_byte_string_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        decoder(spelling).bytes()
    with pytest.raises(DecodeError):
        decoder(spelling).bytes_range()


@pytest.mark.parametrize("spelling", ["7f6161ff", "7fff"])
def test_an_indefinite_text_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        decoder(spelling).text()


@pytest.mark.parametrize("spelling", ["61ff", "62c328", "63eda080", "64f4908080"])
def test_invalid_utf8_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError, match="not UTF-8"):
        decoder(spelling).text()
    with pytest.raises(DecodeError, match="not UTF-8"):
        decoder(spelling).skip()


def test_only_f4_and_f5_are_booleans() -> None:
    assert decoder("f4").bool() is False
    assert decoder("f5").bool() is True
    for other in ("f6", "f7", "00", "01", "f814", ""):
        with pytest.raises(DecodeError):
            decoder(other).bool()


def test_only_f6_is_null() -> None:
    assert decoder("f6").is_null()
    decoder("f6").null()
    for other in ("f7", "f5", "80", "f816"):
        assert not decoder(other).is_null()
        with pytest.raises(DecodeError, match="null is expected"):
            decoder(other).null()
    with pytest.raises(DecodeError, match="cut"):
        decoder("").is_null()


def test_undefined_is_no_absent_field() -> None:
    with pytest.raises(DecodeError, match="text is expected"):
        point(decoder("8201f7"))


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("82 07 6161", (7, "a")),
        ("81 07", (7, None)),  # a missing optional tail
        ("82 07 f6", (7, None)),
        ("9f 07 6161 ff", (7, "a")),
        ("9f 07 ff", (7, None)),
        ("9f 07 f6 ff", (7, None)),
        ("84 07 6161 820102 a10102", (7, "a")),  # extra elements are skipped
        ("83 07 f6 9f01ff", (7, None)),
        ("9f 07 6161 01 5f4101ff ff", (7, "a")),
        ("9802 07 6161", (7, "a")),  # a head wider than needed
        ("82 1b0000000000000007 7800", (7, "")),
    ],
)
def test_a_struct_is_an_array_definite_or_not(spelling: str, expected: tuple[int, str | None]) -> None:
    d = decoder(spelling)
    assert point(d) == expected
    d.finish()
    assert d.depth == 0


@pytest.mark.parametrize("spelling", ["80", "9fff"])
def test_a_missing_mandatory_field_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError, match="mandatory field is missing"):
        point(decoder(spelling))


@pytest.mark.parametrize("spelling", ["", "82", "8207", "820762", "9f07", "9f076161", "a10102", "f6", "07", "19", "9b"])
def test_what_is_no_such_struct_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        point(decoder(spelling))


@pytest.mark.parametrize("spelling", ["c0 8107", "81 c0 07", "82 07 c1 6161"])
def test_an_unexpected_tag_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError, match="tag is there"):
        point(decoder(spelling))


def numbers(d: Decoder) -> dict[int, int]:
    found: dict[int, int] = {}
    entries = d.map()
    while entries.next():
        key = d.uint(32)
        if key in (1, 2):
            found[key] = d.uint(8)
        else:
            d.skip()
    return found


@pytest.mark.parametrize(
    ("spelling", "expected"),
    [
        ("a0", {}),
        ("bfff", {}),
        ("a2 01 05 02 06", {1: 5, 2: 6}),
        ("a2 02 06 01 05", {1: 5, 2: 6}),  # any order
        ("bf 02 06 01 05 ff", {1: 5, 2: 6}),
        ("a2 01 05 01 06", {1: 6}),  # the last duplicate wins
        ("a3 00 1a0073c0d6 01 05 1863 820102", {1: 5}),  # unknown keys are skipped
        ("bf 09 bf0102ff ff", {}),
    ],
)
def test_a_map_is_definite_or_not(spelling: str, expected: dict[int, int]) -> None:
    d = decoder(spelling)
    assert numbers(d) == expected
    d.finish()
    assert d.depth == 0


@pytest.mark.parametrize(
    "spelling", ["a1 6161 05", "a1 20 05", "a1 1b0000000100000000 05", "a1 01", "bf 01 ff", "bf 09 ff"]
)
def test_map_keys_are_32_bit_and_have_values(spelling: str) -> None:
    with pytest.raises(DecodeError):
        numbers(decoder(spelling))


def test_closing_a_map_skips_whole_entries() -> None:
    d = decoder("a2 01 05 02 8101 09")
    d.map().close()
    assert d.uint() == 9


def test_closing_twice_is_harmless() -> None:
    for spelling in ("82 01 02 09", "9f 01 02 ff 09"):
        d = decoder(spelling)
        items = d.array()
        items.close()
        items.close()
        assert not items.next()
        assert d.depth == 0
        assert d.uint() == 9


@pytest.mark.parametrize("second", ["80", "9fff", "a0", "f6", "05", "6161", "820102", "5f4101ff"])
def test_the_second_item_of_a_unit_variant_is_skipped_whatever_it_is(second: str) -> None:
    d = decoder("82 03" + second)
    assert d.enum() == 3
    d.skip()
    d.finish()


def test_the_payload_of_a_variant_may_be_indefinite() -> None:
    d = decoder("82 01 9f 05 ff")
    assert d.enum() == 1
    fields = d.array()
    fields.require()
    assert d.uint() == 5
    fields.close()
    d.finish()


@pytest.mark.parametrize(
    "spelling", ["9f 01 80 ff", "81 01", "83 01 80 80", "01", "82 20 80", "82 1b0000000100000000 80"]
)
def test_an_enum_is_a_definite_array_of_two(spelling: str) -> None:
    with pytest.raises(DecodeError):
        decoder(spelling).enum()


def test_bytes_after_the_first_item_are_left_alone() -> None:
    d = decoder("81 07 ff ff")
    assert point(d) == (7, None)
    assert d.remaining() == 2
    with pytest.raises(DecodeError, match="bytes follow"):
        d.finish()


def test_a_decoder_keeps_inside_its_bounds() -> None:
    data = bytes.fromhex("ff 43 010203 ff")
    assert Decoder(data, 1, 5).bytes() == b"\x01\x02\x03"
    with pytest.raises(DecodeError, match="cut"):
        Decoder(data, 1, 4).bytes()
    with pytest.raises(DecodeError, match="cut"):
        Decoder(data, 1, 1).bytes()
    with pytest.raises(DecodeError, match="cut"):
        Decoder(bytes.fromhex("190102"), 0, 2).uint()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_read(kind: Callable[[bytes], bytes]) -> None:
    d = Decoder(kind(bytes.fromhex("85 190102 6161 4101 f5 f6")))
    fields = d.array()
    fields.require()
    assert d.uint() == 0x102
    fields.require()
    assert d.text() == "a"
    fields.require()
    data = d.bytes()
    assert data == b"\x01"
    assert type(data) is bytes
    fields.require()
    assert d.bool()
    assert not fields.optional()
    fields.close()
    d.finish()


# ---- skipping -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spelling",
    [
        "00",
        "1bffffffffffffffff",
        "20",
        "3bffffffffffffffff",
        "4401020304",
        "5f 4101 40 4102 ff",
        "5fff",
        "63616263",
        "7f 6161 60 6162 ff",
        "83 01 82 02 03 80",
        "9f 01 9f 02 ff 82 03 04 ff",
        "a2 01 02 03 a1 04 05",
        "bf 01 bf ff 02 9f ff ff",
        "82 9f 01 ff bf 02 03 ff",
        "c0 6161",
        "d9 d9f7 81 c1 07",
        "f4",
        "f6",
        "f7",
        "e0",
        "f8ff",
        "f9 3c00",
        "fa 3f800000",
        "fb 3ff0000000000000",
    ],
)
def test_skip_takes_exactly_one_item(spelling: str) -> None:
    d = decoder(spelling + "05")
    d.skip()
    assert d.uint() == 5
    d.finish()


@pytest.mark.parametrize(
    "spelling",
    [
        "",
        "ff",
        "18",
        "1c",
        "1f",
        "3f",
        "41",
        "5d",
        "5f 01 ff",  # a piece of a string is a definite string of the same kind
        "5f 6161 ff",
        "5f 5f4101ff ff",
        "5f 4101",
        "7f 4101 ff",
        "7f 61c3 61a9 ff",  # every piece is UTF-8 on its own
        "81",
        "81 ff",
        "82 01 ff",
        "9f",
        "9f 01",
        "9d",
        "a1 01",
        "a1 01 ff",
        "bf 01",
        "c0",
        "c0 ff",
        "df 01",
        "f8",
        "fc",
        "fe",
    ],
)
def test_skip_refuses_what_is_no_item(spelling: str) -> None:
    with pytest.raises(DecodeError):
        decoder(spelling).skip()


@pytest.mark.parametrize("opener", ["81", "9f", "a101", "bf01", "c0", "d81c"])
def test_nesting_is_capped(opener: str) -> None:
    def nested(depth: int) -> Decoder:
        indefinite = opener[0] in "9b"
        return Decoder(bytes.fromhex(opener) * depth + b"\x00" + (b"\xff" if indefinite else b"") * depth)

    nested(MAX_DEPTH - 1).skip()
    with pytest.raises(DecodeError, match="nested too deeply"):
        nested(100_000).skip()


def test_skip_counts_the_nesting_that_it_stands_in() -> None:
    d = Decoder(b"\x81" * (MAX_DEPTH + 5) + b"\x00")
    for _ in range(MAX_DEPTH // 2):
        d.array().require()
    with pytest.raises(DecodeError, match="nested too deeply"):
        d.skip()


def test_nesting_is_capped_for_readers_too() -> None:
    d = Decoder(b"\x81" * 100_000)
    for _ in range(MAX_DEPTH):
        d.array().require()
    with pytest.raises(DecodeError, match="nested too deeply"):
        d.array()
    with pytest.raises(DecodeError, match="nested too deeply"):
        d.skip()


@pytest.mark.parametrize("major", [0x40, 0x60, 0x80, 0xA0])
@pytest.mark.parametrize("count", [1 << 63, (1 << 64) - 1, 1 << 32, 9])
def test_a_head_that_claims_more_than_is_there_is_refused(major: int, count: int) -> None:
    data = bytes((major | 27,)) + count.to_bytes(8, "big") + bytes(8)
    for read in (Decoder.skip, Decoder.bytes, Decoder.text, Decoder.array, Decoder.map, Decoder.bytes_range):
        with pytest.raises(DecodeError):
            read(Decoder(data))


def test_a_map_needs_two_bytes_per_entry() -> None:
    with pytest.raises(DecodeError, match="more items are announced"):
        decoder("a2 01 02 03").map()
    with pytest.raises(DecodeError, match="more items are announced"):
        decoder("a2 01 02 03").skip()


# ---- strict ---------------------------------------------------------------------------------------------------------


def encode_point(value: tuple[int, str | None]) -> bytes:
    size, note = value
    return encode_struct(encode_uint(size), None if note is None else encode_text(note))


@pytest.mark.parametrize("spelling", ["8107", "82076161"])
def test_the_canonical_form_is_accepted(spelling: str) -> None:
    data = bytes.fromhex(spelling)
    assert encode_point(decode_exactly(data, point, encode_point)) == data


@pytest.mark.parametrize("spelling", ["810700", "8207f6", "9f07ff", "811807", "8307616105", "98020760"])
def test_any_other_form_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        decode_exactly(bytes.fromhex(spelling), point, encode_point)


def test_errors_of_cbor_have_the_numbers_of_the_reference() -> None:
    with pytest.raises(DecodeError) as caught:
        decoder("").uint()
    assert (caught.value.origin, caught.value.kind) == (Origin.UNKNOWN, Kind.INVALID)
