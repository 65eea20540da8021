"""What happens at a service, for whoever watches: programs print it, tests wait for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ockam.enrollment.api_messages import EnrolleeRecord
    from ockam.enrollment.messages import RejectReason
    from ockam.enrollment.service import Silence
    from ockam.identity.identifier import Identifier

__all__ = [
    "Approved",
    "BundlesIssued",
    "CallerDropped",
    "Changed",
    "Enrolled",
    "Ignored",
    "Observers",
    "Rejected",
    "Resent",
    "ServiceEvent",
]

log = logging.getLogger("ockam.enrollment")


@dataclass(frozen=True, slots=True)
class BundlesIssued:
    """An enroller got bundles."""

    count: int
    by: Identifier


@dataclass(frozen=True, slots=True)
class Approved:
    """An enroller approved a device."""

    record: EnrolleeRecord
    by: Identifier


@dataclass(frozen=True, slots=True)
class Changed:
    """A record was extended, relabelled, cancelled or revoked; its state says which."""

    record: EnrolleeRecord
    by: Identifier


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device was accepted; it is on the disk."""

    record: EnrolleeRecord
    """As it was before: pending."""
    identifier: Identifier
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A message opened but does not do."""

    reason: RejectReason


@dataclass(frozen=True, slots=True)
class Resent:
    """An answered message came again, and got the same answer."""

    message_id: bytes


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message got no answer. Strangers cause these: count them, do not store them."""

    reason: Silence


@dataclass(frozen=True, slots=True)
class CallerDropped:
    """Somebody who is neither enroller nor enrolled asked something over a channel."""

    identifier: Identifier


ServiceEvent: TypeAlias = BundlesIssued | Approved | Changed | Enrolled | Rejected | Resent | Ignored | CallerDropped


class Observers:
    """Calls whoever asked to be told."""

    def __init__(self) -> None:
        self._observers: list[Callable[[ServiceEvent], None]] = []

    def add(self, observer: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        """Tell `observer` of every event from now on; call what is returned to end that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def tell(self, event: ServiceEvent) -> None:
        """Tell all."""
        for observer in tuple(self._observers):
            try:
                observer(event)
            except Exception:
                # Whoever only watches must not keep a device from its answer.
                log.exception("an observer of the enrollment service failed")
