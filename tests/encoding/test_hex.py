from __future__ import annotations

import pytest

from ockam.encoding.hex import decode_hex, encode_hex
from ockam.errors import DecodeError, Kind


@pytest.mark.parametrize(
    ("data", "text"), [(b"", ""), (b"\x00", "00"), (b"\x0a\xff", "0aff"), (bytes(range(32)), bytes(range(32)).hex())]
)
def test_round_trip_in_lower_case(data: bytes, text: str) -> None:
    assert encode_hex(data) == text
    assert decode_hex(text) == data


def test_upper_case_is_read() -> None:
    assert decode_hex("0aFf") == b"\x0a\xff"


@pytest.mark.parametrize(
    "text", ["0", "0g", " 00", "00 ", "0 0", "00 11", "0x00", "00\n", "0\u0660", "\uff11\uff11", "é"]
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(DecodeError, match="not hexadecimal") as caught:
        decode_hex(text)
    assert caught.value.kind is Kind.PARSE
