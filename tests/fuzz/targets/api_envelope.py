# Invariant: a request or a response is read or refused with a DecodeError, and reads back as the same value from
# its own encoding. An error body is always read: it comes with a failure that must be shown, whatever it holds.
"""Requests, responses and error bodies of the node's API."""

from __future__ import annotations

from ockam.core.request import ErrorBody, Request, Response
from ockam.errors import DecodeError


def check(data: bytes) -> None:
    error = ErrorBody.decode(data)
    assert ErrorBody.decode(error.encode()) == error
    try:
        request = Request.decode(data)
    except DecodeError:
        # Not a request: then a response, or nothing.
        response = Response.decode(data)
        assert Response.decode(response.encode()) == response
        assert isinstance(response.error, ErrorBody)
    else:
        assert Request.decode(request.encode()) == request
        assert len(request.segments) <= 5
