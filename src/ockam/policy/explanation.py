"""Says which clause of a policy decided, and why.

    denied: (and (= subject.has_credential true) (= subject.site "berlin"))
      (= subject.site "berlin") is false: subject.site is "paris"

Source:
    ours; the reference only logs the decision.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ockam.policy.errors import EvaluationError
from ockam.policy.evaluation import evaluate
from ockam.policy.expression import Bool, Expression, Ident, List, Seq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ockam.policy.environment import Environment

__all__ = ["Clause", "Explanation", "explain"]


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a policy that decided.

    Attributes:
        expression: the part.
        value: what it is here; None: it has no value.
        error: why it has none.
        names: the names in it and what they stand for, None where that is nothing.
    """

    expression: Expression
    value: Expression | None
    error: EvaluationError | None
    names: tuple[tuple[str, Expression | None], ...]

    def __str__(self) -> str:
        names = [f"{name} is {'unknown' if value is None else value}" for name, value in self.names]
        reasons = ", ".join(names if self.error is None else [self.error.message, *names])
        if self.value is None:
            verdict = "has no value"
        else:
            verdict = f"is {self.value}" if isinstance(self.value, Bool) else f"is {self.value}, neither true nor false"
        return f"{self.expression} {verdict}" + (f": {reasons}" if reasons else "")


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision and its reasons.

    Attributes:
        is_authorized: the decision.
        expression: the policy; None: there is none, which denies.
        clauses: the smallest parts that decided; in `or` all that failed, in `and` the first.
    """

    is_authorized: bool
    expression: Expression | None
    clauses: tuple[Clause, ...]

    @property
    def text(self) -> str:
        """The decision and its reasons, for a person: a line each."""
        decision = "allowed" if self.is_authorized else "denied"
        if self.expression is None:
            return f"{decision}: there is no policy for this resource"
        return "\n".join([f"{decision}: {self.expression}", *(f"  {clause}" for clause in self.clauses)])

    def __str__(self) -> str:
        return self.text


def explain(expression: Expression | None, environment: Environment) -> Explanation:
    """Return what a policy decides in an environment, and which of its clauses made it so."""
    if expression is None:
        return Explanation(False, None, ())
    explained = _Explained(environment)
    clause = explained.clause(expression)
    return Explanation(clause.value == Bool(True), expression, tuple(explained.deciding(clause)))


class _Explained:
    __slots__ = ("_environment",)

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def clause(self, expression: Expression) -> Clause:
        value, error = None, None
        try:
            value = evaluate(expression, self._environment)
        except EvaluationError as problem:
            error = problem
        return Clause(expression, value, error, ())

    def deciding(self, clause: Clause) -> Iterator[Clause]:
        """Yield the smallest parts of a clause that made its value what it is."""
        match clause.expression:
            case List((Ident(("and" | "or") as operator), *arguments)) if arguments:
                yield from self._of_several(arguments, Bool(operator == "or"))
            case List((Ident("not"), operand)):
                yield from self.deciding(self.clause(operand))
            case List((Ident("if"), test, first, second)):
                tested = self.clause(test)
                yield from self.deciding(tested)
                if isinstance(tested.value, Bool):
                    yield from self.deciding(self.clause(first if tested.value.value else second))
            case _:
                yield self._smallest(clause)

    def _of_several(self, arguments: list[Expression], last: Bool) -> Iterator[Clause]:
        clauses: list[Clause] = []
        for argument in arguments:
            clauses.append(self.clause(argument))
            if clauses[-1].value == last or not isinstance(clauses[-1].value, Bool):
                # This one ended it, the ones before did not matter.
                clauses = clauses[-1:]
                break
        for clause in clauses:
            yield from self.deciding(clause)

    def _smallest(self, clause: Clause) -> Clause:
        if isinstance(clause.expression, Ident):
            return clause
        names: dict[str, Expression | None] = {}
        for name in _names(clause.expression, is_operator=False):
            if name in self._environment:
                names[name] = self._environment.value(name)
            elif clause.error is None:  # an error says itself which name is unbound
                names[name] = None
        return replace(clause, names=tuple(names.items()))


def _names(expression: Expression, *, is_operator: bool) -> Iterator[str]:
    match expression:
        case Ident(name) if not is_operator:
            yield name
        case Seq(items):
            for item in items:
                yield from _names(item, is_operator=False)
        case List(items):
            for position, item in enumerate(items):
                yield from _names(item, is_operator=position == 0)
        case _:
            pass
