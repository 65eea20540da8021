"""URLs of PostgreSQL: what they say, what they refuse, and that they tell nobody the password."""

from __future__ import annotations

import json
import sys

import pytest

from ockam import Node
from ockam.enrollment.workers.service import EnrollmentServiceOptions
from ockam.errors import Misuse
from ockam.storage.opening import is_postgres, open_database
from ockam.storage.postgres.schema import statements_of
from ockam.storage.postgres.url import PostgresUrl
from ockam.storage.sql import upsert
from tests.asynchronous import asynchronous


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("postgres://u:p@h:6000/db", PostgresUrl("h", 6000, "db", "u", "p")),
        ("postgresql://h/db", PostgresUrl("h", 5432, "db")),
        ("postgres://u%40x:p%2F%3A%25@h/d%20b", PostgresUrl("h", 5432, "d b", "u@x", "p/:%")),
        ("postgres://[::1]:6000/db", PostgresUrl("::1", 6000, "db")),
        ("postgres://u@%2Fsockets%2FX/db", PostgresUrl("/sockets/X", 5432, "db", "u")),
        ("postgres://h/db?sslmode=verify-full", PostgresUrl("h", 5432, "db", parameters=(("sslmode", "verify-full"),))),
    ],
)
def test_forms(text: str, url: PostgresUrl) -> None:
    assert PostgresUrl.parse(text) == url
    assert PostgresUrl.parse(url.with_password) == url
    assert is_postgres(text)
    assert is_postgres(url)


@pytest.mark.parametrize(
    "text",
    [
        "mysql://secret@h/db",
        "postgres:secret",
        "postgres://u:secret@h",
        "postgres://u:secret@h/",
        "postgres://u:secret@h/a/b",
        "postgres://u:sec@ret@h/db",
        "postgres://u:secret@h:secret/db",
        "postgres://u:secret@h:0/db",
        "postgres://u:secret@h:65536/db",
        "postgres://u:secret@/db",
        "postgres://u:secret@[::1/db",
        "postgres://u:secret@[::1]secret/db",
        "postgres://u:secret@h/db?passfile=secret",
    ],
)
def test_what_is_refused_is_not_repeated(text: str) -> None:
    with pytest.raises(Misuse) as caught:
        PostgresUrl.parse(text)
    assert "secret" not in str(caught.value)


def test_nobody_is_told_the_password() -> None:
    url = PostgresUrl.parse("postgres://user:secret@h/db")
    options = EnrollmentServiceOptions(database=url.with_password)
    assert "secret" not in f"{url} {url!r} {options!r}"
    assert str(url) == "postgres://user@h:5432/db"


def test_the_references_variables() -> None:
    read = PostgresUrl.from_environment
    assert read({}) is None
    url = PostgresUrl("h", 6000, "db", "u", "p@/")
    instance = {"OCKAM_DATABASE_INSTANCE": "h:6000/db"}
    assert read(instance) == PostgresUrl("h", 6000, "db")
    assert read({"OCKAM_DATABASE_CONNECTION_URL": "postgres://u:p%40%2F@h:6000/db"}) == url
    assert read(instance | {"OCKAM_DATABASE_USER": "u", "OCKAM_DATABASE_PASSWORD": "p@/"}) == url
    both = json.dumps({"username": "u", "password": "p@/"})
    assert read(instance | {"OCKAM_DATABASE_USERNAME_AND_PASSWORD": both}) == url
    for bad in ("secret", "[]", '{"username": "secret"}'):
        with pytest.raises(Misuse) as caught:
            read(instance | {"OCKAM_DATABASE_USERNAME_AND_PASSWORD": bad})
        assert "secret" not in str(caught.value)


@asynchronous
async def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ockam.storage.postgres.database", raising=False)
    monkeypatch.delitem(sys.modules, "ockam.storage.postgres.connection", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(Misuse, match=r"install ockam\[postgres\]"):
        await Node(database="postgres://h/db").start()


def test_other_databases() -> None:
    with pytest.raises(Misuse, match="mysql: there is no database of this kind"):
        open_database("mysql://h/db")
    with pytest.raises(Misuse, match="not both"):
        Node(home="somewhere", database="postgres://h/db")


def test_one_statement_for_both() -> None:
    from ockam.storage.migrations import MIGRATIONS

    statement = upsert("t", "a, b /*pg , c */", "a", "b", "c", "d")
    assert statement.endswith("ON CONFLICT (a, b /*pg , c */) DO UPDATE SET d = excluded.d")
    translated = [statement for migration in MIGRATIONS for statement in statements_of(migration)]
    assert not any(word in statement for statement in translated for word in ("BLOB", "INTEGER", "AUTOINCREMENT"))
