from __future__ import annotations

import pytest

from ockam.cli.failures import UnusableText
from ockam.cli.fleet import FleetLine, parse_attributes, parse_fleet
from tests.cli.command_line import ROOT


def test_columns_are_fields_and_attributes() -> None:
    text = "offer,name,expires_in,site,role\nx,Robot Axiom,24h,berlin,\n\ny,,,,sensor\n"
    assert parse_fleet(text) == [
        FleetLine(2, "x", "Robot Axiom", 86400, {"site": "berlin"}),
        FleetLine(4, "y", None, None, {"role": "sensor"}),
    ]


def test_a_spreadsheet_may_have_written_it() -> None:
    text = '\N{BYTE ORDER MARK}site;x,offer\r\n" a ""b""",o\r\n'
    assert parse_fleet(text) == [FleetLine(2, "o", None, None, {"site;x": 'a "b"'})]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no header line"),
        ("name,site\nx,y\n", "no header line"),
        ("offer,offer\nx,y\n", "twice"),
        ("offer,\nx,y\n", "without a name"),
        ("offer,name\nx\n", "1 cells in line 2, but 2 columns"),
        ("offer,expires_in\nx,1.5h\n", "line 2: `1.5h` is no duration"),
        ("offer,expires_in\nx,1h\ny,500ms\n", "line 3: whole seconds"),
    ],
)
def test_a_wrong_file_says_where(text: str, says: str) -> None:
    with pytest.raises(UnusableText) as caught:
        parse_fleet(text)
    assert says in caught.value.message


def test_the_demo_has_a_fleet() -> None:
    lines = parse_fleet((ROOT / "examples" / "fleet.csv").read_text(encoding="utf-8"))
    assert len(lines) >= 5
    assert all(line.offer == "" and line.name and line.attributes for line in lines)


def test_attributes() -> None:
    assert parse_attributes(["site=berlin", "formula=a=b", "empty="]) == {
        "site": "berlin",
        "formula": "a=b",
        "empty": "",
    }


@pytest.mark.parametrize("pairs", [["site"], ["=x"], ["a=1", "a=2"]])
def test_wrong_attributes(pairs: list[str]) -> None:
    with pytest.raises(UnusableText):
        parse_attributes(pairs)
