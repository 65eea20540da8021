# Invariant: any bytes are refused with a DecodeError, or give a change history in which all signed data is as
# received, and which reads back as equal from its own encoding.
"""Change histories, not yet verified."""

from __future__ import annotations

from ockam.identity.change_history import ChangeHistory


def check(data: bytes) -> None:
    history = ChangeHistory.decode(data)
    assert ChangeHistory.decode_exactly(history.encode()) == history
    assert all(change.data in data for change in history.changes)
    assert len(history.change_hashes()) == len(history.changes)
