from __future__ import annotations

import pytest

from ockam.encoding.cbor import encode_enum, encode_text
from ockam.errors import DecodeError
from ockam.policy import (
    UNIT,
    And,
    BooleanExpression,
    Empty,
    IdentifierIs,
    Name,
    NameValue,
    Not,
    Or,
    PolicyExpression,
    PolicyParseError,
    PolicyTooLarge,
    decode_boolean_expression,
    parse_boolean_expression,
    parse_expression,
)
from ockam.policy.expression import MAX_DEPTH, MAX_TEXT_SIZE_BYTES

A, B, C = Name("a"), Name("b"), Name("c")


def chain(count: int) -> BooleanExpression:
    expression: BooleanExpression = A
    for _ in range(count):
        expression = Or(expression, B)
    return expression


def test_every_kind_keeps_its_value() -> None:
    identifier = "I" + "0f" * 32
    for expression in (A, NameValue("a", "b c"), IdentifierIs(identifier), Or(A, B), And(A, Not(B)), Empty()):
        assert decode_boolean_expression(expression.encode()) == expression
    assert Empty().encode().hex() == "820680"
    assert Empty().expression() == UNIT
    assert str(Empty()) == ""


def test_chains_are_as_long_as_expressions_are_deep() -> None:
    longest = chain(MAX_DEPTH - 1)
    assert parse_boolean_expression("a" + " or b" * (MAX_DEPTH - 1)) == longest
    assert decode_boolean_expression(longest.encode()) == longest
    assert parse_expression(str(longest.expression())) == longest.expression()
    assert parse_boolean_expression(str(longest)) == longest
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        Or(longest, A)
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        Not(longest)
    with pytest.raises(PolicyTooLarge, match="128 levels"):
        parse_boolean_expression("a" + " or b" * MAX_DEPTH)


def test_wide_expressions_are_refused() -> None:
    def tree(levels: int) -> BooleanExpression:
        return A if levels == 0 else And(tree(levels - 1), tree(levels - 1))

    widest = tree(9).expression()
    assert parse_expression(str(widest)) == widest
    with pytest.raises(PolicyTooLarge, match="4096 parts"):
        tree(10)
    data = A.encode()
    for _ in range(10):
        data = encode_enum(4, data, data)
    with pytest.raises(DecodeError, match="4096 parts"):
        decode_boolean_expression(data)


def test_deep_texts_and_bytes_are_refused() -> None:
    assert parse_boolean_expression("(" * 128 + "a" + ")" * 128) == A
    for text in ("(" * 8000, "(" * 129 + "a" + ")" * 129, "not " * 4000 + "a", "not(" * 4000, "not" * 5000):
        with pytest.raises(PolicyTooLarge, match="128 levels"):
            parse_boolean_expression(text)
        with pytest.raises(PolicyParseError, match="either a simple boolean"):
            PolicyExpression.parse(text)
    with pytest.raises(DecodeError, match="128 levels"):
        decode_boolean_expression(bytes.fromhex("820581") * 100_000)


def test_long_texts_are_refused() -> None:
    with pytest.raises(PolicyTooLarge, match="16384 bytes"):
        parse_boolean_expression("a" * (MAX_TEXT_SIZE_BYTES + 1))
    with pytest.raises(PolicyTooLarge, match="either a simple boolean"):
        PolicyExpression.parse("a" * (MAX_TEXT_SIZE_BYTES + 1))
    with pytest.raises(DecodeError):
        decode_boolean_expression(encode_enum(0, encode_text("a" * (MAX_TEXT_SIZE_BYTES + 1))))


@pytest.mark.parametrize(
    "data",
    [
        "",
        "8200",
        "820080",
        "82008100",
        "8201816161",
        "820181",
        "820281f6",
        "8203818200816161",
        "820480",
        "820581820781",
        "82078100",
        "8206",
        "8206ff",
    ],
)
def test_malformed_encodings_are_refused(data: str) -> None:
    with pytest.raises(DecodeError):
        decode_boolean_expression(bytes.fromhex(data))


def test_what_the_reference_reads_is_read() -> None:
    assert decode_boolean_expression(bytes.fromhex("820600")) == Empty()  # whatever stands there
    assert decode_boolean_expression(bytes.fromhex("82009f6161ff00")) == A
    assert decode_boolean_expression(bytes.fromhex("82038282008161618200816162")) == Or(A, B)


def test_policies_of_an_unknown_kind_are_refused() -> None:
    for data in ("82028100", "820080", "820180", "00"):
        with pytest.raises(DecodeError):
            PolicyExpression.decode(bytes.fromhex(data))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (Or(A, And(B, Not(C))), "a or (b and not c)"),
        (Not(Not(A)), "not (not a)"),
        (And(And(And(A, B), C), A), "((a and b) and c) and a"),
        # Reference: `not (not a or b)`, `(a or b and c) and a`: other policies.
        (Not(Not(Or(A, B))), "not (not (a or b))"),
        (And(And(Or(A, B), C), A), "((a or b) and c) and a"),
    ],
)
def test_the_text_reads_back(expression: BooleanExpression, text: str) -> None:
    assert parse_boolean_expression(str(expression)) == expression
    assert parse_boolean_expression(text) == expression


def test_what_has_no_text_in_the_grammar_is_printed_all_the_same() -> None:
    strange = Not(Name("a b or c"))
    assert str(strange) == "not a b or c"
    assert str(Or(Not(Or(A, Name("( )"))), NameValue("a", "b c"))) == '(not (a or ( ))) or a="b c"'


def test_both_reasons_are_told() -> None:
    with pytest.raises(PolicyParseError) as refused:
        PolicyExpression.parse("component.db or")
    assert str(refused.value).splitlines() == [
        "Cannot parse the expression as either a simple boolean expression or a full policy expression:",
        " - successfully parsed: `component.db`, but ` or` cannot be parsed",
        " - The first identifier of the expression: `component.db or` must be an operation. The available operations "
        "are: and, or, not, if, <, >, =, !=, member?, exists?",
    ]


def test_a_policy_has_the_text_it_was_written_in() -> None:
    short, full = PolicyExpression.parse("a=b"), PolicyExpression.parse('= subject.a "b"')
    assert (str(short), str(full)) == ("a=b", '(= subject.a "b")')
    assert short.expression == full.expression
