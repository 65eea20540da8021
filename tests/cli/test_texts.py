from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from ockam.cli.failures import UnusableText
from ockam.cli.texts import read_bytes, read_lines

if TYPE_CHECKING:
    from pathlib import Path

PREFIX = "ockam-offer:1:"


def test_a_text_is_itself() -> None:
    assert read_bytes(f" {PREFIX}abc", PREFIX) == b" ockam-offer:1:abc"


def test_a_file_and_stdin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "offers"
    file.write_text(f"{PREFIX}a\n\n{PREFIX}b\n")
    assert read_lines(str(file), PREFIX) == [f"{PREFIX}a", f"{PREFIX}b"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x\n")))
    assert read_bytes("-", PREFIX) == b"x\n"


def test_what_is_none_of_them(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    for argument in [
        "no such file",
        str(tmp_path),
        str(tmp_path / "empty"),
        str(tmp_path / "binary"),
        "x\0",
        "y" * 9000,
    ]:
        with pytest.raises(UnusableText):
            read_lines(argument, PREFIX)


def test_more_than_anyone_needs_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ockam.cli.texts.MAX_BYTES", 10)
    (tmp_path / "long").write_bytes(b"x" * 11)
    with pytest.raises(UnusableText):
        read_bytes(str(tmp_path / "long"), PREFIX)
