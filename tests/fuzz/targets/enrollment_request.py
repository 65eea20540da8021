# Invariant: the body of a request to the enrollment service is refused with a PeerError, or reads back as equal
# from its own encoding; so does the list of records of an answer.
"""Bodies of the enrollment service's API."""

from __future__ import annotations

import contextlib

from ockam.enrollment.api_messages import (
    ApprovalRequest,
    BundlesRequest,
    ListQuery,
    PatchRequest,
    decode_records,
    encode_list,
)
from ockam.errors import PeerError

REFUSAL = PeerError


def check(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        ListQuery.parse(data.decode(errors="replace"))
    with contextlib.suppress(PeerError):
        records = decode_records(data)
        assert decode_records(encode_list(record.encode() for record in records)) == records
    with contextlib.suppress(PeerError):
        bundles = BundlesRequest.decode(data)
        assert BundlesRequest.decode(bundles.encode()) == bundles
    with contextlib.suppress(PeerError):
        patch = PatchRequest.decode(data)
        assert PatchRequest.decode(patch.encode()) == patch
    approval = ApprovalRequest.decode(data)
    assert ApprovalRequest.decode(approval.encode()) == approval
