"""A service over a database, enrollers and devices, joined by bytes; fixed time and randomness."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ockam.core.request import Method, Request, Response, Status
from ockam.enrollment.api import Caller, EnrollmentApi, Role
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    EnrolleeRecord,
    decode_bundles,
    decode_records,
)
from ockam.enrollment.enrollee import (
    AcceptedAnswer,
    NewMessage,
    Offered,
    RejectedAnswer,
    begin,
    prepare,
    take_answer,
    verify_bundle_on_device,
)
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.handling import MessageHandler, Outcome
from ockam.identity.change_history import Identity
from ockam.identity.identifier import ChangeHash, Identifier
from ockam.identity.issuing import issue_attestation, issue_first_change
from ockam.identity.purpose_key import PurposeKeyAttestation, PurposeKeyAttestationData, SecureChannelStatic
from ockam.storage.database import Database
from ockam.storage.opening import open_database
from ockam.storage.sql import SqlDatabase
from ockam.storage.sqlite.enrollment import SqliteEnrollmentRepository
from ockam.testing import FixedRandom
from ockam.vault.interfaces import SigningKeyHandle, SigningKeyType
from ockam.vault.keys import X25519PublicKey
from ockam.vault.signatures import Signature
from ockam.vault.software import MemorySecretsRepository, SoftwareSigningVault
from tests.enrollment.model import NOW, VERIFIER, model_service

if TYPE_CHECKING:
    from ockam.enrollment.service import EnrollmentService

STORAGE_KEY: Final = b"\x11" * 32
ADMINISTRATOR: Final = Caller(Identifier(b"\xaa" * 32), Role.ADMINISTRATOR)
ALICE: Final = Caller(Identifier(b"\xa1" * 32), Role.ENROLLER)
BOB: Final = Caller(Identifier(b"\xb0" * 32), Role.ENROLLER)
DEVICE_CALLER: Final = Caller(Identifier(b"\xde" * 32), Role.DEVICE)
WINDOW_SECONDS: Final = 10**8


class Service:
    """The service of the model's keys over an own database, in memory unless a path is given."""

    open_database: ClassVar[Callable[[Any], SqlDatabase]] = staticmethod(
        lambda path: Database(None) if path is None else open_database(path)
    )

    def __init__(self, path: Any = None, seed: str = "service", **settings: Any) -> None:
        self.now = NOW
        self.database = type(self).open_database(path)
        self.repository = SqliteEnrollmentRepository(self.database, STORAGE_KEY, FixedRandom("sealing " + seed))
        settings = {"administrators": frozenset({ADMINISTRATOR.identifier})} | settings
        self.service: EnrollmentService = model_service(seed, **settings)
        self.handler = MessageHandler(self.service, self.repository)
        self.api = EnrollmentApi(self.service, self.repository)

    async def request(self, caller: Caller, method: Method, path: str, body: bytes | None = None) -> Response:
        """Send a request through its encoded form."""
        request = Request.decode(Request(path, method, body).encode())
        return Response.decode((await self.api.handle(caller, request, self.now)).encode())

    async def bundles(
        self, count: int = 1, caller: Caller = ALICE, expires_in: int | None = None, request_id: bytes | None = None
    ) -> tuple[SignedEnrollmentBundle, ...]:
        """Ask for bundles."""
        body = BundlesRequest(count, expires_in, request_id).encode()
        response = await self.request(caller, Method.POST, "/bundles", body)
        assert response.status is Status.OK, response.error
        return decode_bundles(response.body or b"")

    async def approve(self, *entries: ApprovalEntry, caller: Caller = ALICE) -> tuple[EnrolleeRecord, ...]:
        """Approve devices."""
        response = await self.request(caller, Method.POST, "/enrollees", ApprovalRequest(entries).encode())
        assert response.status is Status.OK, response.error
        return decode_records(response.body or b"")

    async def send(self, message: bytes, source: bytes = b"source") -> Outcome:
        """Hand a message to the worker's handler."""
        return await self.handler.handle(source, message, self.now)

    async def record(self, identifier: bytes) -> EnrolleeRecord:
        """Return what an administrator sees."""
        response = await self.request(ADMINISTRATOR, Method.GET, f"/enrollees/{identifier.hex()}")
        assert response.status is Status.OK, response.error
        return EnrolleeRecord.decode(response.body or b"")


@dataclass
class Device:
    """A device with an identity of its own."""

    name: str
    now: int = NOW
    random: FixedRandom = field(init=False)
    state: Offered = field(init=False)

    def __post_init__(self) -> None:
        self.random = FixedRandom("device " + self.name)
        self.state = begin(self.random, self.name)
        self.vault = SoftwareSigningVault(MemorySecretsRepository(), self.random)
        self.identity: Identity | None = None
        self.handle: SigningKeyHandle | None = None

    @property
    def id(self) -> bytes:
        """The enrollment identifier."""
        return self.state.offer.enrollment_identifier

    def entry(self, **fields: Any) -> ApprovalEntry:
        """Return what approves this device."""
        return ApprovalEntry(self.state.offer.eik, self.name, **fields)

    async def make_identity(self) -> Identity:
        """Make the identity, once."""
        if self.identity is None:
            self.handle = await self.vault.generate_signing_key(SigningKeyType.ED25519)
            self.identity = await issue_first_change(
                self.handle, self.now, self.now + 2 * WINDOW_SECONDS, self.vault, VERIFIER
            )
        return self.identity

    async def attest(self, key: bytes) -> PurposeKeyAttestation:
        """Attest an X25519 key."""
        identity = await self.make_identity()
        assert self.handle is not None
        data = PurposeKeyAttestationData(
            identity.identifier,
            ChangeHash(identity.latest_change_hash.value),
            SecureChannelStatic(X25519PublicKey(key)),
            self.now,
            self.now + WINDOW_SECONDS,
        )
        return await issue_attestation(data, self.handle, self.vault, VERIFIER)

    async def sign(self, digest: bytes) -> Signature:
        """Sign with the primary key."""
        await self.make_identity()
        assert self.handle is not None
        return await self.vault.sign(self.handle, digest)

    async def message(self, signed: SignedEnrollmentBundle, attested_key: bytes | None = None) -> NewMessage:
        """Make a message for a bundle, honest unless another key is attested."""
        verified = verify_bundle_on_device(signed, self.now, VERIFIER)
        key = self.random(32)
        preparation = prepare(self.state, verified, key, self.random)
        identity = await self.make_identity()
        attestation = await self.attest(attested_key or key)
        proof = await self.sign(preparation.proof_hash)
        return preparation.complete(identity.change_history, attestation, proof)

    def take(self, made: NewMessage, answer: bytes) -> AcceptedAnswer | RejectedAnswer:
        """Take an answer."""
        assert self.identity is not None
        return take_answer(made.state, answer, self.identity.identifier, self.now, VERIFIER)
