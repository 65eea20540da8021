"""Libraries that know nothing of channels, through one: uvicorn and httpx, asyncpg and PostgreSQL.

Each is left out where its library, or PostgreSQL, is not installed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.asynchronous import asynchronous
from tests.portal.workers.talking import Pair, connected

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.storage.postgres.cluster import Cluster

pytestmark = pytest.mark.services


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on to the end."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            writer.write(data)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def local_port(pair: Pair) -> AsyncIterator[int]:
    """Yield a port of this machine that leads through the channel."""

    async def connected_locally(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await pair.client.open_stream(pair.route)
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(connected_locally, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


# ---- ASGI ------------------------------------------------------------------------------------------------------------


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the request's body, or its path."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    for start in range(0, len(body), 100_000):
        await send({"type": "http.response.body", "body": body[start : start + 100_000], "more_body": True})
    await send({"type": "http.response.body", "body": b"" if body else scope["path"].encode()})


def test_an_asgi_server_behind_a_channel() -> None:
    uvicorn = pytest.importorskip("uvicorn")
    httpx = pytest.importorskip("httpx")
    h11_impl = pytest.importorskip("uvicorn.protocols.http.h11_impl")
    server = pytest.importorskip("uvicorn.server")
    config = uvicorn.Config(application, log_config=None, lifespan="off")
    config.load()
    state = server.ServerState()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let uvicorn's own protocol take the transport over."""
        protocol = h11_impl.H11Protocol(config=config, server_state=state, app_state={})
        writer.transport.set_protocol(protocol)
        protocol.connection_made(writer.transport)

    @asynchronous
    async def main() -> None:
        async with connected(serve) as pair, local_port(pair) as port:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                answer = await client.get("/path")
                assert (answer.status_code, answer.text) == (200, "/path")
                body = os.urandom(3_000_000)
                answers = await asyncio.gather(*(client.post("/", content=body) for _ in range(5)))
                assert all(answer.content == body for answer in answers)
            while pair.stream_server.statistics()["streams"]:  # noqa: ASYNC110 - nothing tells when the last has ended
                await asyncio.sleep(0)

    main()


# ---- PostgreSQL ------------------------------------------------------------------------------------------------------


def test_a_database_behind_a_channel(cluster: Cluster) -> None:
    asyncpg = pytest.importorskip("asyncpg")
    url = cluster.new_database()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near_reader, near_writer = await asyncio.open_connection("127.0.0.1", cluster.port)
        await asyncio.gather(pump(reader, near_writer), pump(near_reader, writer))

    @asynchronous
    async def main() -> None:
        async with connected(serve) as pair, local_port(pair) as port:
            connection = await asyncpg.connect(
                host="127.0.0.1", port=port, user=url.user, password=url.password, database=url.database, ssl=False
            )
            await connection.execute("CREATE TABLE readings (id serial PRIMARY KEY, value bytea)")
            values = [os.urandom(100_000) for _ in range(20)]
            await connection.executemany("INSERT INTO readings (value) VALUES ($1)", [(value,) for value in values])
            rows = await connection.fetch("SELECT value FROM readings ORDER BY id")
            assert [row["value"] for row in rows] == values
            await connection.close()

    main()
