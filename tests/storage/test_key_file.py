from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam.errors import AlreadyExists, Misuse
from ockam.storage import StorageError
from ockam.storage.key_file import create_key_file, read_key_file
from ockam.testing import FixedRandom
from ockam.vault.software import SealingKey

if TYPE_CHECKING:
    from pathlib import Path


def test_a_key_file_reads_back_and_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = create_key_file(path, FixedRandom())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == FixedRandom()(32).hex() + "\n"
    assert read_key_file(path) == key == SealingKey.from_key(FixedRandom()(32))


def test_a_key_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = create_key_file(path)
    with pytest.raises(AlreadyExists):
        create_key_file(path)
    assert read_key_file(path) == key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    create_key_file(path)
    path.chmod(mode)
    with pytest.raises(Misuse, match="chmod 600"):
        read_key_file(path)


@pytest.mark.parametrize("content", [b"", b"\xff" * 32, b"00" * 31, b"00" * 33, b"0" * 65, b"zz" * 32])
def test_what_is_no_key_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(Misuse, match="64 hexadecimal digits"):
        read_key_file(path)


def test_a_place_without_a_key_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_key_file(tmp_path / "none")
    with pytest.raises(StorageError, match="cannot be written"):
        create_key_file(tmp_path / "none" / "key")
