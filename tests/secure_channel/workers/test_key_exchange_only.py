"""Key-exchange-only channels, the API addresses, and what of them survives a restart."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ockam.core.route import route
from ockam.errors import Misuse, OckamError, PeerError
from ockam.node import Node
from ockam.runtime import UnknownAddress
from ockam.runtime.errors import AddressInUse
from ockam.secure_channel.api_messages import ApiResponse
from ockam.secure_channel.errors import (
    InvalidNonce,
    NonceOverflow,
    PersistentSecureChannelNotFound,
    PersistentSupportIsLimited,
    UnknownChannelMsgDestination,
)
from ockam.secure_channel.noise import Role
from ockam.secure_channel.noise.suite import MAX_NONCE
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.storage.errors import StorageError
from ockam.testing import FixedClock
from tests.asynchronous import asynchronous, settle, until
from tests.identity.world import T0
from tests.secure_channel.workers.scripted import Failures, Listening, listening

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from ockam.core.address import Address
    from ockam.secure_channel.repository import PersistedSecureChannel
    from ockam.secure_channel.workers.channel import SecureChannel


@asynccontextmanager
async def pair(
    *, ours: Node | None = None, theirs: Node | None = None, **options: Any
) -> AsyncIterator[tuple[Node, SecureChannel, SecureChannel, Listening]]:
    """Both ends of a channel between two nodes."""
    clock = FixedClock(T0)
    async with listening(theirs or Node(clock=clock), **options) as here, ours or Node(clock=clock) as node:
        alice = await node.create_identity()
        connection = await (await node.create_tcp_transport()).connect(here.address)
        channel = await node.create_secure_channel(
            alice, route(connection, "listener"), SecureChannelOptions(**options)
        )
        await until(lambda: here.node.secure_channels.channels)
        (other,) = here.node.secure_channels.channels
        yield node, channel, other, here


@asynchronous
async def test_each_end_decrypts_what_the_other_encrypts() -> None:
    async with pair(key_exchange_only=True) as (_, channel, other, here):
        assert channel.is_key_exchange_only
        assert other.is_key_exchange_only
        assert here.channels.is_key_exchange_only
        frames = [channel.encrypt(b"%d" % number) for number in range(100)]
        # Any order, any distance, any number of times: the carrier has to see to that.
        for _ in range(2):
            for number, frame in reversed(list(enumerate(frames))):
                assert other.decrypt(frame) == b"%d" % number
        assert channel.decrypt(other.encrypt(b"back")) == b"back"
        with pytest.raises(PeerError):
            channel.decrypt(frames[0])
        with pytest.raises(InvalidNonce):
            channel.decrypt(b"short")


@asynchronous
async def test_nothing_is_rekeyed() -> None:
    async with pair(key_exchange_only=True) as (_, channel, _, _):
        keys = set()
        for _ in range(70):
            channel.encrypt(b"")
            assert channel._encryptor is not None
            keys.add(id(channel._encryptor._aead))
        assert len(keys) == 1


@asynchronous
async def test_it_takes_no_messages() -> None:
    async with pair(key_exchange_only=True) as (node, channel, other, here):
        with pytest.raises(UnknownChannelMsgDestination):
            await node.send(route(channel, "echoer"), "hi")
        # A peer that sends one all the same, or closes: dropped.
        with Failures() as failures:
            encrypted = channel.encrypt(b"anything")
            await node.send(channel.remote_route, encrypted)
            await until(lambda: failures.has("a message was dropped by a secure channel"))
        assert not other.is_closed
        await channel.close()
        assert not node.secure_channels.channels
        with pytest.raises(UnknownAddress):
            channel.encrypt(b"")
        with pytest.raises(UnknownAddress):
            channel.decrypt(encrypted)
        await settle()
        assert not other.is_closed
        assert here.node.secure_channels.channels == (other,)


@asynchronous
async def test_one_side_alone_cannot_choose_it() -> None:
    """Nothing says so: the handshake is the same, and then neither understands the other."""
    async with listening() as here, Node(clock=here.clock) as node:
        alice = await node.create_identity()
        connection = await (await node.create_tcp_transport()).connect(here.address)
        options = SecureChannelOptions(key_exchange_only=True)
        channel = await node.create_secure_channel(alice, route(connection, "listener"), options)
        with pytest.raises(UnknownChannelMsgDestination):
            await node.send(route(channel, "echoer"), "hi")


def test_options_that_do_not_go_together() -> None:
    for options in (SecureChannelOptions, SecureChannelListenerOptions):
        with pytest.raises(PersistentSupportIsLimited):
            options(persist=True)
        assert options(persist=True, key_exchange_only=True).persist


# ---- the API addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_exchange_only", [False, True])
def test_workers_of_the_node_ask_its_addresses(*, key_exchange_only: bool) -> None:
    @asynchronous
    async def check() -> None:
        async with pair(key_exchange_only=key_exchange_only) as (node, channel, other, here):
            assert node.secure_channels.by_encryptor(channel.address) is channel
            assert node.secure_channels.by_decryptor(channel.decryptor_address) is channel
            assert channel.their_decryptor_address == other.decryptor_address
            before = here.node.statistics()["workers"]

            async def ask(node: Node, address: Address, body: bytes) -> ApiResponse:
                return await node.send_and_receive(route(address), body, reply=ApiResponse)

            # Raw bytes, not a message of the channel: what comes out at the other end is what went in.
            frame = (await ask(node, channel.encryptor_api, b"raw")).unwrap()
            assert frame[:8] == bytes(8)
            assert (await ask(here.node, other.decryptor_api, frame)).unwrap() == b"raw"
            answer = await ask(here.node, other.decryptor_api, frame)
            if key_exchange_only:
                assert answer.unwrap() == b"raw"
            else:
                # Nonces and window are those of the channel.
                assert answer.error is not None
                with pytest.raises(OckamError):
                    answer.unwrap()
                assert await node.send_and_receive(route(channel, "echoer"), "hi", reply=str) == "hi"
                assert (await ask(node, channel.encryptor_api, b"")).unwrap()[:8] == (2).to_bytes(8, "big")
            assert (await ask(here.node, other.decryptor_api, b"forged" * 10)).data is None
            # They are there from the first look at them, and go with the channel.
            assert here.node.statistics()["workers"] == before + 1
            api = channel.encryptor_api
            await channel.close()
            with pytest.raises(UnknownAddress):
                await node.send(route(api), b"")
            with pytest.raises(UnknownAddress):
                channel.encrypt(b"")

    check()


@asynchronous
async def test_a_channel_whose_nonces_are_used_up_ends() -> None:
    async with pair() as (_, channel, _, _):
        assert channel._encryptor is not None
        channel._encryptor._nonce = MAX_NONCE
        with pytest.raises(NonceOverflow):
            channel.encrypt(b"")
        await channel.wait_closed()


def test_answers() -> None:
    assert ApiResponse(data=b"abc").encode() == bytes((0, 3)) + b"abc"
    assert ApiResponse(error="no").encode() == bytes((1, 2)) + b"no"
    for response in (ApiResponse(data=b""), ApiResponse(data=b"abc"), ApiResponse(error="no")):
        assert ApiResponse.decode(response.encode()) == response
    for wrong in (b"", b"\2", b"\0\4abc", b"\1\1\xff"):
        with pytest.raises(OckamError):
            ApiResponse.decode(wrong)


# ---- persistence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suite", ["OCKAM_XX_25519_AES256_GCM_SHA256", "OCKAM_XX_25519_ChaChaPolyBLAKE2s"])
@pytest.mark.parametrize("role", [Role.INITIATOR, Role.RESPONDER])
def test_the_receiving_half_survives_a_restart(tmp_path: Path, role: Role, suite: str) -> None:
    clock = FixedClock(T0)

    @asynchronous
    async def check() -> None:
        home, other_home = Node(home=tmp_path, clock=clock, suite=suite), Node(clock=clock, suite=suite)
        nodes = {"ours": home, "theirs": other_home} if role is Role.INITIATOR else {"ours": other_home, "theirs": home}
        async with pair(key_exchange_only=True, persist=True, **nodes) as (_, channel, other, _):
            kept, peer = (channel, other) if role is Role.INITIATOR else (other, channel)
            frames = [peer.encrypt(b"%d" % number) for number in range(40)]
            assert kept.decrypt(frames[0]) == b"0"
            where, api = kept.decryptor_address, kept.decryptor_api
            identifiers = kept.identifier, kept.their_identifier
            if role is Role.RESPONDER:  # the initiator has waited for it
                persisted = home.channel_services.persisted
                assert persisted is not None
                while await persisted.secure_channel(where) is None:
                    await settle(1)

        async with Node(home=tmp_path, clock=clock, suite=suite) as again:
            assert api not in again.list_workers()
            decryptor = await again.start_persisted_secure_channel_decryptor(str(where))
            assert (decryptor.decryptor_address, decryptor.decryptor_api, decryptor.role) == (where, api, role)
            assert (decryptor.identifier, decryptor.their_identifier) == identifiers
            for number, frame in enumerate(frames):
                assert decryptor.decrypt(frame) == b"%d" % number
            answer = await again.send_and_receive(route(api), frames[7], reply=ApiResponse)
            assert answer.unwrap() == b"7"
            # Only that address: no encryptor, no channel, nobody at the decryptor's.
            assert not again.secure_channels.channels
            with pytest.raises(UnknownAddress):
                await again.send(route(where), frames[8])
            with pytest.raises(AddressInUse):
                await again.start_persisted_secure_channel_decryptor(where)
            decryptor.close()
            decryptor.close()
            with pytest.raises(UnknownAddress):
                decryptor.decrypt(frames[0])
            await again.start_persisted_secure_channel_decryptor(where)
            persisted = again.channel_services.persisted
            assert persisted is not None
            assert await persisted.delete_secure_channel(where)
            assert not await persisted.delete_secure_channel(where)
            with pytest.raises(PersistentSecureChannelNotFound):
                await again.start_persisted_secure_channel_decryptor(where)

    check()


@asynchronous
async def test_what_is_not_persisted_is_not_found() -> None:
    async with pair(key_exchange_only=True) as (node, channel, _, _):
        with pytest.raises(PersistentSecureChannelNotFound):
            await node.start_persisted_secure_channel_decryptor(channel.decryptor_address)


def test_a_node_of_another_suite_does_not_start_it(tmp_path: Path) -> None:
    @asynchronous
    async def check() -> None:
        clock = FixedClock(T0)
        home = Node(home=tmp_path, clock=clock)
        async with pair(ours=home, key_exchange_only=True, persist=True) as (_, channel, _, _):
            where = channel.decryptor_address
        async with Node(home=tmp_path, clock=clock, suite="OCKAM_XX_25519_AES128_GCM_SHA256") as again:
            with pytest.raises(Misuse, match="another suite"):
                await again.start_persisted_secure_channel_decryptor(where)

    check()


class Full:
    """A repository on a full disk."""

    async def store_secure_channel(self, channel: PersistedSecureChannel) -> None:
        raise StorageError("the disk is full")

    async def secure_channel(self, decryptor_remote: Address) -> PersistedSecureChannel | None:
        return None

    async def secure_channels(self) -> tuple[PersistedSecureChannel, ...]:
        return ()

    async def delete_secure_channel(self, decryptor_remote: Address) -> bool:
        return False


def test_a_channel_that_cannot_be_persisted_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ockam.node.parts.MemorySecureChannelRepository", Full)

    @asynchronous
    async def check() -> None:
        with Failures() as failures:
            async with pair(key_exchange_only=True, persist=True) as (_, channel, other, _):
                assert other.decrypt(channel.encrypt(b"hi")) == b"hi"
        assert failures.has("could not be persisted")

    check()
