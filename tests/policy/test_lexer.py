from __future__ import annotations

import pytest

from ockam.policy import PolicyParseError, parse_expression


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("(= é)", "unexpected character 'é' (line 1, column 4)"),
        ("(=\n \u202e)", "unexpected character '\\u{202e}' (line 2, column 2)"),
        ("(= (; x", "unterminated block comment (line 1, column 4)"),
        ("(= ;; \u2066", "likely-confusing unicode character found '\\u{2066}' (line 1, column 7)"),
        ("(= (; \u2066 ;))", "likely-confusing unicode character found '\\u{2066}' (line 1, column 7)"),
        ('(= "\u2066")', "likely-confusing unicode character found '\\u{2066}' (line 1, column 5)"),
        ('(= "a', "unexpected end of the text in a string (line 1, column 6)"),
        ('(= "a\x7f")', "invalid character in string '\\u{7f}' (line 1, column 6)"),
        ('(= "\\', "invalid string escape (line 1, column 6)"),
        ('(= "\\x")', "invalid string escape (line 1, column 6)"),
        ('(= "\\u")', "invalid string escape: \\u{…} with hexadecimal digits is expected (line 1, column 6)"),
        ('(= "\\u(1}")', "invalid string escape: \\u{…} with hexadecimal digits is expected (line 1, column 6)"),
        ('(= "\\u{1")', "invalid string escape: \\u{…} with hexadecimal digits is expected (line 1, column 6)"),
        ('(= "\\u{1_}")', "bare underscore in numeric literal (line 1, column 6)"),
        ('(= "\\u{123456789}")', "invalid unicode scalar value (line 1, column 6)"),
        ('(= "\\u{dfff}")', "invalid unicode scalar value (line 1, column 6)"),
        ('(= "\\ff")', "a string is not UTF-8 (line 1, column 4)"),
        ('(= $"\\ff")', "a string is not UTF-8 (line 1, column 4)"),
        ("(= $)", "empty identifier (line 1, column 4)"),
        ('(= $"")', "empty identifier (line 1, column 4)"),
        ("(= @)", "empty annotation id (line 1, column 4)"),
        ("(= a#)", "invalid keyword token 'a#'"),
        ("(= #)", "invalid reserved token '#'"),
        ("(= @#)", "invalid annotation token '#'"),
        ("(= {)", "invalid reserved token '{'"),
        ('(= "a"b)', "invalid reserved token '\"a\"b'"),
        ("(= 1_0.5)", "invalid float literal"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, error: str) -> None:
    with pytest.raises(PolicyParseError) as refused:
        parse_expression(text)
    assert str(refused.value) == error
