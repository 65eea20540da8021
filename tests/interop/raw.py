"""A scripted peer: our protocol cores over a bare TCP connection, so that a test decides what is sent, and when."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from ockam.core import EMPTY_ROUTE, Route, decode_body, encode_body, route
from ockam.identity.identities import Identities
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import Accept, Completed, Initialize, Initiator, MessageReceived, SendMessage
from ockam.secure_channel.identity_payload import IdentityAndCredentials
from ockam.secure_channel.messages import Payload, decode_message, encode_payload
from ockam.storage.memory import create_memory_repositories
from ockam.transport.framing import decode_frame, encode_frame
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["RawChannel", "RawConnection"]

WAIT_SECONDS = 30.0


class RawConnection:
    """A TCP connection on which bytes are written as they are."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, address: str, version: bytes = b"\x01") -> AsyncIterator[RawConnection]:
        """Connect, and write `version`."""
        host, port = address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 24)
        try:
            writer.write(version)
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def write(self, data: bytes) -> None:
        """Write bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def read_version(self) -> int:
        """Return the byte that a peer sends first."""
        async with asyncio.timeout(WAIT_SECONDS):
            return (await self._reader.readexactly(1))[0]

    async def send(self, onward: Route, back: Route, payload: bytes) -> None:
        """Write one frame."""
        await self.write(encode_frame(onward, back, payload))

    async def receive(self) -> tuple[Route, Route, bytes]:
        """Return onward route, return route and payload of the next frame."""
        async with asyncio.timeout(WAIT_SECONDS):
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            data = await self._reader.readexactly(size)
        onward, back, start, stop = decode_frame(data, 0, size)
        return onward, back, data[start:stop]

    async def is_closed(self) -> bool:
        """Wait until the peer closes the connection; False if it says something instead, or nothing at all."""
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                return await self._reader.read(1) == b""
        except TimeoutError:
            return False
        except ConnectionError:
            return True

    async def echo(self, body: str, *hops: str) -> str:
        """Send a text to an echoing worker and return its next answer, whatever it answers to."""
        await self.send(route(*hops), route("raw"), bytes(encode_body(body)))
        onward, _, payload = await self.receive()
        assert onward == route("raw")
        return decode_body(payload, str)


class RawChannel:
    """A secure channel over a raw connection, opened by us; frames are made and sent one by one."""

    def __init__(self, connection: RawConnection, remote: Route, encryptor: Encryptor, decryptor: Decryptor) -> None:
        self._connection = connection
        self._remote = remote
        self._encryptor = encryptor
        self._decryptor = decryptor

    @classmethod
    async def open(cls, connection: RawConnection, listener: str = "bob_listener") -> RawChannel:
        """Do the handshake; what the peer says about itself is not checked here."""
        vault = create_software_vault()
        identities = Identities(vault, create_memory_repositories(), lambda: int(time.time()))
        alice = await identities.create_identity()
        purpose_key = await identities.secure_channel_purpose_key(alice)
        history = (await identities.identity(alice)).change_history
        payload = IdentityAndCredentials(history, purpose_key.attestation).encode()
        initiator = Initiator(purpose_key.key, vault.secure_channel.generate_ephemeral_x25519_key)
        own = route("decryptor")
        (first,) = initiator.on_event(Initialize())
        assert isinstance(first, SendMessage)
        await connection.send(route(listener), own, first.data)
        _, remote, message_2 = await connection.receive()
        initiator.on_event(MessageReceived(message_2))
        third, completed = initiator.on_event(Accept(payload))
        assert isinstance(third, SendMessage)
        assert isinstance(completed, Completed)
        await connection.send(remote, own, third.data)
        keys = completed.keys
        return cls(connection, remote, Encryptor(keys.encrypt_key), Decryptor(keys.decrypt_key))

    def seal(self, body: str, worker: str = "echoer") -> bytes:
        """Return the next frame of the channel, a text for a worker."""
        return self._encryptor.seal(encode_payload(route(worker), route("asker"), bytes(encode_body(body))))

    async def send(self, frame: bytes) -> None:
        """Send bytes to the other end's decryptor."""
        await self._connection.send(self._remote, EMPTY_ROUTE, frame)

    async def receive(self) -> str:
        """Return the text of the next message from the channel."""
        _, _, frame = await self._connection.receive()
        _, plaintext = self._decryptor.open(frame)
        message = decode_message(plaintext)
        assert isinstance(message, Payload)
        return decode_body(message.payload, str)

    async def answers_until(self, last: str) -> list[str]:
        """Return the texts that come up to and including `last`."""
        answers: list[str] = []
        while not answers or answers[-1] != last:
            answers.append(await self.receive())
        return answers
