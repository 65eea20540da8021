from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ockam.storage import CannotOpenDatabase, Database, DatabaseReadOnly, Home, HomeInUse, SchemaTooNew, StorageError
from ockam.storage.home import DATABASE_NAME
from ockam.storage.migrations import MIGRATIONS
from ockam.storage.migrations.migration import Migration

HOLDER = """
import sys
from ockam.storage import Home
home = Home(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "home"
    with Home(path) as home:
        assert home.path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert (path / "database.sqlite3").exists()
        for file in path.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    home.close()


def test_an_existing_directory_is_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "home"
    path.mkdir(mode=0o755)
    with Home(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_a_second_process_is_told_who_has_the_home(tmp_path: Path) -> None:
    path = tmp_path / "home"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        with pytest.raises(HomeInUse, match=f"in use by process {process.pid}: end it"):
            Home(path)
        with Home.open_read_only(path) as looking, pytest.raises(DatabaseReadOnly):
            looking.database.run_blocking(lambda connection: connection.execute("DELETE FROM identity"))
        process.send_signal(signal.SIGKILL)
    with Home(path), pytest.raises(HomeInUse, match=str(os.getpid())):
        Home(path)


def test_a_home_that_cannot_be_opened_is_not_left_locked(tmp_path: Path) -> None:
    newer = (*MIGRATIONS, Migration(len(MIGRATIONS) + 1, "later", ("CREATE TABLE later (x)",)))
    Home(tmp_path / "home", migrations=newer).close()
    for _ in range(2):
        with pytest.raises(SchemaTooNew):
            Home(tmp_path / "home")
    Home(tmp_path / "home", migrations=newer).close()


def test_a_home_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotOpenDatabase, match="cannot be opened"):
        Home(tmp_path / "file")
    with pytest.raises(StorageError):
        Home.open_read_only(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_lock_without_a_number_in_it(tmp_path: Path) -> None:
    path = tmp_path / "home"
    with Home(path):
        (path / "lock").write_bytes(b"")
        with pytest.raises(HomeInUse, match=r"process \?"):
            Home(path)


def test_a_backup_as_documented(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "storage.md").read_text().splitlines()
    (command,) = (line for line in page if line.startswith("python3 -c"))
    places = {"DATABASE": str(tmp_path / "home" / DATABASE_NAME), "BACKUP": str(tmp_path / "backup")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with Home(tmp_path / "home") as home:
        home.database.run_blocking(lambda connection: connection.execute("INSERT INTO enroller VALUES (x'01', 1)"))
        subprocess.run(["sh", "-c", command], check=True, env=places | {"PATH": path})
    with Database(tmp_path / "backup", read_only=True) as backup:
        stored = backup.read_blocking(lambda connection: connection.execute("SELECT * FROM enroller").fetchall())
    assert stored == [(b"\x01", 1)]
