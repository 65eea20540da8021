from __future__ import annotations

import math
import struct

import pytest

from ockam.encoding.cbor import Decoder, encode_array, encode_enum, encode_text
from ockam.errors import DecodeError, Kind, Misuse, Origin
from ockam.policy import (
    HAS_CREDENTIAL,
    UNIT,
    Bool,
    Expression,
    Float,
    Ident,
    Int,
    List,
    PolicyParseError,
    PolicyTooLarge,
    Seq,
    Str,
    TypeMismatch,
    call,
    compare,
    decode_expression,
    equals,
    evaluate,
    parse_expression,
)
from ockam.policy.environment import EMPTY_ENVIRONMENT
from ockam.policy.expression import MAX_DEPTH, MAX_ITEMS, MAX_SEQUENCE, MAX_TEXT_SIZE_BYTES, read_expression


def nested(depth: int) -> Expression:
    expression: Expression = Bool(True)
    for _ in range(depth):
        expression = call("and", expression)
    return expression


def test_what_is_as_deep_as_allowed_works() -> None:
    deep = nested(MAX_DEPTH)
    assert decode_expression(deep.encode()) == deep
    assert parse_expression(str(deep)) == deep
    assert evaluate(deep, EMPTY_ENVIRONMENT) == Bool(True)
    assert hash(deep) == hash(nested(MAX_DEPTH))
    assert repr(deep).count("and") == MAX_DEPTH


def test_what_is_deeper_cannot_be_made() -> None:
    deep = nested(MAX_DEPTH)
    with pytest.raises(PolicyTooLarge, match="128 levels") as refused:
        call("and", deep)
    assert isinstance(refused.value, Misuse)
    assert (refused.value.origin, refused.value.kind) == (Origin.APPLICATION, Kind.PARSE)
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        Seq((deep,))
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        parse_expression("(and " * 3000)
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        parse_expression("[" * 5000)
    with pytest.raises(DecodeError, match="128 levels"):
        decode_expression(bytes.fromhex("82078181") * 100_000)
    with pytest.raises(DecodeError, match="128 levels"):
        decode_expression(encode_enum(7, encode_array(deep.encode())))


def test_what_is_wider_cannot_be_made() -> None:
    widest = Seq((Int(1),) * MAX_SEQUENCE)
    assert decode_expression(widest.encode()) == widest
    with pytest.raises(PolicyTooLarge, match="1024 elements"):
        Seq((*widest.items, Int(1)))
    with pytest.raises(PolicyTooLarge, match="1024 elements"):
        parse_expression("(= " + "1 " * MAX_SEQUENCE + ")")
    with pytest.raises(DecodeError, match="1024 elements"):
        decode_expression(encode_enum(6, encode_array(*[Int(1).encode()] * (MAX_SEQUENCE + 1))))
    with pytest.raises(PolicyTooLarge, match="4096 parts"):
        List((widest,) * 4)
    with pytest.raises(DecodeError, match="4096 parts"):
        decode_expression(encode_enum(6, encode_array(*[Int(1).encode()] * (MAX_ITEMS + 1))))


def test_long_texts_are_refused() -> None:
    long = "x" * (MAX_TEXT_SIZE_BYTES + 1)
    with pytest.raises(PolicyTooLarge, match="16384 bytes"):
        parse_expression(long)
    with pytest.raises(PolicyTooLarge, match="16384 bytes"):
        parse_expression("é" * (MAX_TEXT_SIZE_BYTES // 2 + 1))
    for variant in (1, 5):
        with pytest.raises(DecodeError, match="more than 16384"):
            decode_expression(encode_enum(variant, encode_text(long)))


def test_integers_have_64_bits() -> None:
    for value in (2**63, -(2**63) - 1):
        with pytest.raises(PolicyTooLarge):
            Int(value)
    for text, match in (("1" * 5000, "too large"), ("-0x" + "f" * 9000, "too small"), ("0" * 5000, "operation")):
        with pytest.raises(PolicyParseError, match=match):
            parse_expression(text)
    assert parse_expression("(= " + "0" * 5000 + "7)") == call("=", Int(7))


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(PolicyParseError, match="Unicode"):
        parse_expression('(= "\ud800")')


@pytest.mark.parametrize(
    "data",
    [
        "",
        "81",
        "8204",
        "820480",
        "820481",
        "820481f6",
        "820081 00",
        "82088100",
        "830481f5",
        "9f0481f5ff",
        "820481f5"[:6],
        "82018141 00",
        "820281 6161",
        "820281 1b8000000000000000",
        "820281 3b8000000000000000",
        "820381 f97e00",
        "820381 fb0000",
        "820381 fa00",
        "820381",
        "820681 00",
        "820781 8101",
        "820781 9f",
        "820781 9bffffffffffffffff",
        "a0",
        "f5",
    ],
)
def test_malformed_encodings_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_expression(bytes.fromhex(data))


def test_what_the_reference_reads_is_read() -> None:
    assert decode_expression(bytes.fromhex("820481f500")) == Bool(True)  # bytes behind it
    assert decode_expression(bytes.fromhex("82049ff5ff")) == Bool(True)
    assert decode_expression(bytes.fromhex("820482f5820481f4")) == Bool(True)  # a field of a later version
    assert decode_expression(bytes.fromhex("8202811b0000000000000001")) == Int(1)
    assert decode_expression(bytes.fromhex("8207819fff")) == UNIT
    assert decode_expression(bytes.fromhex("820381fa3f800000")) == Float(1.0)
    assert read_expression(Decoder(memoryview(Float(-0.5).encode()))) == Float(-0.5)


def test_a_decoder_is_left_as_it_was() -> None:
    decoder = Decoder(encode_array(HAS_CREDENTIAL.encode(), Bool(False).encode()))
    items = decoder.array()
    items.require()
    depth = decoder.depth
    assert read_expression(decoder) == HAS_CREDENTIAL
    assert decoder.depth == depth
    items.require()
    assert read_expression(decoder) == Bool(False)
    items.close()
    decoder.finish()
    assert decoder.depth == 0


def test_nan_keeps_its_bits() -> None:
    assert Float(math.nan).encode() == b"\x82\x03\x81\xfb" + struct.pack(">d", math.nan)
    assert math.isnan(decode_expression_float(Float(math.nan)))


def decode_expression_float(value: Float) -> float:
    decoded = decode_expression(value.encode())
    assert isinstance(decoded, Float)
    return decoded.value


def test_nul_reads_back() -> None:
    # Reference: prints `\0`, which with a digit behind it is another character.
    for text in ("\0", "\0a", "\x00\x07"):
        assert parse_expression(str(call("=", Str(text)))) == call("=", Str(text))


def test_comparing() -> None:
    with pytest.raises(TypeMismatch, match=r"1 and 1\.0 are not of the same type"):
        equals(Int(1), Float(1.0))
    with pytest.raises(TypeMismatch, match="not of the same type"):
        compare(Seq(()), UNIT)
    assert compare(Float(math.nan), Float(1.0)) is None
    assert compare(Ident("a"), Ident("b")) == -1
    assert not equals(List((Ident("a"),)), List((Ident("b"),)))
    assert not equals(Seq((Int(1), Str("a"))), Seq((Int(2), Int(1))))
    assert compare(List((Int(1), Int(2))), List((Int(1), Int(1)))) == 1
