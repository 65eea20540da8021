"""Suites are chosen per node and never negotiated."""

from __future__ import annotations

import asyncio

import pytest

from ockam.core.route import route
from ockam.errors import Misuse
from ockam.node import Node
from ockam.secure_channel.noise import AES128_GCM_SHA256, AES256_GCM_SHA256, CHACHAPOLY_BLAKE2S, SUITES, Suite
from ockam.testing import FixedClock
from tests.asynchronous import asynchronous, until
from tests.identity.world import T0
from tests.secure_channel.workers.scripted import Failures, listening


@pytest.mark.parametrize("name", SUITES)
@pytest.mark.parametrize("size", [10, 100_000])
def test_messages_pass_under_each_suite(name: str, size: int) -> None:
    @asynchronous
    async def check() -> None:
        clock = FixedClock(T0)
        async with listening(Node(clock=clock, suite=name)) as here, Node(clock=clock, suite=SUITES[name]) as node:
            alice = await node.create_identity()
            connection = await (await node.create_tcp_transport()).connect(here.address)
            channel = await node.create_secure_channel(alice, route(connection, "listener"))
            for number in range(70):  # past two rekeys, both ways
                body = f"{number}" * size
                assert await node.send_and_receive(route(channel, "echoer"), body[:size], reply=str) == body[:size]

    check()


@pytest.mark.parametrize("listeners", [AES256_GCM_SHA256, AES128_GCM_SHA256, CHACHAPOLY_BLAKE2S])
@pytest.mark.parametrize("ours", [AES256_GCM_SHA256, AES128_GCM_SHA256, CHACHAPOLY_BLAKE2S])
def test_a_listener_of_another_suite_is_never_reached(ours: Suite, listeners: Suite) -> None:
    if ours is listeners:
        return

    @asynchronous
    async def check() -> None:
        clock = FixedClock(T0)
        async with listening(Node(clock=clock, suite=listeners)) as here, Node(clock=clock, suite=ours) as node:
            alice = await node.create_identity()
            connection = await (await node.create_tcp_transport()).connect(here.address)
            with Failures() as failures:
                opening = asyncio.create_task(node.create_secure_channel(alice, route(connection, "listener")))
                # Message 2 comes, and does not open; nobody is told anything, until the timeout.
                await until(lambda: failures.has("a handshake message was dropped"))
            assert not opening.done()
            assert not here.node.secure_channels.channels
            assert not node.secure_channels.channels
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening

    check()


def test_names() -> None:
    assert list(SUITES) == [
        "OCKAM_XX_25519_AES256_GCM_SHA256",
        "OCKAM_XX_25519_AES128_GCM_SHA256",
        "OCKAM_XX_25519_ChaChaPolyBLAKE2s",
    ]
    with pytest.raises(Misuse, match="OCKAM_XX_25519_ChaChaPolyBLAKE2s"):
        Node(suite="Noise_XX_25519_AESGCM_SHA256")
