"""Policies of a node: where they are kept, and the access controls that ask them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ockam.policy import Policies, PolicyExpression, Resource, ResourceType, create_access_controls
from ockam.storage.memory_policy import create_memory_policy_repositories
from ockam.storage.sqlite.policy import create_sqlite_policy_repositories

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ockam.core.route import Route
    from ockam.identity.identifier import Identifier
    from ockam.node.parts import NodeParts
    from ockam.policy import ResourceAccessControls
    from ockam.storage.sql import SqlDatabase

__all__ = ["guard", "open_policies"]


def open_policies(database: SqlDatabase | None, node_name: str) -> Policies:
    """Return the policies of a node: in its database, or in memory."""
    if database is None:
        return Policies(create_memory_policy_repositories())
    return Policies(create_sqlite_policy_repositories(database, node_name))


async def guard(
    node: NodeParts, name: str, resource_type: ResourceType, authority: Identifier | None, allow: str | None
) -> ResourceAccessControls:
    """Return the access controls of a resource; see `Node.create_policy_access_controls`."""
    runtime = node.runtime

    def terminal_attributes(route: Route) -> Mapping[str, str] | None:
        found = runtime.find_terminal_address(route)
        return None if found is None else found[1].attributes

    return await create_access_controls(
        node.policies,
        node.identities,
        Resource(name, resource_type),
        authority=authority,
        expression=None if allow is None else PolicyExpression.parse(allow).expression,
        terminal_attributes=terminal_attributes,
        clock=time.monotonic,
    )
