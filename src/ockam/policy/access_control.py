"""Access controls that ask a policy.

    message ─▶ who is it from (incoming) or for (outgoing)?      no secure channel: no
            ─▶ which policy?     of the resource, else of its type    none: no
            ─▶ what does the authority say about them?            names for the policy
            ─▶ is the policy true?                                   false, an error, no truth value: no

Source:
    reference ockam_abac/src/policy/, abac/; the cache: ockam_core/src/access_control/cache.rs.
"""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from ockam.core import ALLOW_ALL, SECURE_CHANNEL_IDENTIFIER, peer_identifier
from ockam.encoding.hex import decode_hex
from ockam.errors import DecodeError, OckamError
from ockam.identity.errors import InvalidIdentifier
from ockam.identity.identifier import Identifier
from ockam.policy.environment import EMPTY_ENVIRONMENT, Environment, resource_environment
from ockam.policy.evaluation import evaluate
from ockam.policy.explanation import Explanation, explain
from ockam.policy.expression import Bool, Expression, Ident, Str, call
from ockam.policy.resource import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable, Mapping

    from ockam.core import AccessControl, RelayMessage, Route
    from ockam.identity.attributes import AttributesEntry
    from ockam.policy.policies import Policies
    from ockam.policy.resource import Resource

__all__ = [
    "CACHE_SECONDS",
    "CACHE_SIZE",
    "HAS_CHANNEL",
    "Abac",
    "AttributesSource",
    "CachedAccessControl",
    "ExpressionAccessControl",
    "IdentityDecision",
    "IncomingPolicyAccessControl",
    "OutgoingPolicyAccessControl",
    "PolicyAccessControl",
    "ResourceAccessControls",
    "TerminalAttributes",
    "attribute_is",
    "create_access_controls",
    "outgoing_identifier",
]

log = logging.getLogger("ockam.policy")

# Reference: CACHE_MAX_SIZE and CACHE_DURATION_SECS.
CACHE_SIZE: Final = 10
CACHE_SECONDS: Final = 1.0

HAS_CHANNEL: Final[Expression] = Bool(True)
"""The policy of whoever comes over a secure channel, with a credential or without."""

TerminalAttributes: TypeAlias = "Callable[[Route], Mapping[str, str] | None]"
"""Returns the attributes of the first address of a route where messages leave this node; None: there is none.

    def terminal_attributes(route: Route) -> Mapping[str, str] | None:
        found = runtime.find_terminal_address(route)
        return None if found is None else found[1].attributes
"""


class AttributesSource(Protocol):
    """Where it is kept what authorities say; `ockam.identity.Identities` is one."""

    async def attributes(self, subject: Identifier, authority: Identifier) -> AttributesEntry | None:
        """Return what an authority says about a subject; None if nothing, or if it expired."""


def attribute_is(name: str, value: str) -> Expression:
    """Return the policy that an attribute is that text."""
    return call("=", Ident(f"subject.{name}"), Str(value))


def outgoing_identifier(attributes: Mapping[str, str] | None) -> Identifier | None:
    """Return the identity at the other end of a secure channel, by the attributes of its address on this node."""
    text = None if attributes is None else attributes.get(SECURE_CHANNEL_IDENTIFIER)
    if text is None:
        return None
    try:
        return Identifier(decode_hex(text))
    except (DecodeError, InvalidIdentifier):
        return None


class Abac:
    """Decides about identities by one expression at a time.

    Args:
        attributes: where it is kept what the authority says.
        authority: whose word counts; None: nobody's, and `subject.has_credential` is unbound.
        environment: what is bound for everybody.
    """

    __slots__ = ("_attributes", "_authority", "_environment")

    def __init__(
        self,
        attributes: AttributesSource,
        authority: Identifier | None,
        environment: Environment = EMPTY_ENVIRONMENT,
    ) -> None:
        self._attributes = attributes
        self._authority = authority
        self._environment = environment

    async def environment(self, identifier: Identifier) -> Environment:
        """Return what the names in a policy mean for an identity."""
        if self._authority is None:
            return self._environment.with_subject(identifier)
        entry = await self._attributes.attributes(identifier, self._authority)
        return self._environment.with_attributes(identifier, None if entry is None else entry.attributes)

    async def is_authorized(self, identifier: Identifier, expression: Expression) -> bool:
        """Tell whether an expression is true for an identity. An error is a no, and is logged."""
        try:
            value = evaluate(expression, await self.environment(identifier))
        except OckamError as error:
            log.warning("%s is denied, the policy %s failed: %s", identifier, expression, error)
            return False
        if not isinstance(value, Bool):
            log.warning("%s is denied, the policy %s is neither true nor false: %s", identifier, expression, value)
            return False
        log.debug("%s is %s by %s", identifier, "allowed" if value.value else "denied", expression)
        return value.value


class IdentityDecision(Protocol):
    """Decides about identities."""

    async def is_identity_authorized(self, identifier: Identifier) -> bool:
        """Tell whether an identity may pass; never raises an OckamError."""


class ExpressionAccessControl:
    """Decides about identities by one expression that always counts (reference: IncomingAbac, OutgoingAbac)."""

    __slots__ = ("_abac", "expression")

    def __init__(self, expression: Expression, abac: Abac) -> None:
        self.expression = expression
        self._abac = abac

    async def is_identity_authorized(self, identifier: Identifier) -> bool:
        """Tell whether the expression is true for an identity."""
        return await self._abac.is_authorized(identifier, self.expression)


class PolicyAccessControl:
    """Decides about identities by the policies of a resource, as they are at that moment.

    Args:
        policies: of the node.
        abac: what is known of identities.
        resource: what is protected.
        action: what is done to it.
    """

    __slots__ = ("_abac", "_action", "_policies", "_resource")

    def __init__(
        self, policies: Policies, abac: Abac, resource: Resource, action: Action = Action.HANDLE_MESSAGE
    ) -> None:
        self._policies = policies
        self._abac = abac
        self._resource = resource
        self._action = action

    async def is_identity_authorized(self, identifier: Identifier) -> bool:
        """Tell whether an identity may act on the resource. An error is a no, and is logged."""
        try:
            expression = await self._policies.expression(self._resource, self._action)
        except OckamError as error:
            log.warning("%s is denied, the policy of %s cannot be read: %s", identifier, self._resource.name, error)
            return False
        if expression is None:
            log.debug("%s is denied, there is no policy for %s", identifier, self._resource.name)
            return False
        return await self._abac.is_authorized(identifier, expression)

    async def explain(self, identifier: Identifier) -> Explanation:
        """Return what would be decided about an identity, and why.

        Raises:
            StorageError: policies or attributes cannot be read.
        """
        expression = await self._policies.expression(self._resource, self._action)
        return explain(expression, await self._abac.environment(identifier))


class IncomingPolicyAccessControl:
    """Asks about the identity that a message came from over a secure channel."""

    __slots__ = ("_decision",)

    def __init__(self, decision: IdentityDecision) -> None:
        self._decision = decision

    def is_authorized(self, message: RelayMessage) -> bool | Awaitable[bool]:
        """Tell whether the message may pass; without a secure channel it may not."""
        value = peer_identifier(message.message)
        return value is not None and self._decision.is_identity_authorized(Identifier(value))


class OutgoingPolicyAccessControl:
    """Asks about the identity that a message goes to over a secure channel, the first on its route."""

    __slots__ = ("_decision", "_terminal_attributes")

    def __init__(self, decision: IdentityDecision, terminal_attributes: TerminalAttributes) -> None:
        self._decision = decision
        self._terminal_attributes = terminal_attributes

    def is_authorized(self, message: RelayMessage) -> bool | Awaitable[bool]:
        """Tell whether the message may pass; without a secure channel it may not."""
        identifier = outgoing_identifier(self._terminal_attributes(message.message.onward_route))
        return identifier is not None and self._decision.is_identity_authorized(identifier)


class CachedAccessControl:
    """Remembers for a second that a message like this one was allowed; a no is asked for anew each time.

    Args:
        control: what is asked.
        clock: seconds, that only grow.
    """

    __slots__ = ("_allowed", "_clock", "_control")

    def __init__(self, control: AccessControl, clock: Callable[[], float]) -> None:
        self._control = control
        self._clock = clock
        self._allowed: dict[Hashable, float] = {}

    def is_authorized(self, message: RelayMessage) -> bool | Awaitable[bool]:
        """Tell whether the message may pass; at once if one like it, but for the payload, just did."""
        local = message.message
        key = (message.source, message.destination, local.onward_route, local.return_route, local.local_info)
        allowed_at = self._allowed.get(key)
        if allowed_at is not None:
            if 0 <= self._clock() - allowed_at < CACHE_SECONDS:
                return True
            del self._allowed[key]
        return self._ask(key, message)

    async def _ask(self, key: Hashable, message: RelayMessage) -> bool:
        # The answer is as old as what it was made from, so its second begins before the question.
        asked_at = self._clock()
        answer = self._control.is_authorized(message)
        is_authorized = bool(await answer if inspect.isawaitable(answer) else answer)
        if is_authorized:
            self._allowed.pop(key, None)
            self._allowed[key] = asked_at
            if len(self._allowed) > CACHE_SIZE:
                del self._allowed[next(iter(self._allowed))]
        return is_authorized

    def forget(self) -> None:
        """Ask anew for every message; for whoever has just changed a policy."""
        self._allowed.clear()


@dataclass(frozen=True, slots=True)
class ResourceAccessControls:
    """The two access controls of a resource."""

    incoming: AccessControl
    outgoing: AccessControl


async def create_access_controls(
    policies: Policies,
    attributes: AttributesSource,
    resource: Resource,
    *,
    authority: Identifier | None,
    expression: Expression | None,
    terminal_attributes: TerminalAttributes,
    clock: Callable[[], float],
    action: Action = Action.HANDLE_MESSAGE,
) -> ResourceAccessControls:
    """Return the access controls of a resource of a node.

    Args:
        policies: of the node.
        attributes: where it is kept what the authority says.
        resource: what is protected; it is stored.
        authority: of the node's project, if there is one.
        expression: the resource's own policy, stored in place of the one before; None: what is stored counts.
        terminal_attributes: finds the secure channel on a route.
        clock: seconds, that only grow; for the cache.
        action: what is done to the resource.

    Raises:
        UnstorablePolicy: the text of `expression` does not say the same.
        StorageError: it was not stored.
    """
    await policies.store_resource(resource)
    if expression is not None:
        await policies.store(resource.name, expression, action)
    elif authority is None:
        # Reference: a node without an authority, and a resource without a policy of its own, is open.
        log.warning("%s is open to everybody: it has no policy, and the node no authority", resource.name)
        return ResourceAccessControls(ALLOW_ALL, ALLOW_ALL)
    abac = Abac(attributes, authority, resource_environment(resource, action))
    decision = PolicyAccessControl(policies, abac, resource, action)
    return ResourceAccessControls(
        CachedAccessControl(IncomingPolicyAccessControl(decision), clock),
        CachedAccessControl(OutgoingPolicyAccessControl(decision, terminal_attributes), clock),
    )
