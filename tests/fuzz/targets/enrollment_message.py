# Invariant: anything a stranger sends to the worker `enrollment` is refused with a DecodeError, or is the one
# encoding of the message it gives.
"""The enrollment message."""

from __future__ import annotations

from ockam.enrollment.messages import EnrollmentMessage


def check(data: bytes) -> None:
    message = EnrollmentMessage.decode(data)
    assert message.encode() == data
    assert len(message.ek) == len(message.enrollment_identifier) == 32
