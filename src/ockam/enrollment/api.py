"""The API of worker `enrollment_service`: who may ask what, and what is answered.

    administrator   sees and may do everything
    enroller        asks for bundles, approves; sees and changes only what it added
    device          enrolled; may rotate its keys and read the revocation list (not served yet)

Whoever is none of these is dropped by the worker before a request is read: `role_of` gives None.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from ockam.core.request import Method, Request, Response, Status
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    ListQuery,
    PatchRequest,
    encode_list,
)
from ockam.enrollment.attributes import ROLE_ATTRIBUTE, check_attributes, check_pet_name
from ockam.enrollment.errors import (
    Forbidden,
    InvalidField,
    MethodNotAllowed,
    NotServed,
    PathNotFound,
    RecordConflict,
    RequestRefused,
)
from ockam.enrollment.issuing import issue_bundle
from ockam.enrollment.pending import IdentifierPrefix, State, pending_expiry, short_form
from ockam.enrollment.xeddsa import is_usable_public_key
from ockam.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from ockam.enrollment.repository import EnrollmentRepository, IssuedBundle
    from ockam.enrollment.service import EnrollmentService
    from ockam.identity.identifier import Identifier

ENROLLER_ROLE: Final = "enroller"
# Chosen by us: bundles are made in slices of about 10 ms, between which other work can go on.
BUNDLES_PER_SLICE: Final = 16


class Role(Enum):
    """What a caller is to the service."""

    ADMINISTRATOR = auto()
    ENROLLER = auto()
    DEVICE = auto()


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated peer of the service's channel."""

    identifier: Identifier
    role: Role

    @property
    def is_administrator(self) -> bool:
        """Whether it sees and may do everything."""
        return self.role is Role.ADMINISTRATOR

    @property
    def viewer(self) -> Identifier | None:
        """What the repository takes: None sees everything."""
        return None if self.is_administrator else self.identifier


async def _no_pause() -> None:
    return None


class EnrollmentApi:
    """Answers requests.

    Args:
        service: keys, settings and random source.
        repository: the tables.
        pause: awaited between slices of long work, so that a worker can let others run.
    """

    def __init__(
        self,
        service: EnrollmentService,
        repository: EnrollmentRepository,
        pause: Callable[[], Awaitable[None]] = _no_pause,
    ) -> None:
        self._service = service
        self._repository = repository
        self._pause = pause

    async def role_of(self, identifier: Identifier, attributes: Mapping[str, str] | None = None) -> Role | None:
        """Return what an authenticated peer may do; None: drop what it sends.

        Args:
            identifier: of the channel's other side.
            attributes: of a valid credential issued by this service, if it presented one.
        """
        if identifier in self._service.settings.administrators:
            return Role.ADMINISTRATOR
        member = await self._repository.member(identifier)
        if member is not None and member.state is State.REVOKED:
            return None
        by_credential = attributes is not None and attributes.get(ROLE_ATTRIBUTE) == ENROLLER_ROLE
        if by_credential or identifier in await self._repository.enrollers():
            return Role.ENROLLER
        return None if member is None else Role.DEVICE

    async def handle(self, caller: Caller, request: Request, now: int) -> Response:
        """Answer one request; errors of database and vault are raised."""
        try:
            return Response.ok(request, await self._route(caller, request, now))
        except RequestRefused as error:
            return Response.failure(request, error.status, error.message)
        except DecodeError:
            return Response.failure(request, Status.BAD_REQUEST, "body: not the canonical encoding of this request")

    async def _route(self, caller: Caller, request: Request, now: int) -> bytes:
        path, _, query = request.path.lstrip("/").partition("?")
        segments = path.split("/")
        match request.method, segments:
            case (Method.GET, ["revocations" | "audit"]) | (Method.POST, ["enrollees", _, "rotate"]):
                raise NotServed
            case _ if caller.role is Role.DEVICE:
                raise Forbidden
            case Method.POST, ["bundles"]:
                return await self._bundles(caller, request.body or b"", now)
            case Method.POST, ["enrollees"]:
                return await self._approve(caller, request.body or b"", now)
            case Method.GET, ["enrollees"]:
                records = await self._repository.list(ListQuery.parse(query), caller.viewer, now)
                return encode_list(record.encode() for record in records)
            case Method.GET, ["enrollees", digits]:
                return (await self._repository.find(IdentifierPrefix.parse(digits), caller.viewer, now)).encode()
            case Method.PATCH, ["enrollees", digits]:
                return await self._patch(caller, IdentifierPrefix.parse(digits), request.body or b"", now)
            case Method.DELETE, ["enrollees", digits]:
                prefix = IdentifierPrefix.parse(digits)
                return (await self._repository.remove(prefix, caller.viewer, caller.identifier, now)).encode()
            case _, ["bundles" | "enrollees" | "audit" | "revocations"] | ["enrollees", _]:
                raise MethodNotAllowed
            case _:
                raise PathNotFound

    async def _bundles(self, caller: Caller, body: bytes, now: int) -> bytes:
        request = BundlesRequest.decode(body)
        if request.request_id is not None:
            earlier = await self._repository.bundles_of_request(caller.identifier, request.request_id)
            if earlier is not None:
                return encode_list(earlier)
        issued: list[IssuedBundle] = []
        for index in range(request.count):
            if index and index % BUNDLES_PER_SLICE == 0:
                await self._pause()
            service = self._service
            issued.append(
                await issue_bundle(service.keys, service.settings, request.expires_in_seconds, now, service.random)
            )
        signed = await self._repository.add_bundles(
            issued, caller.identifier, request.request_id, self._quota(caller), now
        )
        return encode_list(signed)

    async def _approve(self, caller: Caller, body: bytes, now: int) -> bytes:
        entries = ApprovalRequest.decode(body).entries
        seen: set[bytes] = set()
        for entry in entries:
            self._check_entry(caller, entry, now)
            if entry.enrollment_identifier in seen:
                raise RecordConflict(f"{short_form(entry.enrollment_identifier)} is given twice")
            seen.add(entry.enrollment_identifier)
        records = await self._repository.approve(
            entries, caller.identifier, self._quota(caller), self._service.settings.pending_seconds, now
        )
        return encode_list(record.encode() for record in records)

    def _check_entry(self, caller: Caller, entry: ApprovalEntry, now: int) -> None:
        if not is_usable_public_key(entry.eik):
            raise InvalidField("eik", "not a usable X25519 public key")
        check_pet_name(entry.pet_name)
        check_attributes(entry.attributes, administrator=caller.is_administrator)
        pending_expiry(now, entry.expires_in_seconds)

    async def _patch(self, caller: Caller, prefix: IdentifierPrefix, body: bytes, now: int) -> bytes:
        change = PatchRequest.decode(body)
        pending_expiry(now, change.expires_in_seconds)
        if change.attributes is not None:
            check_attributes(change.attributes, administrator=caller.is_administrator)
        return (await self._repository.update(prefix, caller.viewer, change, caller.identifier, now)).encode()

    def _quota(self, caller: Caller) -> int | None:
        return None if caller.is_administrator else self._service.settings.quota
