from __future__ import annotations

import pytest

from ockam.core.address import Address, HasAddress, TransportType
from ockam.core.errors import InvalidAddress
from ockam.encoding.bare import Reader
from ockam.encoding.cbor import Decoder
from ockam.errors import DecodeError, Kind, Misuse

ECHOER = Address.local("echoer")
TCP = Address.parse("1#127.0.0.1:4000")


def test_transport_types_have_the_numbers_of_the_reference() -> None:
    assert [kind.name for kind in sorted(TransportType)] == ["LOCAL", "TCP", "UDP", "WEBSOCKET", "BLE", "UDS"]
    assert sorted(TransportType) == list(range(6))


@pytest.mark.parametrize(
    ("address", "cbor", "bare"),
    [
        (ECHOER, "82 00 46 6563686f6572", "00 06 6563686f6572"),
        (TCP, "82 01 4e 3132372e302e302e313a34303030", "01 0e 3132372e302e302e313a34303030"),
        (Address(0, b""), "82 00 40", "00 00"),
        (Address(255, b"\xff\x00"), "82 18ff 42 ff00", "ff 02 ff00"),
        (Address(0, b"x" * 200), "82 00 58c8" + "78" * 200, "00 c801" + "78" * 200),
    ],
)
def test_encodings(address: Address, cbor: str, bare: str) -> None:
    assert address.encode() == bytes.fromhex(cbor)
    assert address.encode() is address.encode()
    assert address.encode_bare() == bytes.fromhex(bare)
    assert Address.read(Decoder(bytes.fromhex(cbor))) == address
    assert Address.read_bare(Reader(bytes.fromhex(bare))) == address


def test_a_random_address_is_32_hexadecimal_digits() -> None:
    address = Address.random(bytes(range(16)))
    assert address == Address.local("000102030405060708090a0b0c0d0e0f")
    assert len(address.value) == 32


@pytest.mark.parametrize(
    ("text", "transport_type", "value"),
    [
        ("echoer", 0, b"echoer"),
        ("", 0, b""),
        ("0#echoer", 0, b"echoer"),
        ("1#127.0.0.1:4000", 1, b"127.0.0.1:4000"),
        ("255#", 255, b""),
        ("007#x", 7, b"x"),
        ("+1#x", 1, b"x"),
        ("0" * 10_000 + "5#x", 5, b"x"),
        ("0#é", 0, "é".encode()),
        (" 0", 0, b" 0"),
    ],
)
def test_parse(text: str, transport_type: int, value: bytes) -> None:
    address = Address.parse(text)
    assert (address.transport_type, address.value) == (transport_type, value)


@pytest.mark.parametrize(
    "text", ["256#x", "-1#x", "#x", "x#y", " 0#x", "0x1#y", "+#x", "++1#x", "²#x", "٣#x", "1_0#x", "9" * 10_000 + "#x"]
)
def test_a_type_that_is_no_byte_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress, match="Failed to parse address type: '"):
        Address.parse(text)


@pytest.mark.parametrize("text", ["0#a#b", "##", "1#2#3#4"])
def test_a_second_separator_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress, match="Invalid address string: more than one '#' separator found") as caught:
        Address.parse(text)
    assert isinstance(caught.value, Misuse)
    assert caught.value.kind is Kind.PARSE


def test_a_name_is_not_parsed() -> None:
    assert Address.local("a#b").value == b"a#b"
    assert Address.local(b"\xff").value == b"\xff"
    assert Address.local("x").is_local
    assert not TCP.is_local


@pytest.mark.parametrize("number", [-1, 256])
def test_a_type_is_a_byte(number: int) -> None:
    with pytest.raises(InvalidAddress):
        Address(number, b"x")


def test_text_form() -> None:
    assert str(ECHOER) == "0#echoer"
    assert str(Address(TransportType.TCP, b"h:1")) == "1#h:1"
    assert str(Address(0, b"\xff")) == "0#Invalid UTF-8"
    assert repr(ECHOER) == "Address('0#echoer')"


def test_equality_hash_and_order_are_by_type_and_bytes() -> None:
    same = Address(TransportType.LOCAL, b"echoer")
    assert same == ECHOER
    assert ECHOER == ECHOER
    assert hash(same) == hash(ECHOER)
    assert Address(1, b"echoer") != ECHOER
    assert Address(0, b"other") != ECHOER
    assert ECHOER != "0#echoer"
    addresses = [Address(1, b"a"), Address(0, b"b"), Address(0, b"a"), Address(0, b"")]
    assert sorted(addresses) == addresses[::-1]
    with pytest.raises(TypeError):
        _ = ECHOER < 5


def test_an_address_stands_for_itself() -> None:
    assert ECHOER.address is ECHOER
    assert isinstance(ECHOER, HasAddress)


@pytest.mark.parametrize(
    "spelling", ["9f 00 41 78 ff", "83 00 41 78 05", "82 1800 5801 78", "82 1b0000000000000000 4178"]
)
def test_wider_forms_are_read_and_written_in_the_shortest(spelling: str) -> None:
    address = Address.read(Decoder(bytes.fromhex(spelling)))
    assert address == Address.local("x")
    assert address.encode().hex() == "82004178"


@pytest.mark.parametrize(
    "spelling", ["", "80", "8100", "82 00 61 78", "82 190100 41 78", "82 20 41 78", "82 00 5f 41 78 ff", "a1 00 41 78"]
)
def test_what_is_no_address_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        Address.read(Decoder(bytes.fromhex(spelling)))


@pytest.mark.parametrize("spelling", ["", "00", "0001", "00 ff"])
def test_what_is_no_bare_address_is_refused(spelling: str) -> None:
    with pytest.raises(DecodeError):
        Address.read_bare(Reader(bytes.fromhex(spelling)))
