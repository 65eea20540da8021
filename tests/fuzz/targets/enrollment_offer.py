# Invariant: an offer is refused with a DecodeError, or is the one encoding of what it gives; its text form reads
# back.
"""What an enrollee offers to an enroller, binary and text."""

from __future__ import annotations

import contextlib

from ockam.enrollment.messages import EnrolleeOffer
from ockam.errors import DecodeError


def check(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        text = data.decode(errors="replace")
        assert EnrolleeOffer.parse(text).text == text.strip()
    offer = EnrolleeOffer.decode(data)
    assert offer.encode() == data
    assert EnrolleeOffer.parse(offer.text) == offer
