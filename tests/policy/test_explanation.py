from __future__ import annotations

import pytest

from ockam.policy import Environment, Ident, Int, Seq, Str, UnboundIdentifier, explain, parse_expression
from ockam.policy.expression import Bool

HERE = Environment(
    {
        "subject.has_credential": Bool(True),
        "subject.site": Str("paris"),
        "subject.age": Str("20"),
        "subject.sites": Seq((Str("x"),)),
        "subject.other": Ident("subject.site"),
    }
)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        (
            '(and (= subject.has_credential true) (= subject.site "berlin") (= subject.unknown "x"))',
            '  (= subject.site "berlin") is false: subject.site is "paris"',
        ),
        (
            '(or (= subject.site "berlin") (and true (= subject.age "21")))',
            '  (= subject.site "berlin") is false: subject.site is "paris"\n'
            '  (= subject.age "21") is false: subject.age is "20"',
        ),
        (
            "(= subject.age 20)",
            '  (= subject.age 20) has no value: "20" and 20 are not of the same type, subject.age is "20"',
        ),
        ("(= subject.role 1)", "  (= subject.role 1) has no value: unbound identifier: subject.role"),
        ("(not (exists? subject.site))", '  (exists? subject.site) is true: subject.site is "paris"'),
        (
            "(exists? subject.site subject.role)",
            '  (exists? subject.site subject.role) is false: subject.site is "paris", subject.role is unknown',
        ),
        ('(and true "x")', '  "x" is "x", neither true nor false'),
        ('(and "x" true)', '  "x" is "x", neither true nor false'),
        ("(not subject.site)", '  subject.site is "paris", neither true nor false'),
        (
            '(if (= subject.site "paris") false true)',
            '  (= subject.site "paris") is true: subject.site is "paris"\n  false is false',
        ),
        ("(if subject.site true true)", '  subject.site is "paris", neither true nor false'),
        (
            '(member? "berlin" [subject.site subject.other])',
            '  (member? "berlin" [subject.site subject.other]) is false: subject.site is "paris", '
            "subject.other is subject.site",
        ),
        ("(or)", "  (or) is false"),
        (
            "(and (wat subject.site))",
            '  (wat subject.site) has no value: unknown operator: wat, subject.site is "paris"',
        ),
        ("(if true)", "  (if true) has no value: malformed expression: 'if' requires three arguments"),
        ("(not)", "  (not) has no value: malformed expression: 'not' requires one argument"),
        (
            "((= subject.site))",
            "  ((= subject.site)) has no value: invalid type of expression (= subject.site): expected (op ...), "
            'subject.site is "paris"',
        ),
    ],
)
def test_why(policy: str, text: str) -> None:
    explanation = explain(parse_expression(policy), HERE)
    assert not explanation.is_authorized
    assert str(explanation) == f"denied: {policy}\n{text}"


def test_the_clauses_are_values() -> None:
    explanation = explain(parse_expression("(and (= 1 1) (= subject.role 1))"), HERE)
    (clause,) = explanation.clauses
    assert clause.expression == parse_expression("(= subject.role 1)")
    assert clause.value is None
    assert isinstance(clause.error, UnboundIdentifier)
    assert clause.names == ()


def test_what_allowed_is_explained_too() -> None:
    explanation = explain(parse_expression("(or (= subject.site 1) true)"), HERE)
    assert not explanation.is_authorized  # the first one is an error
    explanation = explain(parse_expression('(or (= subject.site "rome") (= subject.age "20") (= 1 2))'), HERE)
    assert explanation.text.splitlines()[1:] == ['  (= subject.age "20") is true: subject.age is "20"']


def test_no_policy_is_a_no() -> None:
    explanation = explain(None, HERE)
    assert not explanation.is_authorized
    assert str(explanation) == "denied: there is no policy for this resource"


def test_a_value_is_no_policy() -> None:
    assert str(explain(Int(1), HERE)) == "denied: 1\n  1 is 1, neither true nor false"
