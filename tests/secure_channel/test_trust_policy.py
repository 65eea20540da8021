import pytest

from ockam.identity.identifier import Identifier
from ockam.secure_channel import TrustEveryone, TrustIdentifier, TrustIdentifiers, TrustPolicy

ALICE, BOB, CAROL = (Identifier(bytes([n]) * 32) for n in range(3))


class Forbidden(TrustPolicy):
    """Must not be asked."""

    def check(self, identifier: Identifier) -> bool:
        raise AssertionError(str(identifier))


@pytest.mark.parametrize(
    ("policy", "trusted"),
    [
        (TrustEveryone(), {ALICE, BOB, CAROL}),
        (TrustIdentifier(ALICE), {ALICE}),
        (TrustIdentifiers([ALICE, BOB]), {ALICE, BOB}),
        (TrustIdentifiers([]), set()),
        (TrustIdentifier(ALICE).or_(TrustIdentifier(BOB)), {ALICE, BOB}),
        (TrustIdentifiers([ALICE, BOB]).and_(TrustIdentifiers([BOB, CAROL])), {BOB}),
        (TrustEveryone().and_(TrustIdentifier(ALICE)).or_(TrustIdentifier(CAROL)), {ALICE, CAROL}),
    ],
)
def test_who_is_trusted(policy: TrustPolicy, trusted: set[Identifier]) -> None:
    assert {identifier for identifier in (ALICE, BOB, CAROL) if policy.check(identifier)} == trusted


def test_combinators_stop_at_the_first_answer() -> None:
    assert TrustEveryone().or_(Forbidden()).check(ALICE)
    assert not TrustIdentifier(BOB).and_(Forbidden()).check(ALICE)
