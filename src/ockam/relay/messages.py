"""Registration of a relay: one BARE string each way.

    request, to `static_forwarding_service`   the name that is wanted
    request, to `forwarding_service`          "register": any name
    confirmation, from the relay itself       Rust: prefix and name; Elixir: the name

There is no refusal: a service that does not want to says nothing.

Source: reference ockam/src/relay_service/, ockam/src/remote/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ockam.errors import Kind, Misuse, Origin, PeerError

if TYPE_CHECKING:
    from ockam.core.address import Address
    from ockam.core.route import Route

__all__ = [
    "EPHEMERAL",
    "FORWARDING_SERVICE",
    "MAX_NAME_CHARACTERS",
    "RELAY_PREFIX",
    "STATIC_FORWARDING_SERVICE",
    "InvalidRelayName",
    "RelayRefused",
    "check_name",
    "confirms",
]

# Fixed by the reference.
FORWARDING_SERVICE: Final = "forwarding_service"
STATIC_FORWARDING_SERVICE: Final = "static_forwarding_service"
RELAY_PREFIX: Final = "forward_to_"
EPHEMERAL: Final = "register"

# Chosen by us.
MAX_NAME_CHARACTERS: Final = 128


class InvalidRelayName(Misuse):
    """Not a name for a relay: 1 to 128 printable characters, without `#`."""

    default_origin = Origin.CORE
    default_kind = Kind.INVALID


class RelayRefused(PeerError):
    """The relay service confirmed something else than was asked for."""

    default_origin = Origin.OTHER


def check_name(name: str) -> str:
    """Return `name` (of our program, or unauthenticated).

    Raises:
        InvalidRelayName: it cannot be one. The reference takes `#` for the end of an address type, and panics.
    """
    if not name or len(name) > MAX_NAME_CHARACTERS or "#" in name or not name.isprintable():
        raise InvalidRelayName
    return name


def confirms(onward_route: Route, own: Address, return_route: Route, body: str, name: str) -> Address | None:
    """Return the relay's address if a message is the confirmation that was waited for, None if it is none.

    Args:
        onward_route: has to lead to us and no further.
        own: our address.
        body: has to end with `name`, unless any name was asked for.
    """
    if onward_route.addresses != (own,) or not return_route.addresses:
        return None
    if name != EPHEMERAL and not body.endswith(name):
        return None
    relay = return_route.recipient
    return relay if relay.is_local else None
