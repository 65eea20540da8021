"""The handshake pattern XX as a table of tokens.

Source: Noise Protocol Framework, section 7.5.
"""

from dataclasses import dataclass
from enum import Enum

__all__ = ["XX", "Pattern", "Role", "Token"]


class Role(Enum):
    """The initiator sends messages 1 and 3, the responder message 2."""

    INITIATOR = "initiator"
    RESPONDER = "responder"


class Token(Enum):
    """One step of a handshake message."""

    E = "e"
    S = "s"
    EE = "ee"
    ES = "es"
    SE = "se"


@dataclass(frozen=True, slots=True)
class Pattern:
    """The messages of a handshake in their order; the initiator sends the first, then sides alternate."""

    name: str
    messages: tuple[tuple[Token, ...], ...]

    def sender(self, index: int) -> Role:
        """Return who sends message number `index`, counted from 0."""
        return Role.INITIATOR if index % 2 == 0 else Role.RESPONDER


XX = Pattern(
    name="XX",
    messages=(
        # -> e
        (Token.E,),
        # <- e, ee, s, es
        (Token.E, Token.EE, Token.S, Token.ES),
        # -> s, se
        (Token.S, Token.SE),
    ),
)
