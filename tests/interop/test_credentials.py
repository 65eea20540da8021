"""Credentials presented in a handshake, and workers that ask for them, between us and the reference."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from ockam import (
    CredentialAccessControl,
    Echoer,
    Identifier,
    Node,
    OckamError,
    SecureChannelListenerOptions,
    SecureChannelOptions,
    route,
)
from tests.interop.nodes import ANY_PORT

if TYPE_CHECKING:
    from tests.interop.reference import Reference
    from tests.program import Program

pytestmark = pytest.mark.interop

PRODUCTION = {"cluster": "production"}
CREDENTIALS = [
    pytest.param({"cluster": "production", "floor": "3"}, True, id="the attribute"),
    pytest.param({"cluster": "test"}, False, id="another value"),
    pytest.param(None, False, id="no credential"),
]


async def issue_to(program: Program, node: Node, issuer: Identifier, attributes: dict[str, str] | None) -> Identifier:
    """Learn who the program is, and give it its credential."""
    who = await program.json()
    subject = await node.import_identity(bytes.fromhex(who["history"]))
    credential = b"" if attributes is None else await node.issue_credential(issuer, subject, attributes)
    await program.write(credential.hex())
    return subject


@pytest.mark.parametrize(("attributes", "is_allowed"), CREDENTIALS)
def test_the_reference_asks_for_a_credential(
    extended: Reference, attributes: dict[str, str] | None, *, is_allowed: bool
) -> None:
    async def main() -> None:
        async with Node() as node:
            issuer, alice = await node.create_identity(), await node.create_identity()
            history = (await node.export_identity(issuer)).hex()
            async with extended.start("responder-authority", ANY_PORT, history, "cluster=production") as program:
                bob = await issue_to(program, node, issuer, PRODUCTION)
                tcp = await node.create_tcp_transport()
                connection = await tcp.connect((await program.json())["ready"])
                credential = None if attributes is None else await node.issue_credential(issuer, alice, attributes)
                options = SecureChannelOptions(authority=issuer, credential=credential, timeout=10)
                channel = await node.create_secure_channel(alice, route(connection, "bob_listener"), options)
                # The responder's own credential has come with the handshake.
                entry = await node.identities.attributes(bob, issuer)
                assert entry is not None
                timeout = 10 if is_allowed else 1
                asked = node.send_and_receive(route(channel, "echo"), "Hello", reply=str, timeout=timeout)
                if is_allowed:
                    assert await asked == "Hello"
                else:
                    with pytest.raises(OckamError):
                        await asked

    asyncio.run(main())


@pytest.mark.parametrize(("attributes", "is_allowed"), CREDENTIALS)
def test_we_ask_the_reference_for_a_credential(
    extended: Reference, attributes: dict[str, str] | None, *, is_allowed: bool
) -> None:
    async def main() -> None:
        async with Node() as node:
            issuer, bob = await node.create_identity(), await node.create_identity()
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(ANY_PORT)
            options = SecureChannelListenerOptions(
                consumer_of=[listener.flow_control_id],
                authority=issuer,
                credential=await node.issue_credential(issuer, bob, PRODUCTION),
            )
            channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
            guard = CredentialAccessControl(PRODUCTION, issuer, node.identities)
            await node.start_worker("echo", Echoer(), incoming=guard)
            node.flow_controls.add_consumer("echo", channels.flow_control_id)
            history = (await node.export_identity(issuer)).hex()
            arguments = (str(listener.socket_address), "Hello", "echo", history, "bob_listener")
            async with extended.start("secure-authority", *arguments) as program:
                await issue_to(program, node, issuer, attributes)
                answer = await program.json()
                assert (answer["channel"], answer["attributes"]) == (True, PRODUCTION)
                assert answer.get("reply") == ("Hello" if is_allowed else None)

    asyncio.run(main())


def test_credentials_that_the_reference_issued(extended: Reference) -> None:
    """Three parties: an issuer and an initiator of the reference, a responder of ours."""

    async def main() -> None:
        async with Node() as node, extended.start("issue") as issuing:
            history = (await issuing.json())["history"]
            issuer, bob = await node.import_identity(bytes.fromhex(history)), await node.create_identity()
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(ANY_PORT)
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id], authority=issuer)
            channels = await node.create_secure_channel_listener(bob, "bob_listener", options)
            guard = CredentialAccessControl(PRODUCTION, issuer, node.identities)
            await node.start_worker("echo", Echoer(), incoming=guard)
            node.flow_controls.add_consumer("echo", channels.flow_control_id)
            arguments = (str(listener.socket_address), "Hello", "echo", history, "bob_listener")
            async with extended.start("secure-authority", *arguments) as program:
                subject = (await program.json())["history"]
                await issuing.write(json.dumps({"subject": subject, "attributes": PRODUCTION, "ttl": 600}))
                await program.write((await issuing.json())["credential"])
                answer = await program.json()
                assert (answer["channel"], answer.get("reply")) == (True, "Hello")

    asyncio.run(main())
