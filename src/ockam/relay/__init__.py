"""Relays: a node that nobody can connect to registers at one that everybody can, and is reached through it."""

from ockam.relay.messages import (
    FORWARDING_SERVICE,
    RELAY_PREFIX,
    STATIC_FORWARDING_SERVICE,
    RelayRefused,
    confirms,
)

__all__ = ["FORWARDING_SERVICE", "RELAY_PREFIX", "STATIC_FORWARDING_SERVICE", "RelayRefused", "confirms"]
