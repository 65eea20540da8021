from __future__ import annotations

import pytest

from ockam.errors import DecodeError, Kind, Origin
from ockam.portal import (
    Disconnect,
    InvalidPortalMessage,
    Payload,
    Ping,
    Pong,
    PortalMessage,
    decode_portal_message,
)

# From the sheet of the protocol; the forms with a suffix also from the Elixir implementation's own tests.
KNOWN: list[tuple[PortalMessage, str]] = [
    (Ping(), "00"),
    (Pong(), "01"),
    (Disconnect(), "02"),
    (Payload(b"hello"), "030568656c6c6f"),
    (Payload(b"hello", 0), "030568656c6c6f010000"),
    (Payload(b"hello", 0x1234), "030568656c6c6f013412"),
    (Payload(b"hello", 0xFFFF), "030568656c6c6f01ffff"),
    (Payload(b""), "0300"),
]


@pytest.mark.parametrize(("message", "encoded"), KNOWN, ids=lambda value: str(value))
def test_known_messages(message: PortalMessage, encoded: str) -> None:
    assert message.encode().hex() == encoded
    assert decode_portal_message(bytes.fromhex(encoded)) == message
    assert decode_portal_message(memoryview(bytes.fromhex(encoded))) == message


@pytest.mark.parametrize(
    ("size", "head"), [(200, "03c801"), (49152, "03808003"), (131072, "03808008"), (524288, "03808020")]
)
def test_heads_of_payloads(size: int, head: str) -> None:
    data = bytes(size)
    encoded = Payload(data).encode()
    assert encoded == bytes.fromhex(head) + data
    assert decode_portal_message(encoded) == Payload(data)


@pytest.mark.parametrize("suffix", ["00", "01", "0112", "000102", "02ffff", "00000000"])
def test_what_is_no_counter_is_ignored(suffix: str) -> None:
    assert decode_portal_message(bytes.fromhex("030568656c6c6f" + suffix)) == Payload(b"hello")


def test_what_follows_a_message_is_ignored() -> None:
    assert decode_portal_message(b"\x00more") == Ping()
    assert decode_portal_message(b"\x01more") == Pong()
    assert decode_portal_message(b"\x02more") == Disconnect()
    assert decode_portal_message(bytes.fromhex("030568656c6c6f01000099")) == Payload(b"hello", 0)


@pytest.mark.parametrize(
    "bad",
    ["", "04", "83", "ff", "03", "0380", "0301", "03066869", "03ffffffffffffffffff01", "03ffffffffffffffffff7f61"],
)
def test_anything_else_is_refused(bad: str) -> None:
    with pytest.raises(DecodeError) as refused:
        decode_portal_message(bytes.fromhex(bad))
    assert isinstance(refused.value, InvalidPortalMessage)
    assert (refused.value.origin, refused.value.kind) == (Origin.TRANSPORT, Kind.PROTOCOL)


def test_every_cut_of_a_payload_is_refused() -> None:
    whole = Payload(bytes(range(200))).encode()
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            decode_portal_message(whole[:size])


def test_data_is_not_shown() -> None:
    assert "secret" not in repr(Payload(b"secret", 3))
