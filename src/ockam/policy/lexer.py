r"""Tokens of the full grammar: WebAssembly's text format.

    blank       space, tab, CR, LF; `;; …` to the end of the line; `(; … ;)`, nested
    run         idchars and strings without blanks between them, as long as possible
    idchar      0-9 A-Z a-z ! # $ % & ' * + - . / : < = > ? @ \ ^ _ ` | ~
    string      "…" with \" \' \t \n \r \\ \u{hex} and \hh, a raw byte

A run is a string, an integer, a float, `$name`, `@name`, or a word.

Source:
    crate wast 220, src/lexer.rs, as the reference's ockam_abac/src/parser.rs uses it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from ockam.policy.errors import PolicyParseError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Token", "TokenKind", "tokens"]


class TokenKind(Enum):
    """What a token is."""

    LIST_START = auto()
    LIST_END = auto()
    SEQUENCE_START = auto()
    SEQUENCE_END = auto()
    STRING = auto()
    INTEGER = auto()
    FLOAT = auto()
    NAME = auto()
    """`$name`: anything."""
    ANNOTATION = auto()
    """`@name`: only what a word may be."""
    WORD = auto()
    RESERVED = auto()
    """What WebAssembly reserves: operators, but also what nobody may write."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and its text: of a string its contents, of a name what follows the sigil, else as written."""

    kind: TokenKind
    text: str


_BRACKETS: Final = {
    ")": TokenKind.LIST_END,
    "[": TokenKind.SEQUENCE_START,
    "]": TokenKind.SEQUENCE_END,
}
_BLANK: Final = re.compile(r"[ \t\r\n]+")
_LINE_COMMENT: Final = re.compile(r";;[^\r\n]*")
_COMMENT_EDGE: Final = re.compile(r"\(;|;\)")
_IDCHARS: Final = re.compile(r"[0-9A-Za-z!#$%&'*+\-./:<=>?@\\^_`|~]+")
_PLAIN: Final = re.compile(r'[^"\\\x00-\x1f\x7f]+')
_CONFUSING: Final = re.compile(r"[\u202a\u202b\u202d\u202e\u2066-\u2069\u206c]")
_HEX_NUMBER: Final = re.compile(r"[0-9a-fA-F][0-9a-fA-F_]*")
_HEX_BYTE: Final = re.compile(r"[0-9a-fA-F]{2}")
_INTEGER: Final = re.compile(r"[+-]?(?:0x[0-9a-fA-F](?:_?[0-9a-fA-F])*|[0-9](?:_?[0-9])*)")
_DECIMAL: Final = r"[0-9](?:_?[0-9])*"
_HEX: Final = r"[0-9a-fA-F](?:_?[0-9a-fA-F])*"
_FLOAT: Final = re.compile(
    rf"[+-]?(?:inf|nan|nan:0x{_HEX}|{_DECIMAL}(?:\.(?:{_DECIMAL})?)?(?:[eE][+-]?{_DECIMAL})?"
    rf"|0x{_HEX}(?:\.(?:{_HEX})?)?(?:[pP][+-]?{_DECIMAL})?)"
)
_ESCAPES: Final = {'"': b'"', "'": b"'", "t": b"\t", "n": b"\n", "r": b"\r", "\\": b"\\"}


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens of a text, without blanks and comments.

    Raises:
        PolicyParseError: a character, string or comment that the grammar does not know.
    """
    position = 0
    while position < len(text):
        character = text[position]
        if (blank := _BLANK.match(text, position)) is not None:
            position = blank.end()
        elif text.startswith("(;", position):
            position = _skip_block_comment(text, position)
        elif text.startswith(";;", position):
            position = _skip_line_comment(text, position)
        elif character == "(":
            position += 1
            yield Token(TokenKind.LIST_START, character)
        elif character in _BRACKETS:
            position += 1
            yield Token(_BRACKETS[character], character)
        elif character in ",;{}":
            position += 1
            yield Token(TokenKind.RESERVED, character)
        elif character == '"' or _IDCHARS.match(character):
            token, position = _run(text, position)
            yield token
        else:
            raise _error(text, position, f"unexpected character {_shown(character)}")


def _skip_line_comment(text: str, start: int) -> int:
    comment = _LINE_COMMENT.match(text, start)
    assert comment is not None  # the caller saw how it begins
    return _check_comment(text, start, comment.end())


def _skip_block_comment(text: str, start: int) -> int:
    level, position = 1, start + 2
    while level:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            raise _error(text, start, "unterminated block comment")
        level += 1 if edge[0] == "(;" else -1
        position = edge.end()
    return _check_comment(text, start, position)


def _check_comment(text: str, start: int, end: int) -> int:
    confusing = _CONFUSING.search(text, start, end)
    if confusing is not None:
        raise _error(text, confusing.start(), f"likely-confusing unicode character found {_shown(confusing[0])}")
    return end


def _run(text: str, start: int) -> tuple[Token, int]:
    position, idchars, strings, contents = start, 0, 0, b""
    while position < len(text):
        if (found := _IDCHARS.match(text, position)) is not None:
            idchars += found.end() - position
            position = found.end()
        elif text[position] == '"':
            strings += 1
            contents, position = _string(text, position + 1)
        else:
            break
    source = text[start:position]
    return _classify(text, start, source, idchars, strings, contents), position


def _classify(text: str, start: int, source: str, idchars: int, strings: int, contents: bytes) -> Token:
    sigil = source[0]
    if strings == 0:
        if _INTEGER.fullmatch(source):
            return Token(TokenKind.INTEGER, source)
        if _FLOAT.fullmatch(source):
            return Token(TokenKind.FLOAT, source)
        if sigil == "$":
            return _named(text, start, TokenKind.NAME, source[1:])
        if sigil == "@":
            return _named(text, start, TokenKind.ANNOTATION, source[1:])
        return Token(TokenKind.WORD if "a" <= sigil <= "z" else TokenKind.RESERVED, source)
    if (idchars, strings) == (0, 1):
        return Token(TokenKind.STRING, _utf8(text, start, contents))
    if (idchars, strings) == (1, 1) and sigil == "$":
        return _named(text, start, TokenKind.NAME, _utf8(text, start, contents))
    if (idchars, strings) == (1, 1) and sigil == "@":
        return _named(text, start, TokenKind.ANNOTATION, _utf8(text, start, contents))
    return Token(TokenKind.RESERVED, source)


def _named(text: str, start: int, kind: TokenKind, name: str) -> Token:
    if not name:
        raise _error(text, start, "empty identifier" if kind is TokenKind.NAME else "empty annotation id")
    return Token(kind, name)


def _string(text: str, position: int) -> tuple[bytes, int]:
    """Return the bytes of a string, and where it ends; `position` is behind its opening quote."""
    contents = bytearray()
    while True:
        if (plain := _PLAIN.match(text, position)) is not None:
            confusing = _CONFUSING.search(plain[0])
            if confusing is not None:
                problem = f"likely-confusing unicode character found {_shown(confusing[0])}"
                raise _error(text, position + confusing.start(), problem)
            contents += plain[0].encode()
            position = plain.end()
        character = text[position : position + 1]
        if not character:
            raise _error(text, position, "unexpected end of the text in a string")
        if character == '"':
            return bytes(contents), position + 1
        if character != "\\":
            raise _error(text, position, f"invalid character in string {_shown(character)}")
        escaped, position = _escape(text, position + 1)
        contents += escaped


def _escape(text: str, position: int) -> tuple[bytes, int]:
    character = text[position : position + 1]
    if character in _ESCAPES:
        return _ESCAPES[character], position + 1
    if (byte := _HEX_BYTE.match(text, position)) is not None:
        return bytes.fromhex(byte[0]), position + 2
    if character != "u":
        raise _error(text, position, "invalid string escape")
    number = _HEX_NUMBER.match(text, position + 2)
    if number is None or text[position + 1] != "{" or text[number.end() : number.end() + 1] != "}":
        raise _error(text, position, "invalid string escape: \\u{…} with hexadecimal digits is expected")
    digits = number[0].replace("_", "").lstrip("0") or "0"
    if number[0].endswith("_"):
        raise _error(text, position, "bare underscore in numeric literal")
    value = int(digits, 16) if len(digits) <= 8 else 0xFFFF_FFFF
    if value > 0x10FFFF or 0xD800 <= value < 0xE000:
        raise _error(text, position, "invalid unicode scalar value")
    return chr(value).encode(), number.end() + 1


def _utf8(text: str, start: int, contents: bytes) -> str:
    try:
        return contents.decode()
    except UnicodeDecodeError:
        raise _error(text, start, "a string is not UTF-8") from None


def _shown(character: str) -> str:
    return f"'{character}'" if character.isprintable() else f"'\\u{{{ord(character):x}}}'"


def _error(text: str, position: int, problem: str) -> PolicyParseError:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    return PolicyParseError(f"{problem} (line {line}, column {column})")
