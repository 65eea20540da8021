"""Gives an expression its value in an environment.

`and`, `or` and `if` evaluate no more than they need; `=`, `<` and `>` compare neighbours and stop at the first that
does not hold. An expression of the right size may still go on for long, by names that stand for expressions: depth
and steps are bounded.

Source:
    reference ockam_abac/src/eval.rs.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from ockam.policy.errors import (
    EvaluationError,
    EvaluationTooLong,
    InvalidType,
    MalformedExpression,
    PolicyTooLarge,
    UnknownOperator,
)
from ockam.policy.expression import MAX_DEPTH, UNIT, Bool, Expression, Ident, List, Seq, compare, equals

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.policy.environment import Environment

__all__ = ["MAX_EVALUATION_DEPTH", "MAX_STEPS", "authorizes", "evaluate"]

# Chosen by us; the reference follows a name that stands for itself for ever.
MAX_EVALUATION_DEPTH: Final = MAX_DEPTH + 32
MAX_STEPS: Final = 65_536

_TRUE: Final = Bool(True)
_FALSE: Final = Bool(False)


def evaluate(expression: Expression, environment: Environment) -> Expression:
    """Return the value of an expression.

    Raises:
        EvaluationError: it has none.
    """
    return _Evaluation(environment).value(expression, 0)


def authorizes(expression: Expression, environment: Environment) -> bool:
    """Tell whether an expression is true; what has another value, or none, is a no."""
    try:
        return evaluate(expression, environment) == _TRUE
    except EvaluationError:
        return False


class _Evaluation:
    __slots__ = ("_environment", "_steps")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._steps = 0

    def value(self, expression: Expression, depth: int) -> Expression:
        self._steps += 1
        if depth > MAX_EVALUATION_DEPTH or self._steps > MAX_STEPS:
            raise EvaluationTooLong(f"more than {MAX_STEPS} steps, or {MAX_EVALUATION_DEPTH} levels, to evaluate it")
        match expression:
            case Ident(name):
                return self.value(self._environment.value(name), depth + 1)
            case Seq(items):
                return _sequence([self.value(item, depth + 1) for item in items])
            case List(()):
                return UNIT
            case List((Ident(operator), *arguments)):
                return self._call(operator, arguments, depth + 1)
            case List((head, *_)):
                raise _invalid(head, "expected (op ...)")
            case literal:
                return literal

    def _call(self, operator: str, arguments: list[Expression], depth: int) -> Expression:
        match operator:
            case "and":
                return self._until(arguments, _FALSE, depth, "'and' expects boolean arguments")
            case "or":
                return self._until(arguments, _TRUE, depth, "'or' expects boolean arguments")
            case "if":
                _require(len(arguments) == 3, "'if' requires three arguments")
                test = self.value(arguments[0], depth)
                chosen = arguments[1 if _truth(test, "'if' expects test to evaluate to bool") else 2]
                return self.value(chosen, depth)
            case "exists?":
                return Bool(self._exist(arguments))
            case "not":
                _require(len(arguments) == 1, "'not' requires one argument")
            case "=" | "<" | ">":
                _require(len(arguments) >= 2, f"'{operator}' requires at least two arguments")
            case "member?":
                _require(len(arguments) == 2, "'member?' requires two arguments")
            case "!=":
                pass  # Reference: any number; with less than two nothing differs.
            case _:
                raise UnknownOperator(f"unknown operator: {operator}")
        return Bool(_OPERATIONS[operator]([self.value(argument, depth) for argument in arguments]))

    def _until(self, arguments: list[Expression], last: Bool, depth: int, expectation: str) -> Expression:
        """Return the first value that is `last`, or else the value of the last argument, whatever that is."""
        if not arguments:
            return Bool(not last.value)
        for argument in arguments[:-1]:
            value = self.value(argument, depth)
            if _truth(value, expectation) == last.value:
                return last
        return self.value(arguments[-1], depth)

    def _exist(self, arguments: list[Expression]) -> bool:
        for argument in arguments:
            if not isinstance(argument, Ident):
                raise _invalid(argument, "'exists?' expects identifiers as arguments")
            if argument.name not in self._environment:
                return False
        return True


def _sequence(values: list[Expression]) -> Seq:
    try:
        return Seq(tuple(values))
    except PolicyTooLarge as error:
        raise EvaluationTooLong(error.message) from None


def _not(values: list[Expression]) -> bool:
    return not _truth(values[0], "'not' expects boolean arguments")


def _equal(values: list[Expression]) -> bool:
    return all(equals(left, right) for left, right in pairwise(values))


def _less(values: list[Expression]) -> bool:
    return all((compare(left, right) or 0) < 0 for left, right in pairwise(values))


def _greater(values: list[Expression]) -> bool:
    return all((compare(left, right) or 0) > 0 for left, right in pairwise(values))


def _member(values: list[Expression]) -> bool:
    element, sequence = values
    if not isinstance(sequence, Seq):
        raise _invalid(sequence, "'member?' expects sequence as second argument")
    return any(equals(element, item) for item in sequence.items)


_OPERATIONS: Final[dict[str, Callable[[list[Expression]], bool]]] = {
    "not": _not,
    "=": _equal,
    "!=": lambda values: not _equal(values),
    "<": _less,
    ">": _greater,
    "member?": _member,
}


def _truth(value: Expression, expectation: str) -> bool:
    if not isinstance(value, Bool):
        raise _invalid(value, expectation)
    return value.value


def _invalid(expression: Expression, expectation: str) -> InvalidType:
    return InvalidType(f"invalid type of expression {expression}: {expectation}")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MalformedExpression(f"malformed expression: {message}")
