from __future__ import annotations

import copy
import pickle

import pytest

from ockam import errors
from ockam.core.errors import ApiError, IncompleteRoute, InvalidAddress
from ockam.errors import DecodeError, EnvironmentFault, Kind, Misuse, OckamError, Origin, PeerError


def test_origins_have_the_numbers_of_the_reference() -> None:
    names = (
        "unknown application vault transport node api identity channel key_exchange executor core ockam authorization "
        "other"
    )
    assert [origin.name.lower() for origin in sorted(Origin)] == names.split()
    assert sorted(Origin) == list(range(14))


def test_kinds_have_the_numbers_of_the_reference() -> None:
    names = (
        "unknown internal invalid unsupported not_found already_exists resource_exhausted misuse cancelled shutdown "
        "timeout conflict serialization parse io protocol other not_ready"
    )
    assert [kind.name.lower() for kind in sorted(Kind)] == names.split()
    assert sorted(Kind) == list(range(18))


@pytest.mark.parametrize(
    ("error", "origin", "kind"),
    [
        (OckamError(), Origin.UNKNOWN, Kind.UNKNOWN),
        (Misuse(), Origin.UNKNOWN, Kind.MISUSE),
        (PeerError(), Origin.UNKNOWN, Kind.PROTOCOL),
        (EnvironmentFault(), Origin.UNKNOWN, Kind.IO),
        (DecodeError(), Origin.UNKNOWN, Kind.INVALID),
        (errors.NotFound(), Origin.UNKNOWN, Kind.NOT_FOUND),
        (errors.AlreadyExists(), Origin.UNKNOWN, Kind.ALREADY_EXISTS),
        (errors.TimedOut(), Origin.NODE, Kind.TIMEOUT),
        (IncompleteRoute(), Origin.CORE, Kind.MISUSE),
        (InvalidAddress(), Origin.CORE, Kind.PARSE),
        (ApiError(), Origin.API, Kind.PROTOCOL),
    ],
)
def test_default_numbers(error: OckamError, origin: Origin, kind: Kind) -> None:
    assert (error.origin, error.kind) == (origin, kind)


def test_numbers_may_be_given() -> None:
    error = DecodeError("text", origin=Origin.UNKNOWN, kind=Kind.UNKNOWN)
    assert (error.origin, error.kind) == (Origin.UNKNOWN, Kind.UNKNOWN)


def test_the_text_is_the_first_line_of_the_docstring_unless_given() -> None:
    assert str(IncompleteRoute()) == IncompleteRoute().message == "incomplete route"
    assert str(DecodeError("given")) == "given"
    assert str(DecodeError("")) == ""


def test_a_class_without_a_docstring_says_its_name() -> None:
    class Strange(OckamError):
        pass

    assert str(Strange()) == "Strange"


def test_whose_fault_it_is() -> None:
    assert issubclass(DecodeError, PeerError)
    assert not issubclass(PeerError, Misuse)
    assert issubclass(InvalidAddress, Misuse)


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_says_something(name: str) -> None:
    member = getattr(errors, name)
    assert member.__doc__
    if issubclass(member, OckamError):
        assert "\n" not in str(member())


def test_errors_survive_copies() -> None:
    error = DecodeError("text", origin=Origin.CORE, kind=Kind.IO)
    for other in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert (str(other), other.origin, other.kind) == ("text", Origin.CORE, Kind.IO)
