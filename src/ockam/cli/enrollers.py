"""The enroller that a command acts as: its node's home, its identity, and the service it last spoke with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from ockam.cli.failures import Conflict
from ockam.cli.homes import has_node

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ockam import Node
    from ockam.cli.settings import Settings
    from ockam.enrollment.workers.enroller import Enroller

__all__ = ["IDENTITY_NAME", "known_route", "open_enroller", "remember_route"]

IDENTITY_NAME: Final = "enroller"
ROUTE_FILE: Final = "service-route"


@asynccontextmanager
async def open_enroller(
    settings: Settings, at: str, to: str | None = None, service: str | None = None, timeout: float = 30.0
) -> AsyncIterator[tuple[Node, Enroller]]:
    """Open an enroller's home and act as it.

    Args:
        settings: of this call.
        at: the enroller's node.
        to: route to the service; by default the one of an earlier command.
        service: the service's identifier, to be pinned.
        timeout: seconds that the service may take for an answer.

    Raises:
        Conflict: there is no such enroller.
        HomeInUse: it is open in another process.
    """
    from ockam import Identifier, Node

    path = settings.node_home(at)
    if not has_node(path):
        name = "" if at == IDENTITY_NAME else f" {at}"
        raise Conflict(f"There is no enroller {at} in {settings.home}.", f"`ockam enroller create{name}` makes one.")
    pinned = None if service is None else Identifier.parse(service)
    async with Node(home=path) as node:
        identifier = await node.ensure_identity(IDENTITY_NAME)
        enroller = await node.create_enroller(identifier, to or known_route(settings, at), pinned, timeout=timeout)
        try:
            yield node, enroller
        finally:
            await enroller.close()


def remember_route(settings: Settings, at: str, to: str | None) -> None:
    """Keep the route to the service for later commands of this enroller."""
    if to is not None:
        (settings.node_home(at) / ROUTE_FILE).write_text(to.strip() + "\n", encoding="utf-8")


def known_route(settings: Settings, at: str) -> str | None:
    """Return the route to the service that this enroller went before."""
    file = settings.node_home(at) / ROUTE_FILE
    return file.read_text(encoding="utf-8").strip() or None if file.exists() else None
