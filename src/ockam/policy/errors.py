"""Errors of policies: the fault of whoever wrote the policy. In an access control each of them means: denied."""

from __future__ import annotations

from ockam.errors import Kind, Misuse, Origin

__all__ = [
    "EvaluationError",
    "EvaluationTooLong",
    "InvalidType",
    "MalformedExpression",
    "PolicyError",
    "PolicyParseError",
    "PolicyTooLarge",
    "TypeMismatch",
    "UnboundIdentifier",
    "UnknownOperator",
    "UnstorablePolicy",
]


class PolicyError(Misuse):
    """The policy cannot work. Correct it; `ockam.policy.explain` shows what one decides."""

    default_origin = Origin.APPLICATION
    default_kind = Kind.INVALID


class PolicyParseError(PolicyError):
    """The text is no policy expression. Its message says where reading it ended."""

    default_kind = Kind.PARSE


class PolicyTooLarge(PolicyParseError):
    """The expression is longer, deeper or has more parts than any policy needs. Split it."""


class UnstorablePolicy(PolicyError):
    """The expression cannot be read back from its text, so it is not stored. Let it start with an operator."""


class EvaluationError(PolicyError):
    """The expression has no value here."""


class UnboundIdentifier(EvaluationError):
    """A name in the expression means nothing here. Test it with `exists?` first."""


class UnknownOperator(EvaluationError):
    """There is no such operator."""


class InvalidType(EvaluationError):
    """An operator takes another type of argument."""


class TypeMismatch(EvaluationError):
    """Values of different types are compared. Attributes are strings: write numbers in quotes."""


class MalformedExpression(EvaluationError):
    """An operator takes another number of arguments."""


class EvaluationTooLong(EvaluationError):
    """Names lead to expressions that lead to names, and so on. Cut the circle."""
