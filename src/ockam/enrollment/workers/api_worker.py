"""The worker `enrollment_service`: requests of enrollers, administrators and devices, over the service's channels."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from ockam.core.message import Routed, peer_identifier
from ockam.core.request import Method, Request, Response, Status
from ockam.encoding.cbor import Decoder
from ockam.enrollment.api import Caller, Role
from ockam.enrollment.api_messages import EnrolleeRecord, decode_records
from ockam.enrollment.workers.events import Approved, BundlesIssued, CallerDropped, Changed
from ockam.errors import OckamError
from ockam.identity.attributes import attributes_text
from ockam.identity.identifier import Identifier
from ockam.runtime.worker import Worker

if TYPE_CHECKING:
    from ockam.enrollment.api import EnrollmentApi
    from ockam.enrollment.repository import EnrollmentRepository
    from ockam.enrollment.workers.events import Observers
    from ockam.identity.identities import Identities
    from ockam.runtime.context import Context

__all__ = ["EnrollmentApiWorker"]

log = logging.getLogger("ockam.enrollment")

# Chosen by us: requests that are worked on at once; the rest waits in the worker's queue.
MAX_AT_ONCE: Final = 32


class EnrollmentApiWorker(Worker[bytes]):
    """Answers enrollers, administrators and devices. All others are dropped unread, without a reply."""

    def __init__(
        self,
        api: EnrollmentApi,
        repository: EnrollmentRepository,
        identities: Identities,
        service: Identifier,
        observers: Observers,
    ) -> None:
        self._api = api
        self._repository = repository
        self._identities = identities
        self._service = service
        self._observers = observers
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def handle_message(self, ctx: Context, message: Routed[bytes]) -> None:
        """Begin the answer to one request."""
        await self._places.acquire()
        ctx.runtime.new_task(self._answer(ctx, message))

    async def _answer(self, ctx: Context, message: Routed[bytes]) -> None:
        try:
            caller = await self._caller(message)
            if caller is None:
                return
            request = Request.decode(message.body)
            response = await self.respond(caller, request, ctx.runtime.clock())
            await ctx.send(message.return_route, response.encode())
        except OckamError as error:
            log.warning("a request could not be answered: %s", error)
        finally:
            self._places.release()

    async def respond(self, caller: Caller, request: Request, now: int) -> Response:
        """Return the response; what fails inside is logged, and answered with 500."""
        try:
            response = await self._api.handle(caller, request, now)
        except OckamError as error:
            log.error("request %s failed: %s", request.path, error)
            return Response.failure(request, Status.INTERNAL_SERVER_ERROR, "the service failed; try again later")
        if response.is_ok:
            self._tell(caller.identifier, request, response.body or b"")
        return response

    async def _caller(self, message: Routed[bytes]) -> Caller | None:
        peer = peer_identifier(message)
        if peer is None:
            return None
        identifier = Identifier(peer)
        entry = await self._identities.attributes(identifier, self._service)
        attributes = None if entry is None else attributes_text(entry.attributes)
        role = await self._api.role_of(identifier, attributes)
        if role is None:
            log.warning("%s is neither enroller nor enrolled: what it asked was dropped", identifier)
            self._observers.tell(CallerDropped(identifier))
            return None
        if role is Role.DEVICE:
            await self._repository.device_spoke(identifier)
        return Caller(identifier, role)

    def _tell(self, by: Identifier, request: Request, body: bytes) -> None:
        match request.method, request.path.strip("/").partition("?")[0].split("/"):
            case Method.POST, ["bundles"]:
                outer = Decoder(body)
                outer.array().require()
                items, count = outer.array(), 0
                while items.next():
                    outer.skip()
                    count += 1
                self._observers.tell(BundlesIssued(count, by))
            case Method.POST, ["enrollees"]:
                for record in decode_records(body):
                    self._observers.tell(Approved(record, by))
            case ((Method.PATCH | Method.DELETE), ["enrollees", _]):
                self._observers.tell(Changed(EnrolleeRecord.decode(body), by))
            case _:
                pass
