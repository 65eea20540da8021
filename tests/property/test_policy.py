"""Laws of policies, for whatever Hypothesis thinks of."""

from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from ockam.errors import DecodeError
from ockam.identity import Identifier
from ockam.policy import (
    And,
    Bool,
    BooleanExpression,
    Environment,
    EvaluationError,
    Expression,
    Float,
    Ident,
    IdentifierIs,
    Int,
    List,
    Name,
    NameValue,
    Not,
    Or,
    PolicyExpression,
    PolicyParseError,
    Seq,
    Str,
    TypeMismatch,
    authorizes,
    call,
    compare,
    decode_boolean_expression,
    decode_expression,
    equals,
    evaluate,
    explain,
    parse_boolean_expression,
    parse_expression,
)
from ockam.policy.parser import OPERATORS

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
words = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True).filter(
    lambda word: word not in ("true", "false", "inf", "nan")
)
literals: st.SearchStrategy[Expression] = st.one_of(
    texts.map(Str),
    st.integers(-(2**63), 2**63 - 1).map(Int),
    st.floats(allow_nan=False).map(Float),
    st.booleans().map(Bool),
)
idents: st.SearchStrategy[Expression] = st.one_of(words, st.sampled_from(OPERATORS)).map(Ident)


# That may be written: of one type.
sequences: st.SearchStrategy[Expression] = st.sampled_from([Str, Int, Float, Bool]).flatmap(
    lambda kind: st.lists(literals.filter(lambda item: type(item) is kind), max_size=4).map(
        lambda items: Seq(tuple(items))
    )
)


def lists(elements: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    return st.tuples(st.sampled_from(OPERATORS), st.lists(elements, max_size=4)).map(
        lambda drawn: call(drawn[0], *drawn[1])
    )


expressions = st.recursive(st.one_of(literals, idents, sequences), lists, max_leaves=20)
operations = lists(expressions)
# Anything that has bytes, with text or without.
shapes: st.SearchStrategy[Expression] = st.recursive(
    st.one_of(literals, texts.map(Ident)),
    lambda inner: st.lists(inner, max_size=4).flatmap(
        lambda items: st.sampled_from([Seq(tuple(items)), List(tuple(items))])
    ),
    max_leaves=20,
)
names = st.from_regex(r"[A-Za-mo-z_-][A-Za-z0-9._-]{0,8}", fullmatch=True)
booleans: st.SearchStrategy[BooleanExpression] = st.recursive(
    st.one_of(
        names.map(Name),
        st.builds(NameValue, names, st.from_regex(r'[^"\x00]+', fullmatch=True).filter(lambda value: '"' not in value)),
        st.binary(min_size=32, max_size=32).map(lambda value: IdentifierIs(str(Identifier(value)))),
    ),
    lambda inner: st.one_of(st.builds(Or, inner, inner), st.builds(And, inner, inner), st.builds(Not, inner)),
    max_leaves=12,
)
environments = st.dictionaries(words, st.one_of(literals, words.map(Ident)), max_size=5).map(Environment)


@given(operations)
def test_text_is_read_back(expression: Expression) -> None:
    assert parse_expression(str(expression)) == expression


@given(shapes)
def test_bytes_are_read_back(expression: Expression) -> None:
    assert decode_expression(expression.encode()) == expression
    policy = PolicyExpression(expression)
    assert PolicyExpression.decode(policy.encode()) == policy


@given(booleans)
def test_the_shorthand_is_read_back(expression: BooleanExpression) -> None:
    assert decode_boolean_expression(expression.encode()) == expression
    full = expression.expression()
    assert parse_expression(str(full)) == full
    with contextlib.suppress(PolicyParseError):  # a value with other characters is printed without quotes
        text = str(expression)
        assert parse_boolean_expression(text) == expression or "=" in text


@given(st.one_of(st.text(max_size=60), st.text(" ()[]andort\"=$@;<>!?.-_x1e+'\\", max_size=60)))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    with contextlib.suppress(PolicyParseError):
        policy = PolicyExpression.parse(text)
        assert PolicyExpression.decode(policy.encode()) == policy
        explain(policy.expression, Environment())


@given(st.binary(max_size=100))
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        PolicyExpression.decode(data)


@given(operations, environments)
def test_an_explanation_is_the_decision(expression: Expression, environment: Environment) -> None:
    explanation = explain(expression, environment)
    assert explanation.is_authorized == authorizes(expression, environment)
    assert explanation.clauses
    assert str(explanation).startswith("allowed: " if explanation.is_authorized else "denied: ")


@given(expressions, environments)
def test_a_value_is_its_own_value(expression: Expression, environment: Environment) -> None:
    with contextlib.suppress(EvaluationError):
        value = evaluate(expression, environment)
        assert evaluate(value, environment).encode() == value.encode()


@given(shapes, shapes)
def test_order_is_the_same_from_both_sides(left: Expression, right: Expression) -> None:
    with contextlib.suppress(TypeMismatch):
        order = compare(left, right)
        assert order is not None
        assert compare(right, left) == -order
        assert equals(left, right) == (order == 0)
