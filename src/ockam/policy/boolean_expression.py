"""The shorthand: names, `and`, `or`, `not`, parentheses; and policies in either grammar.

    expr  := and ("or" and)*            and binds tighter, not tighter still
    and   := not ("and" not)*
    not   := "not" not | "(" expr ")" | name
    name  := [A-Za-z_-] [A-Za-z0-9._-]*  [ "=" ( '"' one or more, no '"' '"' | [A-Za-z0-9._-]+ ) ]

Operators and parentheses take the blanks around them. Reference: words need no edge, so `notes` is `not es` and
`a andb` is `a and b`; a blank before the first name, or behind the last, is an error.

    BooleanExpr         [variant, [fields]]     0 name, 1 name and value, 2 identifier (texts),
                                                3 or, 4 and (two each), 5 not, 6 nothing (82 06 80)
    PolicyExpression    [variant, [field]]      0 full expression, 1 boolean expression

Source:
    reference ockam_abac/src/boolean_expr.rs, policy_expr.rs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from ockam.encoding.cbor import Decoder, encode_enum, encode_text
from ockam.errors import DecodeError
from ockam.identity.errors import InvalidIdentifier
from ockam.identity.identifier import Identifier
from ockam.policy.errors import PolicyParseError, PolicyTooLarge
from ockam.policy.expression import (
    MAX_DEPTH,
    MAX_ITEMS,
    MAX_TEXT_SIZE_BYTES,
    UNIT,
    Expression,
    Ident,
    Str,
    call,
    read_expression,
)
from ockam.policy.parser import check_text_size, parse_expression

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "And",
    "BooleanExpression",
    "Empty",
    "IdentifierIs",
    "Name",
    "NameValue",
    "Not",
    "Or",
    "PolicyExpression",
    "decode_boolean_expression",
    "parse_boolean_expression",
    "read_boolean_expression",
]


@dataclass(frozen=True, slots=True)
class Name:
    """The attribute of this name is the text `true`."""

    name: str

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(0, encode_text(self.name))

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("=", Ident(f"subject.{self.name}"), Str("true"))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class NameValue:
    """The attribute of this name is that text."""

    name: str
    value: str

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(1, encode_text(self.name), encode_text(self.value))

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("=", Ident(f"subject.{self.name}"), Str(self.value))

    def __str__(self) -> str:
        return f'{self.name}="{self.value}"' if " " in self.value else f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class IdentifierIs:
    """The subject is this identity.

    Reference: the text is kept as written, and compared as text: in capital digits it is nobody.
    """

    identifier: str

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(2, encode_text(self.identifier))

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("=", Ident("subject.identifier"), Str(self.identifier))

    def __str__(self) -> str:
        return self.identifier


@dataclass(frozen=True, slots=True)
class _Binary:
    left: BooleanExpression
    right: BooleanExpression
    measure: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Measure it."""
        object.__setattr__(self, "measure", _measure(self.left, self.right))


@dataclass(frozen=True, slots=True)
class Or(_Binary):
    """One of two.

    Raises:
        PolicyTooLarge: too deep.
    """

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(3, self.left.encode(), self.right.encode())

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("or", self.left.expression(), self.right.expression())

    def __str__(self) -> str:
        return _text(self)


@dataclass(frozen=True, slots=True)
class And(_Binary):
    """Both.

    Raises:
        PolicyTooLarge: too deep.
    """

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(4, self.left.encode(), self.right.encode())

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("and", self.left.expression(), self.right.expression())

    def __str__(self) -> str:
        return _text(self)


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite.

    Raises:
        PolicyTooLarge: too deep.
    """

    operand: BooleanExpression
    measure: tuple[int, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Measure it."""
        object.__setattr__(self, "measure", _measure(self.operand))

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(5, self.operand.encode())

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return call("not", self.operand.expression())

    def __str__(self) -> str:
        return _text(self)


@dataclass(frozen=True, slots=True)
class Empty:
    """Nothing; it has no truth value, and no text."""

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(6)

    def expression(self) -> Expression:
        """Return the same in the full grammar."""
        return UNIT

    def __str__(self) -> str:
        return ""


BooleanExpression: TypeAlias = Name | NameValue | IdentifierIs | Or | And | Not | Empty


# Of `(= subject.a "true")`: one level, and the list with its three items.
_NAME_MEASURE: Final = (1, 4)


def _measure(*operands: BooleanExpression) -> tuple[int, int]:
    """Return the depth and the number of parts that an operation has in the full grammar."""
    measures = [operand.measure if isinstance(operand, Or | And | Not) else _NAME_MEASURE for operand in operands]
    depth = 1 + max(depth for depth, _ in measures)
    size = 2 + sum(size for _, size in measures)
    if depth > MAX_DEPTH:
        raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
    if size > MAX_ITEMS:
        raise PolicyTooLarge(f"the expression has more than {MAX_ITEMS} parts")
    return depth, size


def _text(expression: BooleanExpression) -> str:
    # Reference: only every second level gets parentheses, so that `not (not (a or b))` is printed as
    # `not (not a or b)`, which says something else. Its text is used where it reads as the same.
    text = _reference_text(expression)
    try:
        same = parse_boolean_expression(text) == expression
    except PolicyParseError:
        same = False
    return text if same else _operation(expression, _parenthesized)


def _reference_text(expression: BooleanExpression) -> str:
    def nested(operand: BooleanExpression) -> str:
        text = _operation(operand, _reference_text)
        return f"({text})" if isinstance(operand, Or | And | Not) else text

    return _operation(expression, nested)


def _parenthesized(operand: BooleanExpression) -> str:
    text = _operation(operand, _parenthesized)
    return f"({text})" if isinstance(operand, Or | And | Not) else text


def _operation(expression: BooleanExpression, operand_text: Callable[[BooleanExpression], str]) -> str:
    match expression:
        case Or(left, right):
            return f"{operand_text(left)} or {operand_text(right)}"
        case And(left, right):
            return f"{operand_text(left)} and {operand_text(right)}"
        case Not(operand):
            return f"not {operand_text(operand)}"
        case name:
            return str(name)


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_boolean_expression(decoder: Decoder) -> BooleanExpression:
    """Read a boolean expression. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape, or nested too deeply.
    """
    # A decoder allows as much nesting as messages have; expressions have a limit of their own.
    outside = decoder.depth
    decoder.depth = 0
    try:
        return _read(decoder, 1)
    except PolicyTooLarge as error:
        raise DecodeError(error.message) from None
    finally:
        decoder.depth = outside


def decode_boolean_expression(data: bytes) -> BooleanExpression:
    """Return the boolean expression at the start of unauthenticated `data`; what follows it is ignored.

    Raises:
        DecodeError: another shape, or nested too deeply.
    """
    return read_boolean_expression(Decoder(data))


def _read(decoder: Decoder, depth: int) -> BooleanExpression:
    if depth > MAX_DEPTH:
        raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
    variant = decoder.enum()
    if variant == 6:
        decoder.skip()
        return Empty()
    decoder.depth = 0
    fields = decoder.array()
    fields.require()
    expression: BooleanExpression
    match variant:
        case 0:
            expression = Name(decoder.text(MAX_TEXT_SIZE_BYTES))
        case 1:
            name = decoder.text(MAX_TEXT_SIZE_BYTES)
            fields.require()
            expression = NameValue(name, decoder.text(MAX_TEXT_SIZE_BYTES))
        case 2:
            expression = IdentifierIs(decoder.text(MAX_TEXT_SIZE_BYTES))
        case 3 | 4:
            left = _read(decoder, depth + 1)
            decoder.depth = 1
            fields.require()
            right = _read(decoder, depth + 1)
            expression = Or(left, right) if variant == 3 else And(left, right)
        case 5:
            expression = Not(_read(decoder, depth + 1))
        case _:
            raise DecodeError("a boolean expression of an unknown kind")
    decoder.depth = 1
    fields.close()
    return expression


# ---- parsing ---------------------------------------------------------------------------------------------------------

_BLANKS: Final = r"[ \t\r\n]*"
_OR: Final = re.compile(rf"{_BLANKS}or{_BLANKS}")
_AND: Final = re.compile(rf"{_BLANKS}and{_BLANKS}")
_NOT: Final = re.compile(rf"{_BLANKS}not{_BLANKS}")
_OPEN: Final = re.compile(rf"{_BLANKS}\({_BLANKS}")
_CLOSE: Final = re.compile(rf"{_BLANKS}\){_BLANKS}")
_NAME: Final = re.compile(r"[A-Za-z_-][A-Za-z0-9._-]*")
_QUOTED: Final = re.compile(r'="([^"]+)"')
_VALUE: Final = re.compile(r"=([A-Za-z0-9._-]+)")

_NAME_EXPECTED: Final = (
    "an alphanumerical name, separated with '.', '-' or '_'. The first character cannot be a digit or a '.'"
)
_VALUE_EXPECTED: Final = "the value can't be empty"


def parse_boolean_expression(text: str) -> BooleanExpression:
    """Return the expression that a text of the shorthand spells.

    Raises:
        PolicyParseError: it spells none.
        PolicyTooLarge: it is too long, or too deep.
    """
    check_text_size(text)
    parser = _Parser(text)
    expression = parser.expression(0)
    if expression is None:
        raise PolicyParseError(f"expected `{parser.expected}`")
    rest = text[parser.position :]
    if rest:
        raise PolicyParseError(f"successfully parsed: `{expression}`, but `{rest}` cannot be parsed")
    return expression


class _Parser:
    """Recursive descent. A method that finds nothing returns None and leaves the position where it was.

    Attributes:
        position: of the first character that was not read yet.
        expected: what the last name should have been.
    """

    __slots__ = ("_text", "expected", "position")

    def __init__(self, text: str) -> None:
        self._text = text
        self.position = 0
        self.expected = _NAME_EXPECTED

    def expression(self, depth: int) -> BooleanExpression | None:
        either: BooleanExpression | None = None
        while True:
            before = self.position
            both = self._operand(depth) if either is None or self._eat(_OR) else None
            if both is None:
                self.position = before
                return either
            both = self._conjunction(both, depth)
            either = both if either is None else Or(either, both)

    def _conjunction(self, both: BooleanExpression, depth: int) -> BooleanExpression:
        while True:
            before = self.position
            operand = self._operand(depth) if self._eat(_AND) else None
            if operand is None:
                self.position = before
                return both
            both = And(both, operand)

    def _operand(self, depth: int) -> BooleanExpression | None:
        if depth > MAX_DEPTH:
            raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
        start = self.position
        if self._eat(_NOT):
            operand = self._operand(depth + 1)
            if operand is not None:
                return Not(operand)
            self.position = start
        if self._eat(_OPEN):
            inside = self.expression(depth + 1)
            if inside is not None and self._eat(_CLOSE):
                return inside
            self.position = start
        return self._name()

    def _name(self) -> BooleanExpression | None:
        found = _NAME.match(self._text, self.position)
        if found is None:
            self.expected = _NAME_EXPECTED
            return None
        name, end = found[0], found.end()
        if _is_identifier(name):
            self.position = end
            return IdentifierIs(name)
        if not self._text.startswith("=", end):
            self.position = end
            return Name(name)
        # A quote decides: what it opens is a quoted value or nothing.
        pattern = _QUOTED if self._text.startswith('="', end) else _VALUE
        value = pattern.match(self._text, end)
        if value is None:
            self.expected = _VALUE_EXPECTED
            return None
        self.position = value.end()
        return NameValue(name, value[1])

    def _eat(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self.position)
        if found is None:
            return False
        self.position = found.end()
        return True


def _is_identifier(name: str) -> bool:
    try:
        Identifier.parse(name)
    except InvalidIdentifier:
        return False
    return True


# ---- policies --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PolicyExpression:
    """A policy as somebody wrote it, in one of the two grammars."""

    source: Expression | BooleanExpression

    @classmethod
    def parse(cls, text: str) -> PolicyExpression:
        """Return the policy that a text spells: in the shorthand, or else in the full grammar.

        Raises:
            PolicyParseError: in neither; the message has both reasons.
        """
        try:
            return cls(parse_boolean_expression(text))
        except PolicyParseError as error:
            shorthand = error
        try:
            return cls(parse_expression(text))
        except PolicyParseError as error:
            message = (
                "Cannot parse the expression as either a simple boolean expression or a full policy expression:\n"
                f" - {shorthand}\n - {error}"
            )
            both = type(error) if type(shorthand) is type(error) else PolicyParseError
            raise both(message) from None

    @property
    def expression(self) -> Expression:
        """The policy in the full grammar, as it is stored and evaluated."""
        source = self.source
        return source.expression() if isinstance(source, _BOOLEAN) else source

    def encode(self) -> bytes:
        """Return the encoded policy."""
        return encode_enum(1 if isinstance(self.source, _BOOLEAN) else 0, self.source.encode())

    @classmethod
    def read(cls, decoder: Decoder) -> PolicyExpression:
        """Read a policy. Takes unauthenticated bytes.

        Raises:
            DecodeError: another shape, or too large.
        """
        variant = decoder.enum()
        if variant > 1:
            raise DecodeError("a policy of an unknown kind")
        fields = decoder.array()
        fields.require()
        source = read_boolean_expression(decoder) if variant == 1 else read_expression(decoder)
        fields.close()
        return cls(source)

    @classmethod
    def decode(cls, data: bytes) -> PolicyExpression:
        """Return the policy at the start of unauthenticated `data`; what follows it is ignored.

        Raises:
            DecodeError: another shape, or too large.
        """
        return cls.read(Decoder(data))

    def __str__(self) -> str:
        return str(self.source)


_BOOLEAN: Final = (Name, NameValue, IdentifierIs, Or, And, Not, Empty)
