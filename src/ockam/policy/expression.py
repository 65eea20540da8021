"""Policy expressions as values, their encoding and their text.

    Expr    [variant, [field]]      1 text, 2 int 64, 3 float 64, 4 bool, 5 identifier (text),
                                    6 sequence ([Expr]), 7 list ([Expr])

    true                            82 04 81 f5
    (= subject.a "b")               82 07 81 83  82 05 81 61 3d  82 05 81 69 …  82 01 81 61 62

No expression larger than the limits below can be made, whoever makes it: what works on one may recurse.

Source:
    reference ockam_abac/src/expr.rs.
"""

from __future__ import annotations

import math
import struct
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from ockam.encoding.cbor import Decoder, encode_array, encode_bool, encode_enum, encode_int, encode_text
from ockam.errors import DecodeError
from ockam.policy.errors import PolicyTooLarge, TypeMismatch

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "HAS_CREDENTIAL",
    "MAX_DEPTH",
    "MAX_ITEMS",
    "MAX_SEQUENCE",
    "MAX_TEXT_SIZE_BYTES",
    "MIN_INT",
    "UNIT",
    "Bool",
    "Expression",
    "Float",
    "Ident",
    "Int",
    "List",
    "Seq",
    "Str",
    "call",
    "compare",
    "decode_expression",
    "equals",
    "read_expression",
]

# Chosen by us; the reference has no limits.
MAX_DEPTH: Final = 128
"""Lists and sequences inside one another."""
MAX_ITEMS: Final = 4096
"""Parts of an expression, all levels together."""
MAX_SEQUENCE: Final = 1024
"""Elements of one sequence, or of one list."""
MAX_TEXT_SIZE_BYTES: Final = 16 * 1024
"""Of the text of an expression, and of a text in it."""

MIN_INT: Final = -(2**63)
MAX_INT: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Str:
    """A text."""

    value: str

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(1, encode_text(self.value))

    def __str__(self) -> str:
        return quote(self.value)


@dataclass(frozen=True, slots=True)
class Int:
    """A signed integer of 64 bits."""

    value: int

    def __post_init__(self) -> None:
        """Check the range."""
        if not MIN_INT <= self.value <= MAX_INT:
            raise PolicyTooLarge("an integer has more than 64 bits")

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(2, encode_int(self.value))

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Float:
    """A floating point number of 64 bits."""

    value: float

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(3, b"\xfb" + struct.pack(">d", self.value))

    def __str__(self) -> str:
        if math.isnan(self.value):
            return "nan"
        if math.isinf(self.value):
            return "+inf" if self.value > 0 else "-inf"
        # Reference: 1e16 and 1e-5 where Python says 1e+16 and 1e-05; both leave plain digits at the same sizes.
        mantissa, exponent, power = repr(self.value).partition("e")
        return f"{mantissa}e{int(power)}" if exponent else mantissa


@dataclass(frozen=True, slots=True)
class Bool:
    """True or false."""

    value: bool

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(4, encode_bool(self.value))

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class Ident:
    """A name: an operator, or what the environment binds, as `subject.role`."""

    name: str

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(5, encode_text(self.name))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Seq:
    """A sequence of values.

    Raises:
        PolicyTooLarge: too many parts, or too deep.
    """

    items: tuple[Expression, ...]
    depth: int = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Measure it."""
        depth, size = _measure(self.items)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "size", size)

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(6, encode_array(*(item.encode() for item in self.items)))

    def __str__(self) -> str:
        return f"[{' '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class List:
    """An operator and its arguments; without items, nothing.

    Raises:
        PolicyTooLarge: too many parts, or too deep.
    """

    items: tuple[Expression, ...]
    depth: int = field(init=False, repr=False, compare=False)
    size: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Measure it."""
        depth, size = _measure(self.items)
        object.__setattr__(self, "depth", depth)
        object.__setattr__(self, "size", size)

    def encode(self) -> bytes:
        """Return the encoded expression."""
        return encode_enum(7, encode_array(*(item.encode() for item in self.items)))

    def __str__(self) -> str:
        return f"({' '.join(map(str, self.items))})"


Expression: TypeAlias = Str | Int | Float | Bool | Ident | Seq | List

# ---- size ------------------------------------------------------------------------------------------------------------


def _measure(items: Iterable[Expression]) -> tuple[int, int]:
    depth, size, count = 0, 1, 0
    for item in items:
        count += 1
        if isinstance(item, Seq | List):
            depth = max(depth, item.depth)
            size += item.size
        else:
            size += 1
    if depth >= MAX_DEPTH:
        raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
    if size > MAX_ITEMS:
        raise PolicyTooLarge(f"the expression has more than {MAX_ITEMS} parts")
    if count > MAX_SEQUENCE:
        raise PolicyTooLarge(f"a list or sequence of the expression has more than {MAX_SEQUENCE} elements")
    return depth + 1, size


UNIT: Final = List(())
"""The empty list."""


def call(operator: str, *arguments: Expression) -> List:
    """Return the list `(operator arguments…)`."""
    return List((Ident(operator), *arguments))


HAS_CREDENTIAL: Final = call("=", Ident("subject.has_credential"), Bool(True))
"""The default policy: whoever has any credential of the authority."""


# ---- comparing -------------------------------------------------------------------------------------------------------


def equals(left: Expression, right: Expression) -> bool:
    """Tell whether two values are equal; sequences of different length are unequal, whatever is in them.

    Raises:
        TypeMismatch: before a difference was found, values of different types met.
    """
    stack = [(left, right)]
    while stack:
        match stack.pop():
            case (Seq(first), Seq(second)) | (List(first), List(second)):
                if len(first) != len(second):
                    return False
                stack.extend(zip(reversed(first), reversed(second), strict=True))
            case (Str(a), Str(b)) | (Ident(a), Ident(b)):
                if a != b:
                    return False
            case (Int(x), Int(y)) | (Float(x), Float(y)) | (Bool(x), Bool(y)):
                if x != y:
                    return False
            case different:
                raise TypeMismatch(f"{different[0]} and {different[1]} are not of the same type")
    return True


def compare(left: Expression, right: Expression) -> int | None:
    """Return the order of two values: negative, 0, positive; None where there is none (NaN).

    Texts are ordered by their UTF-8, false before true, sequences by length, then element by element.

    Raises:
        TypeMismatch: before a difference was found, values of different types met.
    """
    stack = [(left, right)]
    while stack:
        result: int | None
        match stack.pop():
            case (Seq(first), Seq(second)) | (List(first), List(second)):
                result = len(first) - len(second)
                if result == 0:
                    stack.extend(zip(reversed(first), reversed(second), strict=True))
            case (Str(a), Str(b)) | (Ident(a), Ident(b)):
                result = (a > b) - (a < b)
            case (Int(x), Int(y)) | (Float(x), Float(y)) | (Bool(x), Bool(y)):
                # NaN is neither below, nor above, nor equal.
                result = -1 if x < y else 1 if x > y else 0 if x == y else None
            case different:
                raise TypeMismatch(f"{different[0]} and {different[1]} are not of the same type")
        if result != 0:
            return result
    return 0


# ---- reading ---------------------------------------------------------------------------------------------------------


def read_expression(decoder: Decoder) -> Expression:
    """Read an expression. Takes unauthenticated bytes.

    Raises:
        DecodeError: another shape, or larger than an expression may be.
    """
    # A decoder allows as much nesting as messages have; expressions have a limit of their own.
    outside = decoder.depth
    decoder.depth = 0
    try:
        return _Reader(decoder).read(0)
    except PolicyTooLarge as error:
        raise DecodeError(error.message) from None
    finally:
        decoder.depth = outside


def decode_expression(data: bytes) -> Expression:
    """Return the expression at the start of unauthenticated `data`; what follows it is ignored.

    Raises:
        DecodeError: another shape, or larger than an expression may be.
    """
    return read_expression(Decoder(data))


class _Reader:
    """Reads one expression, and gives up as soon as it is too large."""

    __slots__ = ("_decoder", "_parts")

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._parts = 0

    def read(self, depth: int) -> Expression:
        self._parts += 1
        if self._parts > MAX_ITEMS:
            raise PolicyTooLarge(f"the expression has more than {MAX_ITEMS} parts")
        decoder = self._decoder
        variant = decoder.enum()
        # Two arrays per level: the fields, and the items.
        decoder.depth = 0
        fields = decoder.array()
        fields.require()
        expression: Expression
        match variant:
            case 1:
                expression = Str(decoder.text(MAX_TEXT_SIZE_BYTES))
            case 2:
                expression = Int(decoder.int(64))
            case 3:
                expression = Float(_read_float(decoder))
            case 4:
                expression = Bool(decoder.bool())
            case 5:
                expression = Ident(decoder.text(MAX_TEXT_SIZE_BYTES))
            case 6:
                expression = Seq(self._items(depth))
            case 7:
                expression = List(self._items(depth))
            case _:
                raise DecodeError("an expression of an unknown kind")
        decoder.depth = 1
        fields.close()
        return expression

    def _items(self, depth: int) -> tuple[Expression, ...]:
        if depth >= MAX_DEPTH:
            raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
        elements = self._decoder.array()
        items: list[Expression] = []
        while elements.next():
            items.append(self.read(depth + 1))
        return tuple(items)


_FLOATS: Final = {0xFA: (">f", 4), 0xFB: (">d", 8)}


def _read_float(decoder: Decoder) -> float:
    start = decoder.position + 1
    kind = _FLOATS.get(decoder.data[start - 1]) if decoder.remaining() else None
    if kind is None:
        raise DecodeError("a floating point number is expected")
    form, size = kind
    if decoder.remaining() <= size:
        raise DecodeError("cut: the value is not complete")
    decoder.position = start + size
    value: float = struct.unpack(form, decoder.data[start : start + size])[0]
    return value


# ---- printing --------------------------------------------------------------------------------------------------------

_ESCAPES: Final = {"\t": "\\t", "\r": "\\r", "\n": "\\n", '"': '\\"', "\\": "\\\\"}
# Marks that join the character before them, beside the categories Mn and Me.
_JOINING: Final = frozenset("\u200c\uff9e\uff9f")


def quote(text: str) -> str:
    r"""Return a text in double quotes, as Rust's debug form has it.

    Reference: Rust spells NUL `\0`, which the lexer reads together with the next character; here it is `\u{0}`.
    """
    return f'"{"".join(map(_escape, text))}"' if not _is_plain(text) else f'"{text}"'


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and '"' not in text and "\\" not in text


def _escape(character: str) -> str:
    escape = _ESCAPES.get(character)
    if escape is not None:
        return escape
    joins = unicodedata.category(character) in ("Mn", "Me") or character in _JOINING
    return character if character.isprintable() and not joins else f"\\u{{{ord(character):x}}}"
