from __future__ import annotations

import pytest

from ockam.errors import Kind, Origin
from ockam.policy import (
    Bool,
    Environment,
    EvaluationError,
    EvaluationTooLong,
    Ident,
    Int,
    InvalidType,
    MalformedExpression,
    Seq,
    Str,
    TypeMismatch,
    UnboundIdentifier,
    UnknownOperator,
    authorizes,
    call,
    evaluate,
    parse_expression,
)
from ockam.policy.environment import EMPTY_ENVIRONMENT


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("(and subject.a true)", UnboundIdentifier),
        ("(wat 1)", UnknownOperator),
        ("(not 1)", InvalidType),
        ("(= 1 1.0)", TypeMismatch),
        ("(if true 1)", MalformedExpression),
    ],
)
def test_errors_have_the_numbers_of_the_reference(text: str, error: type[EvaluationError]) -> None:
    expression = parse_expression(f"(and {text})")
    with pytest.raises(error) as failed:
        evaluate(expression, EMPTY_ENVIRONMENT)
    assert (failed.value.origin, failed.value.kind) == (Origin.APPLICATION, Kind.INVALID)
    assert not authorizes(expression, EMPTY_ENVIRONMENT)


def test_only_true_authorizes() -> None:
    assert authorizes(Bool(True), EMPTY_ENVIRONMENT)
    for no in (Bool(False), Str("true"), Int(1), call("and", Str("true"))):
        assert not authorizes(no, EMPTY_ENVIRONMENT)


def test_a_name_that_stands_for_itself_comes_to_an_end() -> None:
    circle = Environment({"a": Ident("b"), "b": Ident("a")})
    with pytest.raises(EvaluationTooLong):
        evaluate(Ident("a"), circle)


def test_names_that_double_the_work_come_to_an_end() -> None:
    bindings = {f"n{level}": call("and", Ident(f"n{level + 1}"), Ident(f"n{level + 1}")) for level in range(40)}
    with pytest.raises(EvaluationTooLong):
        evaluate(Ident("n0"), Environment({**bindings, "n40": Bool(True)}))


def test_values_that_outgrow_an_expression_are_errors() -> None:
    row = Seq((Int(1),) * 1000)
    table = Environment({"row": row})
    with pytest.raises(EvaluationTooLong, match="steps"):
        evaluate(call("=", *[Ident("row")] * 100), table)
    with pytest.raises(EvaluationTooLong, match="4096 parts"):
        evaluate(Seq((Ident("row"),) * 5), table)
    assert not authorizes(Seq((Ident("row"),) * 5), table)


def test_a_circle_does_not_matter_where_nobody_goes() -> None:
    assert evaluate(parse_expression("(or true a)"), Environment({"a": Ident("a")})) == Bool(True)
