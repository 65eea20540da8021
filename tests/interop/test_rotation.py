"""Identities that are rotated while the other node runs: it takes the new history, and refuses the old one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam import Echoer, Node, OckamError, SecureChannelListenerOptions, SecureChannelOptions, TimedOut, route
from ockam.identity.change_history import Comparison
from tests.interop.nodes import ANY_PORT, reference_responder
from tests.known_identities import CLIENT

if TYPE_CHECKING:
    from ockam import Identifier
    from tests.interop.nodes import Responder
    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop


async def ask(node: Node, own: Identifier, bob: Responder, timeout: float = 10) -> None:
    connection = await (await node.create_tcp_transport()).connect(bob.address)
    channel = await node.create_secure_channel(own, route(connection, "bob_listener"), SecureChannelOptions(timeout=10))
    assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str, timeout=timeout) == "hi"


def test_the_reference_follows_our_rotation(reference: Reference) -> None:
    async def main() -> None:
        async with reference_responder(reference) as bob, Node() as node, Node() as before:
            for each in (node, before):
                assert await each.import_private_identity(CLIENT.history, CLIENT.secret) == CLIENT.identifier
            await ask(node, CLIENT.identifier, bob)
            await ask(before, CLIENT.identifier, bob)
            await node.rotate_identity(CLIENT.identifier)
            await ask(node, CLIENT.identifier, bob)
            # The reference says nothing about a refusal: the channel stays silent.
            with pytest.raises(TimedOut):
                await ask(before, CLIENT.identifier, bob, timeout=1)

    asyncio.run(main())


def test_we_follow_a_rotation_of_the_reference(extended: Reference) -> None:
    async def main() -> None:
        async with Node() as node:
            bob = await node.create_identity()
            listener = await (await node.create_tcp_transport()).listen(ANY_PORT)
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
            channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
            await node.start_worker("echoer", Echoer())
            node.flow_controls.add_consumer("echoer", channels.flow_control_id)
            arguments = (str(listener.socket_address), "echoer", "bob_listener")
            async with extended.start("secure-rotate", *arguments) as program:
                old = bytes.fromhex((await program.json())["history"])
                answer = await program.json()
                assert answer["replies"] == ["round 0", "round 1"]
                new = bytes.fromhex(answer["history"])
                assert await node.compare_identity(new) is Comparison.EQUAL
                assert await node.compare_identity(old) is Comparison.OLDER
                with pytest.raises(OckamError):
                    await node.import_identity(old)

    asyncio.run(main())
