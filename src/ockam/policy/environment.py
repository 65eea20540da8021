"""What the names in a policy mean: `subject.…`, `resource.…`, `action.…`.

    subject.identifier      text, `I` and 64 digits
    subject.has_credential  whether the authority attested anything; unbound without an authority
    subject.<key>           text, an attribute that the authority attested
    resource.id             text, the name of the resource
    action.id               text, `handle_message`

Source:
    reference ockam_abac/src/env.rs, abac/abac.rs.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ockam.policy.errors import UnboundIdentifier
from ockam.policy.expression import Bool, Expression, Str

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ockam.identity.identifier import Identifier
    from ockam.policy.resource import Action, Resource

__all__ = ["EMPTY_ENVIRONMENT", "Environment", "resource_environment"]

log = logging.getLogger("ockam.policy")

_IDENTIFIER: Final = "subject.identifier"
_HAS_CREDENTIAL: Final = "subject.has_credential"


class Environment:
    """Names and what they stand for. Never changes."""

    __slots__ = ("_bindings",)

    def __init__(self, bindings: Mapping[str, Expression] | None = None) -> None:
        self._bindings: dict[str, Expression] = dict(bindings or {})

    def value(self, name: str) -> Expression:
        """Return what a name stands for.

        Raises:
            UnboundIdentifier: nothing.
        """
        try:
            return self._bindings[name]
        except KeyError:
            raise UnboundIdentifier(f"unbound identifier: {name}") from None

    def __contains__(self, name: str) -> bool:
        return name in self._bindings

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._bindings))

    def bind(self, name: str, value: Expression) -> Environment:
        """Return an environment in which a name stands for a value."""
        return Environment({**self._bindings, name: value})

    def with_subject(self, identifier: Identifier) -> Environment:
        """Return the environment for a subject of which no authority says anything."""
        return self.bind(_IDENTIFIER, Str(str(identifier)))

    def with_attributes(self, identifier: Identifier, attributes: Mapping[bytes, bytes] | None) -> Environment:
        """Return the environment for a subject of which an authority says something, or nothing (None).

        Keys and values that are not UTF-8 are left out. No attribute takes the place of a name that is bound.
        """
        environment = self.with_subject(identifier).bind(_HAS_CREDENTIAL, Bool(attributes is not None))
        bindings = environment._bindings
        for key, value in sorted((attributes or {}).items()):
            try:
                name, text = key.decode(), value.decode()
            except UnicodeDecodeError:
                log.warning("an attribute of %s is not UTF-8, policies do not see it", identifier)
                continue
            # Reference: looks for the key alone, so that a credential with the attribute `identifier` makes its
            # subject somebody else, and one with `has_credential` a text of its choice.
            if name in bindings or f"subject.{name}" in bindings:
                log.warning("the attribute %r of %s is ignored: that name is taken", name, identifier)
                continue
            bindings[f"subject.{name}"] = Str(text)
        return environment

    def __repr__(self) -> str:
        return f"Environment({', '.join(f'{name}={self._bindings[name]}' for name in self)})"


EMPTY_ENVIRONMENT: Final = Environment()


def resource_environment(resource: Resource, action: Action) -> Environment:
    """Return what a node's service binds for everybody."""
    return Environment({"resource.id": Str(resource.name), "action.id": Str(action.text)})
