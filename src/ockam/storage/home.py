"""The directory of a node: its database, and the lock that keeps a second process out.

<home>/                     mode 0700
<home>/lock                 held while the home is open; contains the process id
<home>/database.sqlite3     mode 0600, beside it -wal and -shm
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from ockam.storage.database import Database
from ockam.storage.errors import CannotOpenDatabase, HomeInUse
from ockam.storage.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.storage.migrations.migration import Migration

__all__ = ["Home"]

DIRECTORY_MODE: Final = 0o700
LOCK_NAME: Final = "lock"
DATABASE_NAME: Final = "database.sqlite3"


class Home:
    """An open home directory.

    Args:
        path: the directory, made with mode 0700 if it is not there.
        migrations: the schema this program knows.

    Raises:
        HomeInUse: another process (or another `Home` of this one) has it open.
        StorageError: the directory or its database cannot be opened.
    """

    def __init__(self, path: Path | str, *, migrations: Sequence[Migration] = MIGRATIONS) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        try:
            self.path.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
            self.path.chmod(DIRECTORY_MODE)  # it may have been there with another mode
            self._lock = _lock(self.path)
        except OSError as error:
            raise CannotOpenDatabase(f"the home {self.path} cannot be opened: {error.strerror}") from error
        try:
            self.database = Database(self.path / DATABASE_NAME, migrations=migrations)
        except BaseException:
            self._unlock()
            raise

    @classmethod
    def open_read_only(cls, path: Path | str, *, migrations: Sequence[Migration] = MIGRATIONS) -> Home:
        """Open an existing home to look at it, even while another process uses it.

        Raises:
            StorageError: there is no home, or its database cannot be read.
        """
        home = cls.__new__(cls)
        home.path = Path(path)
        home._lock = None
        home.database = Database(home.path / DATABASE_NAME, migrations=migrations, read_only=True)
        return home

    def close(self) -> None:
        """Finish what was asked of the database, close it, and let others in. Twice is allowed."""
        self.database.close()
        self._unlock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)  # closing gives the lock up; the file stays, or two could lock two files
            self._lock = None


def _lock(home: Path) -> int:
    descriptor = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise HomeInUse(
            f"the home {home} is in use by process {owner or '?'}: end it, or choose another home"
        ) from None
    with contextlib.suppress(OSError):  # the number only helps a person; a full disk must not keep the home closed
        os.truncate(descriptor, 0)
        os.write(descriptor, b"%d\n" % os.getpid())
    return descriptor
