"""Credentials on a node: issued to members, and asked for at an authority over the node's transports."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ockam.authority.credential_issuer import CredentialIssuer, issue_to_members
from ockam.authority.members import FixedMembers
from ockam.authority.workers.credential_issuer import CredentialIssuerWorker
from ockam.identity.credential_retriever import RefreshTiming
from ockam.secure_channel.trust_policy import TrustIdentifier
from ockam.secure_channel.workers.remote_credential import RemoteCredentialRetriever, ask_issuer
from ockam.secure_channel.workers.secure_client import SecureClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager

    from ockam.authority.members import Members
    from ockam.core.access_control import AccessControl
    from ockam.core.address import Address
    from ockam.core.flow_control import FlowControlId
    from ockam.core.route import Route
    from ockam.identity.identifier import Identifier
    from ockam.node.parts import NodeParts
    from ockam.transport.tcp.transport import TcpTransport

__all__ = ["connected", "create_credential_issuer", "create_credential_retriever"]


async def create_credential_issuer(
    node: NodeParts,
    issuer: Identifier,
    members: Members | Mapping[Identifier, Mapping[str, str]],
    address: Address | str,
    ttl_seconds: int,
    consumer_of: Sequence[FlowControlId],
    incoming: AccessControl,
) -> Address:
    """Start the worker; see `Node.create_credential_issuer`."""
    # Fails here and now, and not in front of the first member.
    await node.identities.credential_purpose_key(issuer)
    known = FixedMembers(members) if isinstance(members, Mapping) else members
    issue = issue_to_members(node.identities, issuer, known, ttl_seconds)
    worker = CredentialIssuerWorker(CredentialIssuer(issue))
    started = await node.context.start_worker(address, worker, incoming=incoming)
    for flow_control_id in consumer_of:
        node.flow_controls.add_consumer(started, flow_control_id)
    return started


def create_credential_retriever(
    node: NodeParts,
    connect: Callable[[], AbstractAsyncContextManager[Route]],
    subject: Identifier,
    issuer: Identifier,
    service: str,
    scope: str,
    timing: RefreshTiming | None,
) -> RemoteCredentialRetriever:
    """Make a retriever; see `Node.create_credential_retriever`."""
    timing = timing or RefreshTiming()
    client = SecureClient(
        node.context,
        node.channel_services,
        connect,
        subject,
        TrustIdentifier(issuer),
        channel_timeout=timing.request_timeout,
        request_timeout=timing.request_timeout,
    )
    runtime = node.runtime
    return RemoteCredentialRetriever(
        node.identities,
        subject,
        issuer,
        lambda: ask_issuer(client, service),
        runtime.deadlines,
        runtime.new_task,
        scope=scope,
        timing=timing,
    )


@asynccontextmanager
async def connected(tcp: TcpTransport, route: Route) -> AsyncIterator[Route]:
    """Connect to the TCP address in `route`, if there is one; close that connection at the end."""
    resolved = await tcp.resolve(route)
    try:
        yield resolved
    finally:
        for address in resolved:
            connection = tcp.connection(address)
            if connection is not None and address not in route.addresses:
                await connection.close()
