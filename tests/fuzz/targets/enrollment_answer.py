# Invariant: an answer, sealed or opened, is refused with a DecodeError, or reads back as equal from its own
# encoding.
"""What the service answers to an enrollment message."""

from __future__ import annotations

from ockam.enrollment.messages import SealedAnswer, decode_answer, encode_answer
from ockam.errors import DecodeError


def check(data: bytes) -> None:
    try:
        sealed = SealedAnswer.decode(data)
    except DecodeError:
        # Not sealed: then an opened one, or nothing.
        answer = decode_answer(data)
        assert decode_answer(encode_answer(answer)) == answer
    else:
        assert SealedAnswer.decode(sealed.encode()) == sealed
