"""A private PostgreSQL server from Debian's binaries, for one run of the tests."""

from __future__ import annotations

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import psycopg

from ockam.storage.postgres.database import PostgresDatabase
from ockam.storage.postgres.url import PostgresUrl

USER, PASSWORD = "ockam", "p@ss word/%"
# The server refuses root.
UNPRIVILEGED = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups")


def binaries() -> Path | None:
    """Return the folder of `initdb`, of the newest version that is installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).parent


class Cluster:
    """A running server: on a loopback port and on a Unix socket, with fsync and passwords, as it should be."""

    def __init__(self, binaries: Path) -> None:
        self.binaries = binaries
        self.folder = Path(tempfile.mkdtemp(prefix="ockam-pg-", dir="/tmp"))
        self._prefix: tuple[str, ...] = ()
        if os.geteuid() == 0:
            self._prefix = UNPRIVILEGED
            shutil.chown(self.folder, "nobody", "nogroup")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._numbers = itertools.count()
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)  # in a folder of mode 0700
        self._call(
            *("initdb", "-D", str(self.folder / "data"), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"),
            *("-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"),
        )
        self.start()
        self.execute("CREATE DATABASE migrated")
        PostgresDatabase(self.url("migrated")).close()

    def url(self, database: str = "postgres", user: str = USER, password: str = PASSWORD) -> PostgresUrl:
        return PostgresUrl("127.0.0.1", self.port, database, user, password)

    def new_database(self, template: str = "migrated") -> PostgresUrl:
        """Create a database: with the schema of this version, or with `template0` without one."""
        name = f"test_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement, as the owner of everything."""
        with psycopg.connect(self.url(database).with_password, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c max_connections=60"
        self._pg_ctl("start", "-w", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "fast") -> None:
        """Stop the server: `fast` ends all sessions, `immediate` is a crash."""
        self._pg_ctl("stop", "-w", "-m", mode)

    def remove(self) -> None:
        """Stop the server and delete everything."""
        self._call("pg_ctl", "-D", str(self.folder / "data"), "stop", "-w", "-m", "immediate", check=False)
        shutil.rmtree(self.folder)

    def tool(self, *command: str, **environment: str) -> None:
        """Run a command that uses PostgreSQL's programs, as a user would."""
        path = f"{self.binaries}:{os.environ.get('PATH', '')}"
        done = subprocess.run(command, capture_output=True, check=False, env=os.environ | environment | {"PATH": path})
        assert done.returncode == 0, done.stderr.decode()

    def log(self) -> str:
        """Return the server's log."""
        return (self.folder / "log").read_text()

    def _pg_ctl(self, *arguments: str) -> None:
        self._call("pg_ctl", "-D", str(self.folder / "data"), *arguments)

    def _call(self, program: str, *arguments: str, check: bool = True) -> None:
        # Not through pipes: the server would keep them open.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [*self._prefix, str(self.binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                cwd="/",
            )
            output.seek(0)
            assert not check or done.returncode == 0, output.read().decode()
