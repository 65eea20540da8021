"""Nodes of ours, and their counterparts, as the tests need them: each yields where it can be reached."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ockam import (
    Echoer,
    Hop,
    Identifier,
    Node,
    Routed,
    SecureChannelListenerOptions,
    SecureChannelOptions,
    Worker,
    route,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam import Context
    from tests.interop.reference import Reference

__all__ = ["ANY_PORT", "ROUND_TRIPS", "Responder", "Sink", "ask", "our_responder", "reference_responder", "responder"]

ANY_PORT = "127.0.0.1:0"
ROUND_TRIPS = 200
"""Keys change every 32 messages: this many pass six changes each way."""


class Sink(Worker[str]):
    """Counts characters; replies with the total when it gets the word `total`."""

    def __init__(self) -> None:
        self.total = 0

    async def handle_message(self, ctx: Context, message: Routed[str]) -> None:
        if message.body != "total":
            self.total += len(message.body.encode())
            return
        total, self.total = self.total, 0
        await ctx.send(message.return_route, str(total))


@dataclass(frozen=True, slots=True)
class Responder:
    """Where a responder can be reached, and who it is."""

    address: str
    identifier: Identifier


@contextlib.asynccontextmanager
async def our_responder(**options: Any) -> AsyncIterator[Responder]:
    """Run what the reference peer's mode `responder` runs; `options` are further ones of its channel listener."""
    async with Node() as node:
        bob = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen(ANY_PORT)
        channels = await node.create_secure_channel_listener(
            bob, "bob_listener", SecureChannelListenerOptions(consumer_of=[listener.flow_control_id], **options)
        )
        for name, worker, consumed in (
            ("echoer", Echoer(), channels.flow_control_id),
            ("sink", Sink(), channels.flow_control_id),
            ("hop", Hop(), listener.flow_control_id),
            ("plain_echoer", Echoer(), listener.flow_control_id),
        ):
            await node.start_worker(name, worker)
            node.flow_controls.add_consumer(name, consumed)
        yield Responder(str(listener.socket_address), bob)


@contextlib.asynccontextmanager
async def reference_responder(reference: Reference) -> AsyncIterator[Responder]:
    """Run the reference peer in its mode `responder`."""
    async with reference.start("responder", ANY_PORT) as program:
        ready = await program.json()
        yield Responder(ready["ready"], Identifier.parse(ready["identifier"]))


def responder(side: str, reference: Reference) -> contextlib.AbstractAsyncContextManager[Responder]:
    """Run the responder of one side: `ours` or `reference`."""
    return our_responder() if side == "ours" else reference_responder(reference)


async def ask(
    connect: str, *hops: str, options: SecureChannelOptions | None = None, rounds: int = ROUND_TRIPS
) -> Identifier:
    """Open a channel to the listener behind `hops`, make round trips to its worker `echoer`, return who answered."""
    async with Node() as node:
        alice = await node.create_identity()
        tcp = await node.create_tcp_transport()
        connection = await tcp.connect(connect)
        channel = await node.create_secure_channel(
            alice, route(connection, *hops), options or SecureChannelOptions(timeout=10)
        )
        to_echoer = route(channel, "echoer")
        for i in range(rounds):
            body = f"Hello Ockam! {i}"
            assert await node.send_and_receive(to_echoer, body, reply=str, timeout=30) == body
        return channel.their_identifier
