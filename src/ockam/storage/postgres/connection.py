"""A connection to PostgreSQL that takes the statements of the repositories, and what its errors mean."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors, pq

from ockam.storage.errors import (
    CannotOpenDatabase,
    DatabaseDamaged,
    DatabaseLocked,
    DatabaseReadOnly,
    DatabaseUnreachable,
    DiskFull,
    StorageError,
)
from ockam.storage.postgres.schema import advisory_key
from ockam.storage.sql import RowTaken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ockam.storage.postgres.url import PostgresUrl

__all__ = ["PostgresConnection", "connect", "may_run_again", "storage_error", "translated"]

# Chosen by us, as SQLite's time for waiting: a lock that somebody holds longer is an error.
LOCK_TIMEOUT_MILLISECONDS: Final = 10_000
CONNECT_TIMEOUT_SECONDS: Final = 10
# A connection whose peer is silent for so long is lost.
SILENCE_MILLISECONDS: Final = 20_000

_SETTINGS: Final = (
    # What is reported as stored is on the disk, whatever the server's default is.
    b"SELECT set_config('synchronous_commit', 'on', false)"
    b" WHERE current_setting('synchronous_commit') IN ('off', 'local')",
    # A statement whose client was killed ends too, and with it its locks. From PostgreSQL 14 on.
    b"SELECT set_config(name, '1000', false) FROM pg_settings WHERE name = 'client_connection_check_interval'",
)

_PLACEHOLDER: Final = re.compile(r"\?|(?<!:):([a-z_]+)|%|/\*pg(.*?)\*/", re.DOTALL)

_BY_STATE: Final[dict[str, type[StorageError]]] = {
    "25006": DatabaseReadOnly,
    "53100": DiskFull,
    "55P03": DatabaseLocked,
    "XX001": DatabaseDamaged,
    "XX002": DatabaseDamaged,
}
_UNREACHABLE: Final = ("08", "57P", "53300")
# While a connection is made errors are text alone.
_REFUSAL: Final = "FATAL:"
_TEMPORARY: Final = re.compile("starting up|shutting down|recovery|not yet accepting|too many|connection slots")
_REFUSED: Final = ("28", "3D", "42501")


@lru_cache(maxsize=512)
def translated(statement: str) -> str:
    """Return a statement of the repositories as psycopg takes it; they are constants, so few are remembered."""
    return _PLACEHOLDER.sub(_translation, statement)


def _translation(found: re.Match[str]) -> str:
    text = found[0]
    if text == "?":
        return "%s"
    if text == "%":
        return "%%"
    return f"%({found[1]})s" if found[1] is not None else found[2]


class PostgresConnection:
    """Implements `ockam.storage.sql.Connection` for one thread.

    Args:
        connection: in autocommit mode: transactions are begun here.
    """

    __slots__ = ("raw",)

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.raw = connection

    def execute(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> psycopg.Cursor[Any]:
        """Run one statement.

        Raises:
            RowTaken: a unique value is taken.
            psycopg.Error: anything else.
        """
        try:
            return self.raw.execute(translated(statement).encode(), parameters)
        except errors.UniqueViolation as error:
            raise RowTaken from error

    def executemany(self, statement: str, parameters: Sequence[Sequence[Any]]) -> psycopg.Cursor[Any]:
        """Run one statement for each row of parameters; raise as `execute`."""
        cursor = self.raw.cursor()
        try:
            cursor.executemany(translated(statement).encode(), parameters)
        except errors.UniqueViolation as error:
            raise RowTaken from error
        return cursor

    def hold(self, what: str) -> None:
        """Wait for a turn and hold it to the end of the transaction; for a read, one is begun."""
        if not self.is_in_transaction:
            self.raw.execute(b"BEGIN")
        self.raw.execute(b"SELECT pg_advisory_xact_lock(%s)", (advisory_key(what),))

    @property
    def is_in_transaction(self) -> bool:
        """Whether a transaction was begun, and is not over."""
        return self.raw.info.transaction_status is not pq.TransactionStatus.IDLE

    @property
    def is_open(self) -> bool:
        """Whether the connection is still there, as far as is known."""
        return not self.raw.closed


def connect(url: PostgresUrl, *, read_only: bool) -> PostgresConnection:
    """Return a new connection.

    Raises:
        psycopg.Error: there is none.
    """
    settings = {"lock_timeout": str(LOCK_TIMEOUT_MILLISECONDS), "default_transaction_isolation": "read\\ committed"}
    if read_only:
        settings["default_transaction_read_only"] = "on"
    parameters: dict[str, Any] = {
        "host": url.host,
        "port": url.port,
        "dbname": url.database,
        "user": url.user,
        "password": url.password,
        "client_encoding": "UTF8",
        "application_name": "ockam",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": SILENCE_MILLISECONDS // 2000,
        "keepalives_interval": SILENCE_MILLISECONDS // 8000,
        "keepalives_count": 4,
        "tcp_user_timeout": SILENCE_MILLISECONDS,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    raw: psycopg.Connection[Any] = psycopg.connect(autocommit=True, **(parameters | dict(url.parameters)))
    try:
        for setting in _SETTINGS:
            raw.execute(setting)
    except BaseException:
        raw.close()
        raise
    return PostgresConnection(raw)


def may_run_again(error: Exception) -> bool:
    """Tell whether a write failed only because of another one at the same time."""
    return isinstance(error, RowTaken | errors.SerializationFailure | errors.DeadlockDetected)


def storage_error(error: psycopg.Error | RowTaken, url: PostgresUrl) -> StorageError:
    """Return the error to raise for one of PostgreSQL: without its details, which may quote rows."""
    if isinstance(error, RowTaken):
        return StorageError("the database failed: a unique value is taken")
    state = error.sqlstate
    text = error.diag.message_primary
    if state is None:
        if _REFUSAL in str(error) and not _TEMPORARY.search(str(error)):
            return CannotOpenDatabase(f"the database server of {url} refuses: {_reason(error, url)}")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return DatabaseUnreachable(f"the database server of {url} cannot be reached: {_reason(error, url)}")
        return StorageError(f"the database failed: {text or _reason(error, url)}")
    if state in _BY_STATE:
        return _BY_STATE[state]()
    if state.startswith(_UNREACHABLE):
        return DatabaseUnreachable(f"the database server of {url} ended the connection: {text}")
    if state.startswith(_REFUSED):
        return CannotOpenDatabase(f"the database server of {url} refuses: {text}")
    return StorageError(f"the database failed: {text} (SQLSTATE {state})")


def _reason(error: psycopg.Error, url: PostgresUrl) -> str:
    lines = str(error).strip().splitlines()
    reason = lines[0] if lines else type(error).__name__
    # libpq does not quote passwords; should a version of it ever do, this does not pass it on.
    return reason.replace(url.password, "…") if url.password else reason
