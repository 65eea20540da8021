# Invariant: any sequence of reads gives values or a DecodeError and never moves past the end; a string or data
# value that was read is read back from its own encoding.
"""The BARE reader."""

from __future__ import annotations

import contextlib

from ockam.encoding import bare
from ockam.errors import DecodeError


def check(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        text = bare.decode_string(data)
        assert bare.decode_string(bare.encode_string(text)) == text
    with contextlib.suppress(DecodeError):
        value = bare.Reader(data).bytes()
        assert bare.Reader(bare.encode_data(value)).bytes() == value
    with contextlib.suppress(DecodeError):
        number = bare.Reader(data).uint()
        assert 0 <= number < 1 << 64
        assert bare.Reader(bare.encode_uint(number)).uint() == number
    reader = bare.Reader(data)
    while reader.remaining():
        # The data itself says what to read next.
        match reader.u8() % 8:
            case 0:
                reader.uint()
            case 1:
                reader.bytes()
            case 2:
                reader.string()
            case 3:
                reader.u16()
            case 4:
                reader.u32()
            case 5:
                reader.u64()
            case 6:
                reader.option()
            case _:
                reader.bool()
        assert reader.position <= len(data)
