import json
from pathlib import Path
from typing import Any

import pytest

from ockam.core.address import Address
from ockam.core.route import EMPTY_ROUTE, Route, route
from ockam.encoding.cbor import encode_array_head, encode_bytes
from ockam.errors import DecodeError
from ockam.secure_channel.messages import (
    MAX_REFRESH_SIZE,
    MAX_REMEMBERED_ROUTES,
    PAYLOAD_TAIL,
    Close,
    Payload,
    PayloadReader,
    RefreshCredentials,
    decode_message,
    encode_payload,
    payload_head,
)

MODEL: dict[str, Any] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "data" / "secure-channel-model.json").read_text()
)
REFRESH = bytes.fromhex(MODEL["transport_plaintexts"]["refresh_credentials"])
HELLO = bytes.fromhex("8282008183818200466563686f6572818200436170704d0c48656c6c6f204f636b616d2140")
BODY = bytes.fromhex("0c48656c6c6f204f636b616d21")
ENCRYPTOR = Address.local("encryptor")
ECHOER, APP = route("echoer"), route("app")
BACK = route("encryptor", "app")


def hello(onward: bytes = ECHOER.cbor, back: bytes = APP.cbor, body: bytes = encode_bytes(BODY)) -> bytes:
    return b"\x82\x82\x00\x81\x83" + onward + back + body + b"\x40"


# ---- the usual forms -------------------------------------------------------------------------------------------------


def test_payload() -> None:
    assert Payload(ECHOER, APP, BODY).encode() == HELLO == hello()
    assert decode_message(HELLO) == Payload(ECHOER, APP, BODY)
    assert payload_head(ECHOER, APP, len(BODY)) + BODY + PAYLOAD_TAIL == HELLO
    assert "Hello" not in repr(decode_message(HELLO))


def test_close() -> None:
    assert Close().encode() == bytes.fromhex("8282028040")
    assert decode_message(Close().encode()) == Close()
    assert PayloadReader(ENCRYPTOR).read(Close().encode()) == Close()


def test_refresh_credentials() -> None:
    message = decode_message(REFRESH)
    assert isinstance(message, RefreshCredentials)
    assert len(message.credentials) == 1
    assert message.encode() == REFRESH
    assert PayloadReader(ENCRYPTOR).read(REFRESH) == message


SIZES = [0, 1, 23, 24, 255, 256, 4095, 4096, 65535, 65536, 2**20]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_of_head(size: int) -> None:
    body = b"\x5a" * size
    plaintext = encode_payload(ECHOER, APP, body)
    assert plaintext == hello(body=encode_bytes(body))
    reader = PayloadReader(ENCRYPTOR)
    # The first is a miss, the second a hit.
    for _ in range(2):
        read = reader.read(plaintext)
        assert isinstance(read, tuple)
        onward, back, payload = read
        assert (onward, back, bytes(payload)) == (ECHOER, BACK, body)
        assert isinstance(payload, bytes if size < 4096 else memoryview)
    view = reader.read_in_place(memoryview(bytearray(plaintext)))
    assert isinstance(view, tuple)
    assert (view[0], view[1], bytes(view[2])) == (ECHOER, BACK, body)


# ---- what the reference's decoder takes beyond them ------------------------------------------------------------------

WIDER = {
    "padding": HELLO[:-1] + b"\x43pad",
    "trailing bytes": HELLO + b"trailing",
    "third element": b"\x83" + HELLO[1:] + b"\x01",
    "indefinite padded": b"\x9f" + HELLO[1:] + b"\xff",
    "indefinite wrapper": b"\x82\x82\x00\x9f\x83" + ECHOER.cbor + APP.cbor + encode_bytes(BODY) + b"\xff\x40",
    "indefinite payload": b"\x82\x82\x00\x81\x9f" + ECHOER.cbor + APP.cbor + encode_bytes(BODY) + b"\xff\x40",
    "four fields": b"\x82\x82\x00\x81\x84" + ECHOER.cbor + APP.cbor + encode_bytes(BODY) + b"\xf6\x40",
    "two in the wrapper": b"\x82\x82\x00\x82\x83" + ECHOER.cbor + APP.cbor + encode_bytes(BODY) + b"\x01\x40",
    "wide variant": b"\x82\x82\x18\x00" + HELLO[3:],
    "wide wrapper": b"\x82\x82\x00\x98\x01" + HELLO[4:],
    "wide byte string": hello(body=b"\x59\x00\x0d" + BODY),
    "very wide byte string": hello(body=b"\x5a\x00\x00\x00\x0d" + BODY),
    "widest byte string": hello(body=b"\x5b" + bytes(7) + b"\x0d" + BODY),
    "indefinite routes": hello(b"\x9f" + ECHOER.cbor[1:] + b"\xff", b"\x9f" + APP.cbor[1:] + b"\xff"),
    "wide route": hello(b"\x98\x01" + ECHOER.cbor[1:]),
    "wide type": hello(b"\x81\x82\x18\x00\x46echoer"),
    "wide address": hello(b"\x81\x82\x00\x58\x06echoer"),
    "wider address": hello(b"\x81\x82\x00\x59\x00\x06echoer"),
    "address of three": hello(b"\x81\x83\x00\x46echoer\x00"),
}


@pytest.mark.parametrize("name", WIDER)
def test_accepted_beyond_the_usual_forms(name: str) -> None:
    plaintext = WIDER[name]
    assert decode_message(plaintext) == Payload(ECHOER, APP, BODY)
    reader = PayloadReader(ENCRYPTOR)
    for _ in range(2):
        assert reader.read(plaintext) == (ECHOER, BACK, BODY)
    assert reader.read_in_place(memoryview(plaintext)) == (ECHOER, BACK, BODY)
    # Forwarded again, it has the usual form.
    assert decode_message(plaintext).encode() == HELLO


@pytest.mark.parametrize("body", [b"\x80", b"\xf6", b"\x01", b"\x82\x01\x02", b"\xa0", b"\x9f\xff"])
def test_the_body_of_close_is_skipped_whatever_it_is(body: bytes) -> None:
    assert decode_message(b"\x82\x82\x02" + body + b"\x40") == Close()


REFUSED = {
    "nothing": b"",
    "not an array": b"\x01",
    "padding missing": b"\x81\x82\x02\x80",
    "padding cut off": HELLO[:-1],
    "padding is text": HELLO[:-1] + b"\x60",
    "indefinite padding": HELLO[:-1] + b"\x5f\xff",
    "unknown variant": b"\x82\x82\x03\x80\x40",
    "indefinite enum": b"\x82\x9f\x02\x80\xff\x40",
    "enum of three": b"\x82\x83\x02\x80\x80\x40",
    "enum of one": b"\x82\x81\x02\x40",
    "payload missing": b"\x82\x82\x00\x80\x40",
    "two fields": b"\x82\x82\x00\x81\x82" + ECHOER.cbor + APP.cbor + b"\x40",
    "payload is text": hello(body=b"\x64text"),
    "payload is indefinite": hello(body=b"\x5f\x41a\xff"),
    "payload is longer than the message": hello(body=b"\x58\xff" + BODY),
    "payload ends with the message": hello(body=b"\x4e" + BODY),
    "payload head cut": HELLO[:19] + b"\x59\x00",
    "route is null": hello(b"\xf6"),
    "address of one": hello(b"\x81\x81\x00"),
    "address is text": hello(b"\x81\x82\x00\x66echoer"),
    "type of nine bits": hello(b"\x81\x82\x19\x01\x00\x46echoer"),
    "address cut": b"\x82\x82\x00\x81\x83\x81\x82\x00\x58",
    "address value cut": b"\x82\x82\x00\x81\x83\x81\x82\x00\x46echo",
    "huge route": b"\x82\x82\x00\x81\x83\x9a\xff\xff\xff\xff",
    "tag": b"\xc0" + HELLO,
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    plaintext = REFUSED[name]
    with pytest.raises(DecodeError):
        decode_message(plaintext)
    fresh, used = PayloadReader(ENCRYPTOR), PayloadReader(ENCRYPTOR)
    used.read(HELLO)
    for reader in (fresh, used):
        with pytest.raises(DecodeError):
            reader.read(plaintext)
        with pytest.raises(DecodeError):
            reader.read_in_place(memoryview(plaintext))
        assert reader.read(HELLO) == (ECHOER, BACK, BODY)


def test_a_refresh_is_bounded() -> None:
    history = MODEL["identities"]["initiator"]["change_history_cbor"]
    change = bytes.fromhex(history)[1:]
    many = 2 + MAX_REFRESH_SIZE // len(change)
    with pytest.raises(DecodeError, match="refreshed credentials"):
        decode_message(b"\x82\x82\x01\x81\x82" + encode_array_head(many) + change * many + b"\x80\x40")


# ---- the reader's memory ---------------------------------------------------------------------------------------------


def test_equal_prefixes_give_the_same_route_objects() -> None:
    reader = PayloadReader(ENCRYPTOR)
    one, two = reader.read(encode_payload(ECHOER, APP, b"1")), reader.read(encode_payload(ECHOER, APP, b"2"))
    assert isinstance(one, tuple)
    assert isinstance(two, tuple)
    assert one[0] is two[0]
    assert one[1] is two[1]


def test_a_request_with_a_new_return_route_keeps_its_onward_route_and_the_reverse() -> None:
    reader = PayloadReader(ENCRYPTOR)
    one, two = (reader.read(encode_payload(ECHOER, route(name), b"")) for name in ("one", "two"))
    assert isinstance(one, tuple)
    assert isinstance(two, tuple)
    assert one[0] is two[0]
    assert two[1] == route("encryptor", "two")
    three, four = (reader.read(encode_payload(route(name), APP, b"")) for name in ("three", "four"))
    assert isinstance(three, tuple)
    assert isinstance(four, tuple)
    assert three[1] is four[1]
    assert four[0] == route("four")


def test_alternating_routes_are_remembered() -> None:
    reader = PayloadReader(ENCRYPTOR)
    plaintexts = [encode_payload(route(f"{number:032}" * 2), APP, b"body") for number in range(5)]
    first = [reader.read(plaintext) for plaintext in plaintexts]
    again = [reader.read(plaintext) for plaintext in plaintexts]
    assert first == again
    assert all(isinstance(a, tuple) and isinstance(b, tuple) for a, b in zip(first, again, strict=True))


def test_a_longer_route_with_the_same_beginning_is_not_confused() -> None:
    reader = PayloadReader(ENCRYPTOR)
    name = "n" * 64
    for onward in (route(name), route(name, "further"), route(name + "m"), EMPTY_ROUTE):
        for back in (APP, route("app", "further"), EMPTY_ROUTE):
            read = reader.read(encode_payload(onward, back, b"x"))
            assert read == (onward, Route((ENCRYPTOR, *back.addresses)), b"x")


def test_the_memory_is_bounded() -> None:
    reader = PayloadReader(ENCRYPTOR)
    for number in range(3 * MAX_REMEMBERED_ROUTES):
        reader.read(encode_payload(route(f"worker {number}"), route(f"{number}"), b""))
        assert len(reader._entries) <= MAX_REMEMBERED_ROUTES


def test_long_routes_and_long_addresses() -> None:
    reader = PayloadReader(ENCRYPTOR)
    long_route = Route([Address(1, b"host:%d" % port) for port in range(30)])
    long_address = Route([Address.local(b"a" * 300), Address(200, b"t")])
    for onward in (long_route, long_address):
        assert reader.read(encode_payload(onward, onward, b"x")) == (
            onward,
            Route((ENCRYPTOR, *onward.addresses)),
            b"x",
        )
