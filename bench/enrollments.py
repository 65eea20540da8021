"""How many devices a second one Enrollment Service takes in: bundles made, approvals stored, messages answered.

Counted is everything the service does for a device, with its database on the disk (each commit is synchronised); what
the devices do is not. Messages come many at a time, so that commits are shared, as with a fleet that is switched on.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ockam.core.request import Method, Request, Status
from ockam.enrollment.api import Caller, EnrollmentApi, Role
from ockam.enrollment.api_messages import ApprovalEntry, ApprovalRequest, BundlesRequest, decode_bundles
from ockam.enrollment.bucket import Rate
from ockam.enrollment.enrollee import AcceptedAnswer, NewMessage, Offered, begin, prepare, take_answer
from ockam.enrollment.enrollee import verify_bundle_on_device as verify_bundle
from ockam.enrollment.handling import MessageHandler, Send
from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.service import EnrollmentService, ServiceKeys, ServiceSettings
from ockam.identity.identifier import Identifier
from ockam.identity.identities import Identities
from ockam.storage.database import Database
from ockam.storage.memory import create_memory_repositories
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.vault.software import create_software_vault

if TYPE_CHECKING:
    from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
    from ockam.identity.purpose_key import SecureChannelPurposeKey

DEVICES = 400
AT_ONCE = 64
PER_REQUEST = 100
ROUTE = "/ip4/127.0.0.1/tcp/4000/service/enrollment"
UNLIMITED = Rate(1e9, 1e9)
ENROLLER = Caller(Identifier(b"\xa1" * 32), Role.ENROLLER)


class Clock:
    """Whole seconds, as everywhere, and the stop watch of what the service does."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._started = 0.0

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._started


def enrollments_per_second(rounds: int) -> list[float]:
    """Return one rate per round, each with a new service and a new database."""
    return [asyncio.run(_one_round()) for _ in range(rounds)]


def new_identities() -> Identities:
    return Identities(create_software_vault(), create_memory_repositories(), lambda: int(time.time()))


async def _one_round() -> float:
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder) / "service.sqlite3") as database:
        repository = SqliteEnrollmentRepository(database, os.urandom(32))
        service = await _new_service()
        api, handler = EnrollmentApi(service, repository), MessageHandler(service, repository)
        devices = [await Device.create() for _ in range(DEVICES)]
        clock = Clock()
        with clock:
            bundles = await _request_bundles(api)
            await _approve(api, devices)
        messages = [await device.message(signed, service) for device, signed in zip(devices, bundles, strict=True)]
        answers: dict[bytes, bytes] = {}
        waiting = iter(messages)

        async def arrive() -> None:
            for made in waiting:
                outcome = await handler.handle(b"source", made.state.message, int(time.time()))
                assert isinstance(outcome, Send), outcome
                answers[made.state.message_id] = outcome.answer

        with clock:
            await asyncio.gather(*(arrive() for _ in range(AT_ONCE)))
        for device, made in zip(devices, messages, strict=True):
            device.check(made, answers[made.state.message_id])
        return DEVICES / clock.seconds


async def _new_service() -> EnrollmentService:
    identities = new_identities()
    identifier = await identities.create_identity()
    keys = ServiceKeys(
        await identities.identity(identifier),
        SecretKey(os.urandom(32)),
        await identities.credential_purpose_key(identifier),
        identities.vault.credential,
        identities.vault.verifying,
    )
    settings = ServiceSettings(frozenset(), (ROUTE,), (ROUTE,), source_rate=UNLIMITED, bundle_rate=UNLIMITED)
    return EnrollmentService(keys, settings, os.urandom)


async def _ask(api: EnrollmentApi, path: str, body: bytes) -> bytes:
    response = await api.handle(ENROLLER, Request(path, Method.POST, body), int(time.time()))
    assert response.status is Status.OK, response.error
    return response.body or b""


async def _request_bundles(api: EnrollmentApi) -> list[SignedEnrollmentBundle]:
    bundles: list[SignedEnrollmentBundle] = []
    while len(bundles) < DEVICES:
        bundles += decode_bundles(await _ask(api, "/bundles", BundlesRequest(PER_REQUEST, None, None).encode()))
    return bundles


async def _approve(api: EnrollmentApi, devices: list[Device]) -> None:
    for start in range(0, DEVICES, PER_REQUEST):
        entries = tuple(ApprovalEntry(device.state.offer.eik) for device in devices[start : start + PER_REQUEST])
        await _ask(api, "/enrollees", ApprovalRequest(entries).encode())


class Device:
    """A device with an identity of its own."""

    def __init__(
        self, identities: Identities, identifier: Identifier, key: SecureChannelPurposeKey, state: Offered
    ) -> None:
        self.identities = identities
        self.identifier = identifier
        self.key = key
        self.state = state

    @classmethod
    async def create(cls) -> Device:
        identities = new_identities()
        identifier = await identities.create_identity()
        key = await identities.secure_channel_purpose_key(identifier)
        return cls(identities, identifier, key, begin(os.urandom))

    async def message(self, signed: SignedEnrollmentBundle, service: EnrollmentService) -> NewMessage:
        vault = self.identities.vault
        bundle = verify_bundle(signed, int(time.time()), service.keys.verifier)
        preparation = prepare(self.state, bundle, self.key.key.public.value, os.urandom)
        identity = await self.identities.identity(self.identifier)
        handle = await vault.identity.handle_of(identity.latest_public_key)
        proof = await vault.identity.sign(handle, preparation.proof_hash)
        return preparation.complete(identity.change_history, self.key.attestation, proof)

    def check(self, made: NewMessage, answer: bytes) -> None:
        verifier = self.identities.vault.verifying
        taken = take_answer(made.state, answer, self.identifier, int(time.time()), verifier)
        assert isinstance(taken, AcceptedAnswer)


if __name__ == "__main__":
    print(", ".join(f"{rate:,.0f}" for rate in enrollments_per_second(3)), "enrollments/s")
