from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ockam.core.address import Address
from ockam.core.route import route
from ockam.errors import AlreadyExists, Misuse, NotFound, OckamError, Origin, TimedOut
from ockam.identity.identifier import Identifier
from ockam.node import Node
from ockam.runtime import Echoer, Processor
from ockam.secure_channel import TrustIdentifiers
from ockam.secure_channel.errors import SecureChannelTrustCheckFailed
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.storage.errors import HomeInUse, StorageError
from ockam.storage.memory import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.transport.errors import InvalidSocketAddress, PeerNotFound
from ockam.vault.interfaces import SigningKeyType
from ockam.vault.software import create_software_vault
from tests.asynchronous import asynchronous, settle, until
from tests.secure_channel.workers.scripted import listening

if TYPE_CHECKING:
    from ockam.runtime.context import Context

# ---- home ------------------------------------------------------------------------------------------------------------


def test_identities_and_keys_survive_a_restart(tmp_path: Path) -> None:
    @asynchronous
    async def first() -> None:
        async with Node(home=tmp_path) as node:
            assert node.home is not None
            alice = await node.create_identity("alice")
            other = await node.create_identity("p256", key_type=SigningKeyType.ECDSA_P256)
            key = await node.identities.secure_channel_purpose_key(alice)
            results.append((alice, other, key.attestation, await node.export_identity(alice)))
            with pytest.raises(AlreadyExists):
                await node.create_identity("alice")
        assert node.home is None

    results: list[tuple[Identifier, Identifier, object, bytes]] = []
    first()
    ((alice, other, attestation, history),) = results

    @asynchronous
    async def second() -> None:
        async with listening() as here, Node(home=str(tmp_path), clock=here.clock) as node:
            assert await node.identity_named("alice") == alice
            assert await node.ensure_identity("alice") == alice
            assert await node.identity_named("p256") == other
            assert await node.identity_named("nobody") is None
            assert await node.ensure_identity("new") not in (alice, other)
            assert await node.export_identity(alice) == history
        async with listening(Node()) as here, Node(home=tmp_path) as node:
            key = await node.identities.secure_channel_purpose_key(alice)
            assert key.attestation == attestation
            channel = await node.create_secure_channel(alice, route(f"1#{here.address}", "listener"))
            assert await node.send_and_receive(route(channel, "echoer"), "again", reply=str) == "again"
            (theirs,) = here.node.secure_channels.channels
            assert theirs.their_identifier == alice

    second()


def test_a_home_is_for_one_process(tmp_path: Path) -> None:
    @asynchronous
    async def check() -> None:
        async with Node(home=tmp_path):
            with pytest.raises(HomeInUse, match=str(os.getpid())):
                await Node(home=tmp_path).start()
            program = (
                "import asyncio, sys\nfrom ockam import Node\n"
                "try:\n asyncio.run(Node(home=sys.argv[1]).start())\n"
                "except Exception as error: print(type(error).__name__)"
            )
            result = await asyncio.to_thread(
                subprocess.run,
                [sys.executable, "-c", program, str(tmp_path)],
                capture_output=True,
                text=True,
                timeout=30,
            )
            assert (result.stdout, result.stderr) == ("HomeInUse\n", "")
        async with Node(home=tmp_path):
            pass  # given back

    check()


def test_a_home_that_cannot_be(tmp_path: Path) -> None:
    @asynchronous
    async def check() -> None:
        file = tmp_path / "file"
        file.write_text("no directory")
        node = Node(home=file)
        with pytest.raises(StorageError):
            await node.start()
        await node.shutdown()

    check()


def test_a_home_is_given_back_if_the_start_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @asynchronous
    async def check() -> None:
        def fail(*_: object) -> None:
            raise ValueError("a defect")

        with monkeypatch.context() as patch:
            patch.setattr("ockam.node.parts.create_sqlite_repositories", fail)
            with pytest.raises(ValueError, match="a defect"):
                await Node(home=tmp_path).start()
        async with Node(home=tmp_path):
            pass

    check()


@asynchronous
async def test_in_memory_by_default() -> None:
    before = set(Path.cwd().iterdir())
    async with Node() as node:
        await node.create_identity("alice")
        assert node.home is None
    async with Node() as node:
        assert await node.identity_named("alice") is None
    assert set(Path.cwd().iterdir()) == before


@asynchronous
async def test_parts_of_ones_own() -> None:
    storage, vault, clock, random = (
        create_memory_repositories(),
        create_software_vault(None, FixedRandom("vault")),
        FixedClock(),
        FixedRandom("node"),
    )
    async with Node(storage=storage, vault=vault, clock=clock, random=random) as node:
        alice = await node.create_identity()
        assert (node.clock(), node.random) == (clock(), random)
        assert node.identities.vault is vault
    async with Node(storage=storage, vault=vault, clock=clock) as node:
        assert await node.export_identity(alice)


# ---- identities and credentials --------------------------------------------------------------------------------------


@asynchronous
async def test_verifying_and_issuing() -> None:
    async with Node() as issuer_node, Node() as node:
        issuer, subject = await issuer_node.create_identity(), await node.create_identity()
        with pytest.raises(NotFound):
            await issuer_node.issue_credential(issuer, subject, {"role": "member"})
        assert await issuer_node.import_identity(await node.export_identity(subject), subject) == subject
        credential = await issuer_node.issue_credential(issuer, subject, {"role": "member"}, ttl_seconds=60)
        with pytest.raises(NotFound):
            await node.verify_credential(credential, subject, [issuer])
        await node.import_identity(await issuer_node.export_identity(issuer))
        verified = await node.verify_credential(credential, subject, [issuer])
        assert (verified.issuer, verified.subject, verified.attributes) == (issuer, subject, {"role": "member"})
        for wrong_subject, authorities in ((issuer, [issuer]), (subject, [subject]), (subject, [])):
            with pytest.raises(OckamError):
                await node.verify_credential(credential, wrong_subject, authorities)
        with pytest.raises(OckamError):
            await node.verify_credential(credential[:-1], subject, [issuer])
        with pytest.raises(OckamError):
            await node.import_identity(await issuer_node.export_identity(issuer), subject)
        key = await node.identities.secure_channel_purpose_key(subject)
        data = await issuer_node.verify_purpose_key_attestation(key.attestation.encode(), subject)
        assert data == key.data
        with pytest.raises(OckamError):
            await issuer_node.verify_purpose_key_attestation(key.attestation.encode(), issuer)


# ---- misuse ----------------------------------------------------------------------------------------------------------


@asynchronous
async def test_misuse() -> None:
    with pytest.raises(Misuse, match="not both"):
        Node(home="somewhere", storage=create_memory_repositories())
    node = Node()
    await node.shutdown()  # nothing to do
    for attribute in ("runtime", "identities", "context", "flow_controls", "secure_channels", "channel_services"):
        with pytest.raises(Misuse, match="not started") as error:
            getattr(node, attribute)
        assert error.value.origin is Origin.NODE
    with pytest.raises(Misuse, match="not started"):
        await node.create_identity()
    await node.start()
    with pytest.raises(Misuse, match="started already"):
        await node.start()
    alice = await node.create_identity()
    stranger = Identifier(bytes(32))
    for attempt in (
        node.create_secure_channel_listener(stranger, "listener"),
        node.create_secure_channel(stranger, "nobody"),
        node.create_secure_channel(alice, route()),
        node.create_secure_channel(alice, "nobody", SecureChannelOptions(credential=b"none")),
        node.create_secure_channel_listener(alice, "app"),
        node.create_secure_channel_listener(alice, "l", SecureChannelListenerOptions(credential=b"none")),
        node.create_secure_channel(alice, "1#no port"),
        node.create_relay(route()),
        node.stop_address("nobody"),
        node.export_identity(stranger),
    ):
        with pytest.raises(OckamError):
            await attempt
    await settle()
    assert node.statistics() == {"workers": 1, "addresses": 1, "tasks": 0, "secure_channels": 0}
    waiting = asyncio.create_task(node.wait_stopped())
    await node.shutdown()
    await waiting
    await node.shutdown()
    with pytest.raises(Misuse):
        await node.start()


@asynchronous
async def test_a_shutdown_that_is_cancelled_still_ends() -> None:
    node = Node()
    await node.start()
    stopping = asyncio.create_task(node.shutdown())
    await asyncio.sleep(0)
    stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)
    await node.wait_stopped()


# ---- connecting by route ---------------------------------------------------------------------------------------------


@asynchronous
async def test_a_tcp_address_in_a_route_is_connected_to() -> None:
    async with listening() as here, Node(clock=here.clock) as node:
        alice = await node.create_identity()
        tcp = await node.create_tcp_transport()
        there = f"1#{here.address}"
        channel = await node.create_secure_channel(alice, route(there, "listener"))
        (connection,) = tcp.connections
        assert channel.remote_route.next == connection.address
        # Whoever fails does not leave a connection behind, nor touches those of others.
        with pytest.raises(SecureChannelTrustCheckFailed):
            await node.create_secure_channel(
                alice, route(there, "listener"), SecureChannelOptions(TrustIdentifiers([]))
            )
        with pytest.raises(TimedOut):
            await node.create_secure_channel(alice, route(there, "nobody"), SecureChannelOptions(timeout=0.02))
        with pytest.raises(PeerNotFound):
            await node.create_secure_channel(alice, route("1#127.0.0.1:1", "listener"))
        with pytest.raises(InvalidSocketAddress):
            await node.create_secure_channel(alice, route("1#nonsense", "listener"))
        with pytest.raises(Misuse, match="only one transport hop"):
            await node.create_secure_channel(alice, route(there, there, "listener"))
        with pytest.raises(TimedOut):
            await node.create_secure_channel(alice, route(connection, "nobody"), SecureChannelOptions(timeout=0.02))
        assert tcp.connections == (connection,)
        assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str) == "hi"
        await until(lambda: len(here.node._parts.tcp().connections) == 1)


# ---- what it passes on to its context --------------------------------------------------------------------------------


class Ticking(Processor):
    def __init__(self) -> None:
        self.rounds = 0

    async def process(self, ctx: Context) -> bool:
        self.rounds += 1
        return True


@asynchronous
async def test_messages_and_workers() -> None:
    async with Node() as node:
        await node.start_worker("echoer", Echoer(), shutdown_priority=5)
        assert await node.send_and_receive("echoer", "x", reply=str) == "x"
        await node.send("app", "to myself")
        assert (await node.receive(str)).body == "to myself"
        event = node.delayed_event("app", b"later")
        event.schedule(0)
        assert (await node.receive()).body == b"later"
        ticking = Ticking()
        await node.start_processor("ticking", ticking)
        await until(lambda: ticking.rounds > 3)
        detached = node.new_detached("detached")
        assert node.list_workers() == [Address.local(name) for name in ("app", "echoer", "ticking", "detached")]
        await detached.stop()
        await node.stop_address("echoer")
