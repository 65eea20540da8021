"""The programs of example 06, with the reference in any of their places; credentials renewed while channels live."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from ockam import Echoer, Identifier, Node, SecureChannelListenerOptions, SecureChannelOptions, TimedOut, route
from ockam.identity.credential import CredentialAndPurposeKey
from ockam.identity.credential_retriever import MemoryCredentialRetriever
from tests.asynchronous import settle, until
from tests.interop.nodes import ANY_PORT
from tests.interop.test_credentials import issue_to
from tests.known_identities import ATTRIBUTES, CLIENT, ISSUER, SERVER, Known
from tests.program import example

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from tests.interop.reference import Reference

pytestmark = pytest.mark.interop

EXAMPLE = "06_credentials_exchange"
SIDES = ["ours", "reference"]


@contextlib.asynccontextmanager
async def issuer(side: str, reference: Reference) -> AsyncIterator[str]:
    if side == "ours":
        async with example(f"{EXAMPLE}_issuer", "--listen", ANY_PORT) as program:
            yield await program.starts("Listening on ")
    else:
        members = (str(CLIENT.identifier), str(SERVER.identifier))
        async with reference.start("credential-issuer", ANY_PORT, *ISSUER.texts, *members) as program:
            yield (await program.json())["ready"]


@contextlib.asynccontextmanager
async def server(side: str, reference: Reference, issuer_at: str) -> AsyncIterator[str]:
    if side == "ours":
        async with example(f"{EXAMPLE}_server", "--listen", ANY_PORT, "--issuer", issuer_at) as program:
            yield await program.starts("Listening on ")
    else:
        arguments = (ANY_PORT, issuer_at, str(ISSUER.identifier), *SERVER.texts)
        async with reference.start("credential-server", *arguments) as program:
            yield (await program.json())["ready"]


async def client(side: str, reference: Reference, server_at: str, issuer_at: str) -> None:
    if side == "ours":
        async with example(f"{EXAMPLE}_client", "--connect", server_at, "--issuer", issuer_at) as program:
            assert await program.ended() == 0, program.output
            assert program.lines == ["Received: Hello Ockam!"]
    else:
        arguments = (server_at, issuer_at, str(ISSUER.identifier), *CLIENT.texts)
        async with reference.start("credential-client", *arguments) as program:
            assert await program.json() == {"reply": "Hello Ockam!", "attributes": ATTRIBUTES}


@pytest.mark.parametrize("client_side", SIDES)
@pytest.mark.parametrize("server_side", SIDES)
@pytest.mark.parametrize("issuer_side", SIDES)
def test_06(extended: Reference, issuer_side: str, server_side: str, client_side: str) -> None:
    async def main() -> None:
        async with (
            issuer(issuer_side, extended) as issuer_at,
            server(server_side, extended, issuer_at) as server_at,
        ):
            await client(client_side, extended, server_at, issuer_at)

    asyncio.run(main())


class ChangingMembers:
    """Everybody is a member; `visit` counts how often credentials were asked for."""

    def __init__(self) -> None:
        self.visit = 0

    async def attributes(self, identifier: Identifier) -> Mapping[str, str] | None:
        self.visit += 1
        return {**ATTRIBUTES, "visit": str(self.visit)}


async def become(node: Node, known: Known) -> Identifier:
    return await node.import_private_identity(known.history, known.secret)


def test_the_reference_presents_a_renewed_credential(extended: Reference) -> None:
    """A time to live of two minutes and a second: it asks again after a second, and tells its channel."""

    async def main() -> None:
        async with Node() as node:
            authority, bob = await become(node, ISSUER), await become(node, SERVER)
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(ANY_PORT)
            at = str(listener.socket_address)
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
            channels = await node.create_secure_channel_listener(authority, "api", options)
            members = ChangingMembers()
            await node.create_credential_issuer(
                authority, members, ttl_seconds=121, consumer_of=[channels.flow_control_id]
            )
            async with Node() as other:
                await other.import_identity(ISSUER.history)
                await become(other, SERVER)
                other_tcp = await other.create_tcp_transport()
                serving = await other_tcp.listen(ANY_PORT)
                own = await node.issue_credential(authority, bob, ATTRIBUTES)
                options = SecureChannelListenerOptions(
                    consumer_of=[serving.flow_control_id], authority=ISSUER.identifier, credential=own
                )
                inside = await other.create_secure_channel_listener(SERVER.identifier, "api", options)
                await other.start_worker("echo", Echoer())
                other.flow_controls.add_consumer("echo", inside.flow_control_id)
                arguments = (str(serving.socket_address), at, str(ISSUER.identifier), *CLIENT.texts)
                async with extended.start("credential-client", *arguments) as program:
                    assert (await program.json())["reply"] == "Hello Ockam!"

                    def visit() -> int:
                        entry = other.identities.remembered_attributes(CLIENT.identifier, ISSUER.identifier)
                        return 0 if entry is None else int(entry.text()["visit"])

                    first = visit()
                    assert first >= 1
                    async with asyncio.timeout(30):
                        await until(lambda: visit() > first)

    asyncio.run(main())


def test_the_reference_presents_a_renewed_credential_as_the_responder(extended: Reference) -> None:
    async def main() -> None:
        async with Node() as node:
            authority, alice = await become(node, ISSUER), await become(node, CLIENT)
            tcp = await node.create_tcp_transport()
            listener = await tcp.listen(ANY_PORT)
            options = SecureChannelListenerOptions(consumer_of=[listener.flow_control_id])
            channels = await node.create_secure_channel_listener(authority, "api", options)
            await node.create_credential_issuer(
                authority, ChangingMembers(), ttl_seconds=121, consumer_of=[channels.flow_control_id]
            )
            arguments = (str(listener.socket_address), str(ISSUER.identifier), *SERVER.texts)
            async with extended.start("credential-server", ANY_PORT, *arguments) as program:
                connection = await tcp.connect((await program.json())["ready"])
                await node.create_secure_channel(
                    alice, route(connection, "api"), SecureChannelOptions(authority=authority, timeout=20)
                )

                def visit() -> int:
                    entry = node.identities.remembered_attributes(SERVER.identifier, authority)
                    return 0 if entry is None else int(entry.text()["visit"])

                first = visit()
                assert first >= 1
                async with asyncio.timeout(30):
                    await until(lambda: visit() > first)

    asyncio.run(main())


def test_we_present_a_renewed_credential_to_the_reference(extended: Reference) -> None:
    async def main() -> None:
        async with Node() as node:
            authority, alice = await node.create_identity(), await node.create_identity()
            history = await node.export_identity_hex(authority)
            async with extended.start("responder-authority", ANY_PORT, history, "cluster=production") as program:
                await issue_to(program, node, authority, None)
                tcp = await node.create_tcp_transport()
                connection = await tcp.connect((await program.json())["ready"])

                async def credential(**attributes: str) -> CredentialAndPurposeKey:
                    issued = await node.issue_credential(authority, alice, attributes)
                    return CredentialAndPurposeKey.decode(issued)

                retriever = MemoryCredentialRetriever(await credential(cluster="test"))
                options = SecureChannelOptions(authority=authority, credential_retriever=retriever, timeout=10)
                channel = await node.create_secure_channel(alice, route(connection, "bob_listener"), options)

                async def ask(timeout: float) -> str:
                    return await node.send_and_receive(route(channel, "echo"), "Hello", reply=str, timeout=timeout)

                with pytest.raises(TimedOut):
                    await ask(1)
                retriever.replace(await credential(cluster="production"))
                await settle()  # until it is sent
                assert await ask(10) == "Hello"
                retriever.replace(await credential(cluster="test"))
                await settle()
                with pytest.raises(TimedOut):
                    await ask(1)

    asyncio.run(main())
