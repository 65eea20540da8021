"""Where a PostgreSQL database is: `postgres://[user[:password]@]host[:port]/database[?sslmode=…]`.

Source:
    reference ockam_node/src/storage/database/database_configuration.rs (there the port must be given, and nothing may
    follow the name); parameters as libpq names them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, unquote

from ockam.errors import Misuse, Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMES", "PostgresUrl"]

SCHEMES: Final = ("postgres", "postgresql")
DEFAULT_PORT: Final = 5432
_PARAMETERS: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "application_name")
_FORM: Final = "postgres://user:password@host:port/database"


@dataclass(frozen=True, slots=True)
class PostgresUrl:
    """A parsed URL. Its text is without the password.

    Attributes:
        host: name or address; beginning with `/`, the directory of a Unix socket (in the URL `%2F`).
        parameters: further ones, for libpq.
    """

    host: str
    port: int
    database: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    parameters: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> PostgresUrl:
        """Return what a URL says.

        Raises:
            Misuse: it does not have the form. The message does not repeat it: there may be a password in it.
        """
        scheme, found, rest = text.partition("://")
        if not found or scheme not in SCHEMES:
            raise _bad(f"it has the form {_FORM}")
        rest, _, query = rest.partition("?")
        authority, found, database = rest.partition("/")
        if not found or not database or "/" in database:
            raise _bad(f"it ends in one name of a database: {_FORM}")
        if authority.count("@") > 1:
            raise _bad("write an @ in the user or the password as %40, a / as %2F")
        login, found, where = authority.rpartition("@")
        user, _, password = login.partition(":")
        host, port = _host_and_port(where)
        parameters = tuple(parse_qsl(query, keep_blank_values=True))
        for name, _ in parameters:
            if name not in _PARAMETERS:
                raise _bad(f"of parameters it may have {', '.join(_PARAMETERS)}")
        return cls(
            host,
            port,
            unquote(database),
            unquote(user) or None,
            unquote(password) or None,
            parameters,
        )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> PostgresUrl | None:
        """Return what the reference's variables say, None where there are none.

        OCKAM_DATABASE_CONNECTION_URL; or OCKAM_DATABASE_INSTANCE (`host:port/database`) with OCKAM_DATABASE_USER and
        OCKAM_DATABASE_PASSWORD, or with OCKAM_DATABASE_USERNAME_AND_PASSWORD, a JSON object of `username` and
        `password`.

        Raises:
            Misuse: they say nothing that can be used.
        """
        url = environment.get("OCKAM_DATABASE_CONNECTION_URL")
        if url:
            return cls.parse(url)
        instance = environment.get("OCKAM_DATABASE_INSTANCE")
        if not instance:
            return None
        both = environment.get("OCKAM_DATABASE_USERNAME_AND_PASSWORD")
        if both:
            try:
                read = json.loads(both)
                user, password = str(read["username"]), str(read["password"])
            except (ValueError, TypeError, KeyError):
                raise _bad('OCKAM_DATABASE_USERNAME_AND_PASSWORD is {"username": …, "password": …}') from None
        else:
            user = environment.get("OCKAM_DATABASE_USER", "")
            password = environment.get("OCKAM_DATABASE_PASSWORD", "")
        login = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user else ""
        return cls.parse(f"postgres://{login}{instance}")

    @property
    def with_password(self) -> str:
        """The whole URL, for a program that is told it in secret."""
        return self._text(f":{quote(self.password, safe='')}" if self.password else "")

    def __str__(self) -> str:
        return self._text("")

    def _text(self, password: str) -> str:
        login = f"{quote(self.user, safe='')}{password}@" if self.user else ""
        host = f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in self.parameters)
        return f"postgres://{login}{host}:{self.port}/{quote(self.database, safe='')}{'?' if query else ''}{query}"


def _host_and_port(text: str) -> tuple[str, int]:
    if text.startswith("["):
        host, found, port = text[1:].partition("]")
        if not found or (port and not port.startswith(":")):
            raise _bad("an IPv6 address stands in [ ]")
        port = port[1:]
    else:
        host, _, port = text.partition(":")
    host = unquote(host)
    if not host:
        raise _bad(f"it names a host: {_FORM}")
    if not port:
        return host, DEFAULT_PORT
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 0x10000):
        raise _bad("its port is a number from 1 to 65535")
    return host, int(port)


def _bad(why: str) -> Misuse:
    return Misuse(f"the URL of the database cannot be used: {why}", origin=Origin.NODE)
