"""What policies need stored, as interfaces; `ockam.storage` implements them.

An expression is stored as its text and parsed when it is read, so only what survives that may be stored.

Source:
    reference ockam_abac/src/policy/storage/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ockam.policy.errors import PolicyParseError, UnstorablePolicy
from ockam.policy.parser import parse_expression

if TYPE_CHECKING:
    from ockam.policy.expression import Expression
    from ockam.policy.resource import Action, Resource, ResourcePolicy, ResourceType, ResourceTypePolicy

__all__ = [
    "PolicyRepositories",
    "ResourcePolicyRepository",
    "ResourceRepository",
    "ResourceTypePolicyRepository",
    "stored_text",
]


class ResourcePolicyRepository(Protocol):
    """One policy per resource and action."""

    async def store_policy(self, policy: ResourcePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """

    async def policy(self, resource_name: str, action: Action) -> ResourcePolicy | None:
        """Return the policy, None if there is none."""

    async def policies(self, resource_name: str | None = None) -> tuple[ResourcePolicy, ...]:
        """Return all policies, or all of one resource, by name."""

    async def delete_policy(self, resource_name: str, action: Action) -> None:
        """Delete a policy, if there is one."""


class ResourceTypePolicyRepository(Protocol):
    """One policy per resource type and action."""

    async def store_policy(self, policy: ResourceTypePolicy) -> None:
        """Store a policy in place of the one before.

        Raises:
            UnstorablePolicy: its text does not say the same.
        """

    async def policy(self, resource_type: ResourceType, action: Action) -> ResourceTypePolicy | None:
        """Return the policy, None if there is none."""

    async def policies(self, resource_type: ResourceType | None = None) -> tuple[ResourceTypePolicy, ...]:
        """Return all policies, or all of one type, by the name of the type."""

    async def delete_policy(self, resource_type: ResourceType, action: Action) -> None:
        """Delete a policy, if there is one."""


class ResourceRepository(Protocol):
    """Which resources there are."""

    async def store_resource(self, resource: Resource) -> None:
        """Store a resource; of one that is known, do nothing."""

    async def resource(self, name: str) -> Resource | None:
        """Return the resource of that name, None if there is none."""

    async def delete_resource(self, name: str) -> None:
        """Delete the resources of that name, and their policies."""


@dataclass(frozen=True, slots=True)
class PolicyRepositories:
    """All that policies need stored."""

    resource_policies: ResourcePolicyRepository
    resource_type_policies: ResourceTypePolicyRepository
    resources: ResourceRepository


def stored_text(expression: Expression) -> str:
    """Return the text under which an expression is stored.

    Raises:
        UnstorablePolicy: what would be read back is another expression, or none.
    """
    text = str(expression)
    try:
        same = parse_expression(text).encode() == expression.encode()
    except PolicyParseError as error:
        raise UnstorablePolicy(f"the policy cannot be stored: {error}") from error
    if not same:
        raise UnstorablePolicy(f"the policy cannot be stored: {text} reads as another one")
    return text
