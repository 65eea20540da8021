"""Policies: bytes of the reference's own tests, and what the reference made of 380 texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ockam.policy import (
    HAS_CREDENTIAL,
    Bool,
    Environment,
    EvaluationError,
    Expression,
    Ident,
    Int,
    PolicyExpression,
    PolicyParseError,
    Seq,
    Str,
    decode_boolean_expression,
    decode_expression,
    evaluate,
    parse_boolean_expression,
    parse_expression,
)

DATA = Path(__file__).parent / "data"
KNOWN = json.loads((DATA / "identity-known.json").read_text())
LIVE = json.loads((DATA / "policy-live.json").read_text())
WORKED = KNOWN["worked_examples"]["other"]


def by_text(entry: dict[str, Any]) -> str:
    return repr(entry["text"])


@pytest.mark.parametrize("item", KNOWN["abac_expr_cbor"]["items"], ids=by_text)
def test_known_expressions(item: dict[str, str]) -> None:
    data = bytes.fromhex(item["cbor"])
    expression = decode_expression(data)
    assert str(expression) == item["text"]
    assert expression.encode() == data
    if item["text"] == "true":
        with pytest.raises(PolicyParseError, match="must be an operation"):
            parse_expression(item["text"])
    else:
        assert parse_expression(item["text"]) == expression


def test_the_default_policy() -> None:
    item = WORKED["default_policy_expr"]
    assert parse_expression(item["text"]) == HAS_CREDENTIAL
    assert HAS_CREDENTIAL.encode().hex() == item["expr"]
    policy = PolicyExpression.parse(item["text"])
    assert policy.encode().hex() == item["policy_expression"]
    assert PolicyExpression.decode(bytes.fromhex(item["policy_expression"])) == policy


def test_a_boolean_policy() -> None:
    item = WORKED["boolean_policy_a"]
    policy = PolicyExpression.parse(item["text"])
    assert policy.encode().hex() == item["policy_expression"]
    assert PolicyExpression.decode(bytes.fromhex(item["policy_expression"])) == policy


@pytest.mark.parametrize("item", LIVE["parse"], ids=by_text)
def test_the_shorthand(item: dict[str, Any]) -> None:
    expected = item["boolean"]
    if "error" in expected:
        with pytest.raises(PolicyParseError) as refused:
            parse_boolean_expression(item["text"])
        assert str(refused.value) == expected["error"]
        return
    expression = parse_boolean_expression(item["text"])
    data = bytes.fromhex(expected["cbor"])
    assert expression.encode() == data
    assert decode_boolean_expression(data) == expression
    assert str(expression.expression()) == expected["expanded"]
    assert str(expression) == expected["text"]


@pytest.mark.parametrize("item", LIVE["parse"], ids=by_text)
def test_the_full_grammar(item: dict[str, Any]) -> None:
    expected = item["full"]
    if "error" in expected:
        with pytest.raises(PolicyParseError) as refused:
            parse_expression(item["text"])
        assert expected["error"] in ("(lexer)", str(refused.value)) or "UTF-8" in str(refused.value)
        return
    expression = parse_expression(item["text"])
    data = bytes.fromhex(expected["cbor"])
    assert expression.encode() == data
    assert decode_expression(data).encode() == data
    assert str(expression) == expected["text"]


@pytest.mark.parametrize("item", LIVE["parse"], ids=by_text)
def test_a_policy(item: dict[str, Any]) -> None:
    if "error" in item["policy"]:
        with pytest.raises(PolicyParseError, match="either a simple boolean expression or a full policy"):
            PolicyExpression.parse(item["text"])
        return
    data = bytes.fromhex(item["policy"]["cbor"])
    assert PolicyExpression.parse(item["text"]).encode() == data
    assert PolicyExpression.decode(data).encode() == data


def literal(value: Any) -> Expression:
    match value:
        case bool():
            return Bool(value)
        case int():
            return Int(value)
        case str():
            return Str(value)
        case list():
            return Seq(tuple(map(literal, value)))
        case _:
            return Ident(value["ident"])


ENVIRONMENT = Environment({name: literal(value) for name, value in LIVE["environment"].items()})


@pytest.mark.parametrize("item", LIVE["evaluate"], ids=by_text)
def test_evaluation(item: dict[str, Any]) -> None:
    if "parse" in item:
        with pytest.raises(PolicyParseError):
            parse_expression(item["text"])
        return
    expression = parse_expression(item["text"])
    if "error" in item:
        with pytest.raises(EvaluationError) as failed:
            evaluate(expression, ENVIRONMENT)
        assert str(failed.value) == item["error"]
    else:
        assert str(evaluate(expression, ENVIRONMENT)) == item["value"]
