"""Policies in memory; gone with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.policy.repository import PolicyRepositories, stored_text

if TYPE_CHECKING:
    from ockam.policy.resource import Action, Resource, ResourcePolicy, ResourceType, ResourceTypePolicy

__all__ = [
    "MemoryResourcePolicyRepository",
    "MemoryResourceRepository",
    "MemoryResourceTypePolicyRepository",
    "create_memory_policy_repositories",
]


def create_memory_policy_repositories() -> PolicyRepositories:
    """Return empty repositories."""
    policies = MemoryResourcePolicyRepository()
    return PolicyRepositories(policies, MemoryResourceTypePolicyRepository(), MemoryResourceRepository(policies))


class MemoryResourcePolicyRepository:
    """One policy per resource and action."""

    def __init__(self) -> None:
        self._policies: dict[tuple[str, Action], ResourcePolicy] = {}

    async def store_policy(self, policy: ResourcePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """
        stored_text(policy.expression)  # in memory nothing would be lost; but a test must see what a database says
        self._policies[policy.resource_name, policy.action] = policy

    async def policy(self, resource_name: str, action: Action) -> ResourcePolicy | None:
        """Return the policy, None if there is none."""
        return self._policies.get((resource_name, action))

    async def policies(self, resource_name: str | None = None) -> tuple[ResourcePolicy, ...]:
        """Return all policies, or all of one resource, by name."""
        found = [policy for _, policy in sorted(self._policies.items(), key=lambda item: item[0])]
        return tuple(policy for policy in found if resource_name in (None, policy.resource_name))

    async def delete_policy(self, resource_name: str, action: Action) -> None:
        """Delete a policy, if there is one."""
        self._policies.pop((resource_name, action), None)

    def delete_policies(self, resource_name: str) -> None:
        """Delete all policies of a resource."""
        for key in [key for key in self._policies if key[0] == resource_name]:
            del self._policies[key]


class MemoryResourceTypePolicyRepository:
    """One policy per resource type and action."""

    def __init__(self) -> None:
        self._policies: dict[tuple[ResourceType, Action], ResourceTypePolicy] = {}

    async def store_policy(self, policy: ResourceTypePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """
        stored_text(policy.expression)
        self._policies[policy.resource_type, policy.action] = policy

    async def policy(self, resource_type: ResourceType, action: Action) -> ResourceTypePolicy | None:
        """Return the policy, None if there is none."""
        return self._policies.get((resource_type, action))

    async def policies(self, resource_type: ResourceType | None = None) -> tuple[ResourceTypePolicy, ...]:
        """Return all policies, or all of one type, by the name of the type."""
        found = sorted(self._policies.values(), key=lambda policy: policy.resource_type.text)
        return tuple(policy for policy in found if resource_type in (None, policy.resource_type))

    async def delete_policy(self, resource_type: ResourceType, action: Action) -> None:
        """Delete a policy, if there is one."""
        self._policies.pop((resource_type, action), None)


class MemoryResourceRepository:
    """Which resources there are."""

    def __init__(self, policies: MemoryResourcePolicyRepository) -> None:
        self._resources: dict[Resource, None] = {}
        self._policies = policies

    async def store_resource(self, resource: Resource) -> None:
        """Store a resource; of one that is known, do nothing."""
        self._resources.setdefault(resource)

    async def resource(self, name: str) -> Resource | None:
        """Return the resource of that name, the one stored first; None if there is none."""
        return next((resource for resource in self._resources if resource.name == name), None)

    async def delete_resource(self, name: str) -> None:
        """Delete the resources of that name, and their policies."""
        self._resources = {resource: None for resource in self._resources if resource.name != name}
        self._policies.delete_policies(name)
