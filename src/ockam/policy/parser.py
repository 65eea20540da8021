"""Parses both grammars: the full one, and policies in either of the two.

The full grammar is s-expressions whose first word is an operator:

    (and (= subject.role "admin") (member? subject.site ["berlin" "paris"]))

Several values on the top level are one list: `= subject.a "b"` is `(= subject.a "b")`.

Source:
    reference ockam_abac/src/parser.rs, policy_expr.rs.
"""

from __future__ import annotations

import math
import re
from itertools import pairwise
from typing import Final

from ockam.policy.errors import PolicyParseError, PolicyTooLarge, TypeMismatch
from ockam.policy.expression import (
    MAX_DEPTH,
    MAX_TEXT_SIZE_BYTES,
    MIN_INT,
    Bool,
    Expression,
    Float,
    Ident,
    Int,
    List,
    Seq,
    Str,
    equals,
)
from ockam.policy.lexer import Token, TokenKind, tokens

__all__ = ["OPERATORS", "check_text_size", "parse_expression", "starts_with_operator"]

OPERATORS: Final = ("and", "or", "not", "if", "<", ">", "=", "!=", "member?", "exists?")

# Reference: `+-@` is a range, so a word may have , / 0-9 : ; < = > ? in it.
_IDENTIFIER: Final = re.compile(r"[a-zA-Z!$%&*/<=>?~_^][a-zA-Z0-9!$%&*/<=>?~_^.+-@]*")

_WORDS: Final = {
    TokenKind.WORD: "keyword",
    TokenKind.RESERVED: "reserved",
    TokenKind.ANNOTATION: "annotation",
}


def parse_expression(text: str) -> Expression:
    """Return the expression that a text of the full grammar spells.

    Raises:
        PolicyParseError: it spells none, or one that does not start with an operator.
        PolicyTooLarge: it is longer, deeper or has more parts than allowed.
    """
    check_text_size(text)
    values = _values(text)
    if not values:
        raise PolicyParseError("empty expression value")
    expression = values[0] if len(values) == 1 else List(tuple(values))
    if not starts_with_operator(expression):
        raise PolicyParseError(
            f"The first identifier of the expression: `{text}` must be an operation. "
            f"The available operations are: {', '.join(OPERATORS)}"
        )
    return expression


def check_text_size(text: str) -> None:
    """Refuse what is too long to be a policy, or is no text.

    Raises:
        PolicyParseError: half of a surrogate pair is in it.
        PolicyTooLarge: it is longer than MAX_TEXT_SIZE_BYTES.
    """
    if len(text) > MAX_TEXT_SIZE_BYTES:
        raise PolicyTooLarge(f"the text of a policy has more than {MAX_TEXT_SIZE_BYTES} bytes")
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise PolicyParseError("the text of a policy is not valid Unicode") from None
    if size > MAX_TEXT_SIZE_BYTES:
        raise PolicyTooLarge(f"the text of a policy has more than {MAX_TEXT_SIZE_BYTES} bytes")


def starts_with_operator(expression: Expression) -> bool:
    """Tell whether an expression is an operator, or a list that starts with one, on any level."""
    while isinstance(expression, List) and expression.items:
        expression = expression.items[0]
    return isinstance(expression, Ident) and expression.name in OPERATORS


def _values(text: str) -> list[Expression]:
    # One list of values per bracket that is open; the first is the top level.
    open_brackets: list[TokenKind] = []
    levels: list[list[Expression]] = [[]]
    for token in tokens(text):
        match token.kind:
            case TokenKind.LIST_START | TokenKind.SEQUENCE_START:
                if len(open_brackets) >= MAX_DEPTH:
                    raise PolicyTooLarge(f"the expression is nested more than {MAX_DEPTH} levels deep")
                open_brackets.append(token.kind)
                levels.append([])
            case TokenKind.LIST_END:
                if open_brackets and open_brackets.pop() is TokenKind.SEQUENCE_START:
                    raise PolicyParseError("'[' without matching ']'")
                # Reference: a `)` too many closes everything before it into one list.
                whole = List(tuple(levels.pop()))
                _put(levels, whole)
            case TokenKind.SEQUENCE_END:
                if open_brackets and open_brackets.pop() is TokenKind.LIST_START:
                    raise PolicyParseError("'(' without matching ')'")
                _put(levels, _sequence(levels.pop()))
            case _:
                levels[-1].append(_value(token))
    if open_brackets:
        raise PolicyParseError("unclosed '('" if open_brackets[-1] is TokenKind.LIST_START else "unclosed '['")
    return levels[0]


def _put(levels: list[list[Expression]], value: Expression) -> None:
    if levels:
        levels[-1].append(value)
    else:
        levels.append([value])


def _sequence(items: list[Expression]) -> Seq:
    for left, right in pairwise(items):
        try:
            equals(left, right)
        except TypeMismatch as error:
            raise PolicyParseError(error.message) from None
    return Seq(tuple(items))


def _value(token: Token) -> Expression:
    match token.kind:
        case TokenKind.STRING:
            return Str(token.text)
        case TokenKind.INTEGER:
            return _integer(token.text)
        case TokenKind.FLOAT:
            return _float(token.text)
        case TokenKind.NAME:
            return Ident(token.text)
        case TokenKind.WORD if token.text in ("true", "false"):
            return Bool(token.text == "true")
        case _ if _IDENTIFIER.fullmatch(token.text):
            return Ident(token.text)
        case kind:
            raise PolicyParseError(f"invalid {_WORDS[kind]} token '{token.text}'")


def _integer(text: str) -> Int:
    digits = text.replace("_", "")
    significant = digits.lstrip("+-").removeprefix("0x").lstrip("0") or "0"
    # Digits are counted before Python reads them: it has a limit, and an error, of its own.
    value = int(significant[:20], 16 if "0x" in digits else 10)
    if len(significant) > 20:
        value = 2**64
    if digits.startswith("-"):
        value = -value
    if value < MIN_INT:
        raise PolicyParseError("number too small to fit in target type")
    if value >= -MIN_INT:
        raise PolicyParseError("number too large to fit in target type")
    return Int(value)


def _float(text: str) -> Float:
    if text.lstrip("+-").startswith("nan"):
        return Float(math.nan)
    if "_" in text or "0x" in text:
        raise PolicyParseError("invalid float literal")
    return Float(float(text))
