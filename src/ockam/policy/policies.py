"""The policies of a node: of single resources, and of types of resources.

Source:
    reference ockam_abac/src/policy/policies.rs, resources.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.policy.expression import HAS_CREDENTIAL
from ockam.policy.resource import Action, Resource, ResourcePolicy, ResourceType, ResourceTypePolicy

if TYPE_CHECKING:
    from ockam.policy.expression import Expression
    from ockam.policy.repository import PolicyRepositories

__all__ = ["Policies"]


class Policies:
    """Stores, finds and deletes policies."""

    __slots__ = ("repositories",)

    def __init__(self, repositories: PolicyRepositories) -> None:
        self.repositories = repositories

    async def store_defaults(self) -> None:
        """Store for every type that its resources are for whoever has a credential.

        Reference: at every start of a node, over what was there; policies of single resources stay.
        """
        for resource_type in ResourceType:
            for action in Action:
                await self.store(resource_type, HAS_CREDENTIAL, action)

    async def store(
        self, subject: ResourceType | str, expression: Expression, action: Action = Action.HANDLE_MESSAGE
    ) -> None:
        """Store a policy, of a type or of the resource of a name, in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """
        if isinstance(subject, ResourceType):
            policy = ResourceTypePolicy(subject, action, expression)
            await self.repositories.resource_type_policies.store_policy(policy)
        else:
            await self.repositories.resource_policies.store_policy(ResourcePolicy(subject, action, expression))

    async def expression(self, resource: Resource, action: Action = Action.HANDLE_MESSAGE) -> Expression | None:
        """Return what decides about a resource: its own policy, or that of its type; None means no to everybody."""
        own = await self.repositories.resource_policies.policy(resource.name, action)
        if own is not None:
            return own.expression
        of_type = await self.repositories.resource_type_policies.policy(resource.type, action)
        return None if of_type is None else of_type.expression

    async def delete(self, subject: ResourceType | str, action: Action = Action.HANDLE_MESSAGE) -> None:
        """Delete the policy of a type, or of the resource of a name, if there is one."""
        if isinstance(subject, ResourceType):
            await self.repositories.resource_type_policies.delete_policy(subject, action)
        else:
            await self.repositories.resource_policies.delete_policy(subject, action)

    async def store_resource(self, resource: Resource) -> None:
        """Remember that there is a resource."""
        await self.repositories.resources.store_resource(resource)

    async def delete_resource(self, name: str) -> None:
        """Forget a resource and its policies."""
        await self.repositories.resources.delete_resource(name)
