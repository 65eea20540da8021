"""A worker behind a policy of its node, over real sockets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ockam import Echoer, Node, SecureChannelListenerOptions, SecureChannelOptions, TimedOut, route
from ockam.policy import PolicyParseError, ResourceType, parse_expression
from tests.asynchronous import asynchronous

if TYPE_CHECKING:
    from pathlib import Path

SHORT = 0.2


@asynchronous
async def test_a_policy_decides_for_each_message(tmp_path: Path) -> None:
    async with Node(home=tmp_path) as node, Node() as peers:
        authority = await node.create_identity()
        tcp = await node.create_tcp_transport()
        listener = await tcp.listen("127.0.0.1:0")
        channels = await node.create_secure_channel_listener(
            authority,
            "api",
            SecureChannelListenerOptions(consumer_of=[listener.flow_control_id], authority=authority),
        )
        controls = await node.create_policy_access_controls(
            "echo", ResourceType.ECHOER, authority=authority, allow="role=admin"
        )
        await node.start_worker("echo", Echoer(), incoming=controls.incoming, outgoing=controls.outgoing)
        node.flow_controls.add_consumer("echo", channels.flow_control_id)
        connection = await (await peers.create_tcp_transport()).connect(listener.socket_address)

        async def ask(role: str | None, timeout: float) -> str:
            peer = await peers.create_identity()
            await node.import_identity(await peers.export_identity(peer))
            credential = None
            if role is not None:
                credential = await node.issue_credential(authority, peer, {"role": role}, ttl_seconds=3600)
            options = SecureChannelOptions(credential=credential, timeout=10)
            channel = await peers.create_secure_channel(peer, route(connection, "api"), options)
            return await peers.send_and_receive(route(channel, "echo"), "hello", reply=str, timeout=timeout)

        assert await ask("admin", 10) == "hello"
        for role in ("sensor", None):
            with pytest.raises(TimedOut):
                await ask(role, SHORT)
        # Stored, and asked anew for each peer.
        await node.policies.store("echo", parse_expression('(= subject.role "sensor")'))
        assert await ask("sensor", 10) == "hello"
        with pytest.raises(TimedOut):
            await ask("admin", SHORT)
        with pytest.raises(PolicyParseError):
            await node.create_policy_access_controls("echo", ResourceType.ECHOER, allow="role=")
    async with Node(home=tmp_path) as again:
        (stored,) = await again.policies.repositories.resource_policies.policies()
        assert str(stored.expression) == '(= subject.role "sensor")'
