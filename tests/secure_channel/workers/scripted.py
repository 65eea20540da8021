"""Nodes with a channel listener, and scripted peers on the pure core that say of themselves whatever a test wants."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from ockam.core.message import LocalMessage
from ockam.core.route import Route, route
from ockam.node import Node
from ockam.runtime import Echoer, Hop
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import (
    Accept,
    Completed,
    Initialize,
    Initiator,
    MessageReceived,
    Responder,
    SendMessage,
    TransportKeys,
)
from ockam.secure_channel.identity_payload import IdentityAndCredentials
from ockam.secure_channel.options import SecureChannelListenerOptions
from ockam.testing import FixedClock
from tests.identity.world import T0, World
from tests.interop.raw import RawChannel, RawConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from ockam.identity import CredentialAndPurposeKey, Identifier, PurposeKeyAttestation, PurposeKeyAttestationData
    from ockam.identity.change_history import ChangeHistory
    from ockam.secure_channel.workers.listener import SecureChannelListener
    from ockam.transport.tcp import TcpListener
    from ockam.vault.interfaces import DiffieHellmanKey

__all__ = ["Failures", "Listening", "Script", "initiate", "listening", "message_1", "respond"]

OWN = route("decryptor")


class Failures(logging.Handler):
    """Keeps what secure channels log while it is entered."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def has(self, text: str) -> bool:
        return any(text in record.getMessage() for record in self.records)

    def errors(self, text: str) -> list[object]:
        """Return the errors that messages with `text` name."""
        return [record.args[-1] for record in self.records if text in record.msg and isinstance(record.args, tuple)]

    def __enter__(self) -> Self:
        logger = logging.getLogger("ockam.secure_channel")
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        logger = logging.getLogger("ockam.secure_channel")
        logger.removeHandler(self)
        logger.setLevel(self._level)


@dataclass
class Listening:
    """A node that listens for channels over TCP."""

    node: Node
    clock: FixedClock
    identifier: Identifier
    tcp: TcpListener
    channels: SecureChannelListener

    @property
    def address(self) -> str:
        return self.tcp.socket_address

    def counts(self) -> tuple[int, int, int]:
        """What would grow if something was left behind; connections apart."""
        now = self.node.statistics()
        connections = len(self.node._parts.tcp().connections)
        return now["workers"] - connections, now["addresses"] - 2 * connections, now["secure_channels"]


@asynccontextmanager
async def listening(node: Node | None = None, **options: Any) -> AsyncIterator[Listening]:
    """Run a node with a listener `listener`, an echoer behind it, and a hop in front of it."""
    clock = FixedClock(T0)
    async with node or Node(clock=clock) as node:
        bob = await node.create_identity()
        transport = await node.create_tcp_transport()
        tcp = await transport.listen("127.0.0.1:0")
        channels = await node.create_secure_channel_listener(
            bob, "listener", SecureChannelListenerOptions(consumer_of=[tcp.flow_control_id], **options)
        )
        await node.start_worker("echoer", Echoer())
        await node.start_worker("private", Echoer())
        await node.start_worker("hop", Hop())
        node.flow_controls.add_consumer("echoer", channels.flow_control_id)
        node.flow_controls.add_consumer("hop", tcp.flow_control_id)
        yield Listening(node, clock, bob, tcp, channels)


@dataclass
class Script:
    """What a scripted peer says about itself."""

    world: World
    identifier: Identifier
    key: DiffieHellmanKey
    data: PurposeKeyAttestationData
    history: ChangeHistory
    attestation: PurposeKeyAttestation
    credentials: tuple[CredentialAndPurposeKey, ...] = ()
    raw: bytes | None = None

    @classmethod
    async def make(cls, seed: str = "peer") -> Script:
        """Return an honest one."""
        world = World(seed)
        return await cls.of(world, await world.identities.create_identity())

    @classmethod
    async def of(cls, world: World, identifier: Identifier) -> Script:
        key = await world.identities.secure_channel_purpose_key(identifier)
        identity = await world.identities.identity(identifier)
        return cls(world, identifier, key.key, key.data, identity.change_history, key.attestation)

    async def attest(self, *, version: int = 1, data_type: int = 2, **changes: Any) -> None:
        """Make another attestation, signed as it should be, with these fields."""
        data = replace(self.data, **changes)
        signer = await self.world.primary_key(self.identifier)
        self.attestation = await self.world.forge_attestation(data, version, data_type, signer)

    def payload(self) -> bytes:
        if self.raw is not None:
            return self.raw
        return IdentityAndCredentials(self.history, self.attestation, self.credentials).encode()

    def ephemeral(self) -> DiffieHellmanKey:
        return self.world.vault.secure_channel.generate_ephemeral_x25519_key()

    def initiator(self) -> Initiator:
        return Initiator(self.key, self.ephemeral)

    def responder(self) -> Responder:
        responder = Responder(self.key, self.ephemeral)
        responder.on_event(Initialize())
        return responder


def message_1(core: Initiator) -> bytes:
    (action,) = core.on_event(Initialize())
    assert isinstance(action, SendMessage)
    return action.data


def message_3(core: Initiator, message_2: bytes, payload: bytes) -> tuple[bytes, TransportKeys]:
    core.on_event(MessageReceived(message_2))
    third, completed = core.on_event(Accept(payload))
    assert isinstance(third, SendMessage)
    assert isinstance(completed, Completed)
    return third.data, completed.keys


def message_2(core: Responder, message_1: bytes, payload: bytes) -> bytes:
    core.on_event(MessageReceived(message_1))
    (action,) = core.on_event(Accept(payload))
    assert isinstance(action, SendMessage)
    return action.data


def take_message_3(core: Responder, message_3: bytes) -> TransportKeys:
    core.on_event(MessageReceived(message_3))
    (completed,) = core.on_event(Accept())
    assert isinstance(completed, Completed)
    return completed.keys


async def initiate(connection: RawConnection, script: Script, own: Route = OWN, *hops: str) -> RawChannel:
    """Open a channel to the listener of a node; what that says about itself is not checked."""
    core = script.initiator()
    await connection.send(route(*hops, "listener"), own, message_1(core))
    _, remote, second = await connection.receive()
    third, keys = message_3(core, second, script.payload())
    await connection.send(remote, own, third)
    return RawChannel(connection, remote, Encryptor(keys.encrypt_key), Decryptor(keys.decrypt_key))


async def respond(connection: RawConnection, script: Script) -> RawChannel:
    """Answer the next handshake that a node begins over this connection, to its end."""
    core = script.responder()
    onward, back, first = await connection.receive()
    assert onward == route("listener")
    await connection.send(back, OWN, message_2(core, first, script.payload()))
    onward, _, third = await connection.receive()
    assert onward == OWN
    keys = take_message_3(core, third)
    return RawChannel(connection, back, Encryptor(keys.encrypt_key), Decryptor(keys.decrypt_key))


def local(onward: Route, back: Route, payload: bytes) -> LocalMessage:
    return LocalMessage(onward, back, payload)
