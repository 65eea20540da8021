# Invariant: any bytes are an answer of a channel's API addresses or a DecodeError; an answer is read back from its own
# encoding.
"""The answers of a channel's API addresses."""

from __future__ import annotations

from ockam.secure_channel.api_messages import ApiResponse


def check(data: bytes) -> None:
    response = ApiResponse.decode(data)
    assert (response.data is None) != (response.error is None)
    assert ApiResponse.decode(response.encode()) == response
