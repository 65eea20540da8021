"""Fleet files: many devices in one CSV file.

    offer,name,expires_in,site,role
    ockam-offer:1:ggFYIL...,Robot Axiom,24h,berlin,sensor

A header line names the columns. `offer` must be there; `name` replaces the one in the offer and `expires_in` is a
duration, both may be empty. All other columns are attributes; an empty cell is no attribute.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ockam.cli.durations import InvalidDuration, parse_duration
from ockam.cli.failures import UnusableText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["FleetLine", "parse_attributes", "parse_fleet"]

_FIELDS: Final = ("offer", "name", "expires_in")


@dataclass(frozen=True, slots=True)
class FleetLine:
    """One device.

    Attributes:
        number: of the line in the file, from 1.
        offer: text form; empty where it is still to come.
        expires_in: seconds.
    """

    number: int
    offer: str
    name: str | None
    expires_in: int | None
    attributes: Mapping[str, str]


def parse_fleet(text: str) -> list[FleetLine]:
    """Return the devices of a fleet file.

    Raises:
        UnusableText: no header with `offer`, a line of another length, or a wrong duration; says in which line.
    """
    reader = csv.reader(text.removeprefix("\N{BYTE ORDER MARK}").splitlines(), skipinitialspace=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if "offer" not in header or len(set(header)) != len(header) or "" in header:
            raise UnusableText(
                "The fleet file has no header line with a column `offer`, or a column without a name or twice."
            )
        return [_line(reader.line_num, header, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise UnusableText(f"The fleet file cannot be read: line {reader.line_num}: {error}.") from error


def parse_attributes(pairs: Iterable[str]) -> dict[str, str]:
    """Return the attributes of `--attribute NAME=VALUE`, the value may hold further `=`.

    Raises:
        UnusableText: no `=`, no name, or a name twice.
    """
    attributes: dict[str, str] = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise UnusableText(f"`{pair}` is no attribute: NAME=VALUE is expected, such as site=berlin.")
        if name in attributes:
            raise UnusableText(f"The attribute `{name}` is given twice.")
        attributes[name] = value
    return attributes


def _line(number: int, header: list[str], row: list[str]) -> FleetLine:
    if len(row) != len(header):
        raise UnusableText(f"The fleet file has {len(row)} cells in line {number}, but {len(header)} columns.")
    cells = {column: cell.strip() for column, cell in zip(header, row, strict=True)}
    try:
        expires_in = parse_duration(cells["expires_in"]) if cells.get("expires_in") else None
    except InvalidDuration as error:
        raise UnusableText(f"The fleet file is wrong in line {number}: {error}.") from error
    if expires_in is not None and expires_in != int(expires_in):
        raise UnusableText(f"The fleet file is wrong in line {number}: whole seconds are expected.")
    attributes = {column: cell for column, cell in cells.items() if column not in _FIELDS and cell}
    whole = None if expires_in is None else int(expires_in)
    return FleetLine(number, cells["offer"], cells.get("name") or None, whole, attributes)
