# Invariant: any text is a policy, or refused with a PolicyParseError; a policy has an encoding that reads back as the
# same, a decision, an explanation that agrees with it, and a text that is stored only if it says the same.
"""Policies, as text, in both grammars."""

from __future__ import annotations

import contextlib

from ockam.policy import (
    Bool,
    Environment,
    PolicyExpression,
    PolicyParseError,
    Str,
    UnstorablePolicy,
    authorizes,
    explain,
    parse_expression,
)
from ockam.policy.repository import stored_text

REFUSAL = PolicyParseError

ENVIRONMENT = Environment({"subject.a": Str("true"), "subject.has_credential": Bool(True)})


def check(data: bytes) -> None:
    policy = PolicyExpression.parse(data.decode(errors="surrogateescape"))
    assert PolicyExpression.decode(policy.encode()).encode() == policy.encode()
    expression = policy.expression
    explanation = explain(expression, ENVIRONMENT)
    assert explanation.is_authorized == authorizes(expression, ENVIRONMENT)
    assert explanation.text
    with contextlib.suppress(UnstorablePolicy):
        assert parse_expression(stored_text(expression)).encode() == expression.encode()
