"""Key-exchange-only channels with the reference on either side: each encrypts what the other decrypts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from ockam import Identifier, Node, PeerError, SecureChannelListenerOptions, SecureChannelOptions, route
from tests.asynchronous import until
from tests.interop.nodes import ANY_PORT

if TYPE_CHECKING:
    from pathlib import Path

    from ockam import SecureChannel
    from tests.interop.reference import Reference
    from tests.program import Program

pytestmark = pytest.mark.interop


async def ask(program: Program, what: str, data: bytes) -> bytes | None:
    await program.write(f"{what} {data.hex()}")
    result = (await program.json())["result"]
    return None if result is None else bytes.fromhex(result)


async def exchange(program: Program, channel: SecureChannel) -> None:
    """Past where keys would be renewed; in any order, and any number of times."""
    frames = []
    for number in range(40):
        body = b"to the reference %d" % number
        assert await ask(program, "decrypt", channel.encrypt(body)) == body
        body = b"to us %d" % number
        frame = await ask(program, "encrypt", body)
        assert frame is not None
        frames.append((frame, body))
    for frame, body in reversed(frames):
        assert channel.decrypt(frame) == body
    frame, body = frames[0]
    assert channel.decrypt(frame) == body
    with pytest.raises(PeerError):
        channel.decrypt(frame[:-1] + bytes((frame[-1] ^ 1,)))
    frame = channel.encrypt(b"forged")
    assert await ask(program, "decrypt", frame[:-1] + bytes((frame[-1] ^ 1,))) is None


def test_the_reference_responds(extended: Reference) -> None:
    async def main() -> None:
        async with Node() as node, extended.start("key-exchange-responder", ANY_PORT) as program:
            ready = await program.json()
            alice = await node.create_identity()
            connection = await (await node.create_tcp_transport()).connect(ready["ready"])
            options = SecureChannelOptions(key_exchange_only=True, persist=True, timeout=10)
            channel = await node.create_secure_channel(alice, route(connection, "key_exchanger"), options)
            assert channel.their_identifier == Identifier.parse(ready["identifier"])
            assert (await program.json())["their_identifier"] == str(alice)
            await exchange(program, channel)

    asyncio.run(main())


def test_what_the_reference_encrypts_is_decrypted_after_a_restart(extended: Reference, tmp_path: Path) -> None:
    async def main() -> None:
        async with extended.start("key-exchange-responder", ANY_PORT) as program:
            ready = await program.json()
            async with Node(home=tmp_path) as node:
                alice = await node.create_identity()
                connection = await (await node.create_tcp_transport()).connect(ready["ready"])
                options = SecureChannelOptions(key_exchange_only=True, persist=True, timeout=10)
                channel = await node.create_secure_channel(alice, route(connection, "key_exchanger"), options)
                await program.json()
                before = await ask(program, "encrypt", b"before")
            async with Node(home=tmp_path) as node:
                decryptor = await node.start_persisted_secure_channel_decryptor(channel.decryptor_address)
                after = await ask(program, "encrypt", b"after")
                assert before is not None
                assert after is not None
                assert (decryptor.decrypt(before), decryptor.decrypt(after)) == (b"before", b"after")

    asyncio.run(main())


def test_the_reference_initiates(extended: Reference) -> None:
    async def main() -> None:
        async with Node() as node:
            bob = await node.create_identity()
            listener = await (await node.create_tcp_transport()).listen(ANY_PORT)
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id], key_exchange_only=True)
            await node.create_secure_channel_listener(bob, "key_exchanger", options)
            async with extended.start("key-exchange-initiator", str(listener.socket_address)) as program:
                assert (await program.json())["their_identifier"] == str(bob)
                await until(lambda: node.secure_channels.channels)
                (channel,) = node.secure_channels.channels
                await exchange(program, channel)

    asyncio.run(main())
