"""How enrollees are shown: a table for people, one object each for programs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ockam.cli.output import facts, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ockam.enrollment.api_messages import EnrolleeRecord

__all__ = ["attributes_text", "record_facts", "record_json", "record_table", "time_text"]


def record_json(record: EnrolleeRecord) -> dict[str, object]:
    """Return the object of a record. Times are seconds since 1970, or null."""
    return {
        "added_by": str(record.added_by),
        "attributes": dict(record.attributes),
        "created_at": record.created_at,
        "enrolled_at": record.enrolled_at,
        "expires_at": record.expires_at,
        "id": record.id.hex(),
        "identifier": None if record.identifier is None else str(record.identifier),
        "name": record.pet_name,
        "state": record.state.name.lower(),
    }


def record_table(records: Iterable[EnrolleeRecord]) -> str:
    """Return one line per record."""
    rows = [
        (
            record.short,
            record.pet_name or "-",
            record.state.name.lower(),
            time_text(record.created_at),
            time_text(record.expires_at, "never"),
            attributes_text(record.attributes),
        )
        for record in records
    ]
    return table(["ID", "NAME", "STATE", "APPROVED", "EXPIRES", "ATTRIBUTES"], rows)


def record_facts(record: EnrolleeRecord) -> str:
    """Return everything about one record."""
    return facts(
        {
            "id": record.id.hex(),
            "name": record.pet_name or "-",
            "state": record.state.name.lower(),
            "identifier": str(record.identifier or "-"),
            "approved": time_text(record.created_at),
            "approved by": str(record.added_by),
            "expires": time_text(record.expires_at, "never"),
            "enrolled": time_text(record.enrolled_at),
            "attributes": [f"{name}={value}" for name, value in record.attributes.items()],
        }
    )


def time_text(seconds: int | None, otherwise: str = "-") -> str:
    """Return a time in UTC for people."""
    return otherwise if seconds is None else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(seconds))


def attributes_text(attributes: Mapping[str, str]) -> str:
    """Return attributes in one line."""
    return " ".join(f"{name}={value}" for name, value in attributes.items()) or "-"
