"""PostgreSQL in place of SQLite: `ockam[postgres]`.

The repositories are those of `ockam.storage.sqlite`: their SQL is what both databases speak (`ockam.storage.sql`).
Here is what differs: `url.py` says where the database is, `schema.py` turns migrations into PostgreSQL's,
`connection.py` turns statements and errors, `database.py` has the connections. The driver is psycopg 3: a repository's
write is a plain function of a connection, which psycopg runs as it is; asyncpg would need every one of them a second
time, with awaits.

Only `url` may be imported without the extra; `ockam.storage.opening` says what to install.
"""
