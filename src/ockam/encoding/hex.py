"""Hexadecimal text, strict: an even number of digits and nothing else."""

from __future__ import annotations

from ockam.errors import DecodeError, Kind

__all__ = ["decode_hex", "encode_hex"]

_DIGITS = frozenset("0123456789abcdefABCDEF")


def encode_hex(data: bytes) -> str:
    """Return `data` as lower-case hexadecimal digits."""
    return data.hex()


def decode_hex(text: str) -> bytes:
    """Return the bytes that `text` spells, in either case.

    Raises:
        DecodeError: an odd number of digits, or any other character (`bytes.fromhex` would skip blanks).
    """
    if len(text) % 2 or not _DIGITS.issuperset(text):
        raise DecodeError("not hexadecimal: an even number of the digits 0-9 and a-f is expected", kind=Kind.PARSE)
    return bytes.fromhex(text)
