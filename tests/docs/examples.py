"""Recomputes, by the code, every named example of the pages in docs/.

`EXAMPLES` maps the name of a fenced block to what makes its bytes (`hex` blocks) or text (`text` blocks). Secrets are
one byte repeated, so that anybody can make them again.
"""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple

from ockam import portal
from ockam.core import Address, Route, route
from ockam.core.flow_control import FlowControlId
from ockam.core.message import encode_body
from ockam.core.request import Method, Request, Response, Status
from ockam.enrollment.api_messages import ApprovalEntry, ApprovalRequest, BundlesRequest, EnrolleeRecord, PatchRequest
from ockam.enrollment.enrollee import NewMessage, Offered, Preparation, prepare, verify_bundle_on_device
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle
from ockam.enrollment.issuing import issue_bundle, issue_member_credential
from ockam.enrollment.link import EnrolleeLink, EnrollerLink, LinkParties
from ockam.enrollment.messages import DeviceIdentity, RejectReason
from ockam.enrollment.pending import State
from ockam.enrollment.prekey_bundle import SecretKey
from ockam.enrollment.repository import IssuedBundle, MessageLookup, StoredBundle, StoredEnrollee
from ockam.enrollment.service import (
    EnrollmentService,
    Received,
    Reject,
    ServiceKeys,
    ServiceSettings,
    VerifiedDevice,
)
from ockam.identity.identities import Identities
from ockam.multiaddr import MultiAddr
from ockam.relay.messages import EPHEMERAL, STATIC_FORWARDING_SERVICE
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import (
    Accept,
    Action,
    Completed,
    Initialize,
    Initiator,
    MessageReceived,
    Responder,
    SendMessage,
    TransportKeys,
)
from ockam.secure_channel.identity_payload import IdentityAndCredentials
from ockam.secure_channel.messages import Close, Payload
from ockam.storage.memory import create_memory_repositories
from ockam.testing import FixedClock
from ockam.transport.framing import encode_frame
from ockam.vault.software import create_software_vault
from ockam.vault.software.secure_channel import SoftwareDiffieHellmanKey

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.identity.change_history import Identity
    from ockam.identity.credential import CredentialAndPurposeKey
    from ockam.identity.identifier import Identifier
    from ockam.identity.purpose_key import CredentialPurposeKey, SecureChannelPurposeKey
    from ockam.vault.interfaces import Vault

NOW: Final = 1_700_000_000
HELLO: Final = "Hello Ockam!"
BUNDLE_ROUTE: Final = "/dnsaddr/enroll.example.com/tcp/4000/service/enrollment"
MEMBER_ROUTE: Final = "/dnsaddr/enroll.example.com/tcp/4000/service/api"
PET_NAME: Final = "Robot Axiom"


def repeated(first: int) -> Callable[[int], bytes]:
    """A random source: the first call gives bytes that are all `first`, the next one `first + 1`, and so on."""
    numbers = count(first)
    return lambda size: bytes([next(numbers)]) * size


# ---- routing and relays ----------------------------------------------------------------------------------------------

TO_ECHOER: Final = route("echoer")
FROM_APP: Final = route("app")
LINK_ADDRESS: Final = Address.random(b"\xc3" * 16)


def tcp_frame() -> bytes:
    return encode_frame(TO_ECHOER, FROM_APP, encode_body(HELLO))


def relay_request() -> bytes:
    return encode_frame(route(STATIC_FORWARDING_SERVICE), Route([LINK_ADDRESS]), encode_body("bob"))


def relay_confirmation() -> bytes:
    return encode_frame(Route([LINK_ADDRESS]), route("forward_to_bob"), encode_body("forward_to_bob"))


# ---- identities ------------------------------------------------------------------------------------------------------


class Party(NamedTuple):
    """An identity with everything that was made for it, in the order of its secrets."""

    identities: Identities
    vault: Vault
    identity: Identity
    static: SecureChannelPurposeKey
    signing: CredentialPurposeKey


@cache
def party(first: int) -> Party:
    """Make an identity: primary key `first` × 32, static key `first + 1` × 32, credential key `first + 2` × 32."""

    async def make() -> Party:
        vault = create_software_vault(None, repeated(first))
        identities = Identities(vault, create_memory_repositories(), FixedClock(NOW))
        identifier = await identities.create_identity()
        static = await identities.secure_channel_purpose_key(identifier)
        signing = await identities.credential_purpose_key(identifier)
        return Party(identities, vault, await identities.identity(identifier), static, signing)

    return asyncio.run(make())


def alice() -> Party:
    return party(0x01)


def bob() -> Party:
    return party(0x11)


def service_party() -> Party:
    return party(0x31)


@cache
def credential() -> CredentialAndPurposeKey:
    """Bob says about Alice: cluster=production, for an hour."""

    issuer, subject = bob(), alice().identity

    async def issue() -> CredentialAndPurposeKey:
        await issuer.identities.import_identity(subject.export())
        attributes = {"cluster": "production"}
        return await issuer.identities.issue_credential(
            issuer.identity.identifier, subject.identifier, attributes, ttl_seconds=3600
        )

    return asyncio.run(issue())


@cache
def rotated() -> Identity:
    """An identity with primary key 21 × 32, rotated a day later to 22 × 32."""

    async def rotate() -> Identity:
        clock = FixedClock(NOW)
        identities = Identities(create_software_vault(None, repeated(0x21)), create_memory_repositories(), clock)
        identifier = await identities.create_identity()
        clock.advance(24 * 3600)
        return await identities.rotate_identity(identifier)

    return asyncio.run(rotate())


# ---- secure channels -------------------------------------------------------------------------------------------------


class Handshake(NamedTuple):
    """Alice opens a channel to Bob; ephemeral keys a1 × 32 and a2 × 32."""

    messages: tuple[bytes, bytes, bytes]
    initiator: TransportKeys
    responder: TransportKeys


def _sent(actions: tuple[Action, ...]) -> bytes:
    (message,) = (action.data for action in actions if isinstance(action, SendMessage))
    return message


def _keys(actions: tuple[Action, ...]) -> TransportKeys:
    (keys,) = (action.keys for action in actions if isinstance(action, Completed))
    return keys


def handshake_payload(of: Party, *credentials: CredentialAndPurposeKey) -> bytes:
    return IdentityAndCredentials(of.identity.change_history, of.static.attestation, credentials).encode()


@cache
def handshake() -> Handshake:
    initiator = Initiator(alice().static.key, lambda: SoftwareDiffieHellmanKey(b"\xa1" * 32))
    responder = Responder(bob().static.key, lambda: SoftwareDiffieHellmanKey(b"\xa2" * 32))
    responder.on_event(Initialize())
    message_1 = _sent(initiator.on_event(Initialize()))
    responder.on_event(MessageReceived(message_1))
    message_2 = _sent(responder.on_event(Accept(handshake_payload(bob()))))
    initiator.on_event(MessageReceived(message_2))
    last = initiator.on_event(Accept(handshake_payload(alice())))
    message_3 = _sent(last)
    responder.on_event(MessageReceived(message_3))
    return Handshake((message_1, message_2, message_3), _keys(last), _keys(responder.on_event(Accept())))


def channel_payload() -> bytes:
    return Payload(TO_ECHOER, FROM_APP, bytes(encode_body(HELLO))).encode()


@cache
def frames() -> tuple[bytes, ...]:
    """The first 33 frames of the initiator: always the same plaintext."""
    encryptor = Encryptor(handshake().initiator.encrypt_key)
    return tuple(encryptor.seal(channel_payload()) for _ in range(33))


def next_key() -> bytes:
    """The initiator's second key, by the rule itself."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    key = AESGCM(handshake().initiator.encrypt_key).encrypt(bytes(4) + b"\xff" * 8, bytes(32), None)[:32]
    assert AESGCM(key).decrypt(bytes(4) + frames()[32][:8], frames()[32][8:], None) == channel_payload()
    return key


# ---- enrollment ------------------------------------------------------------------------------------------------------


class Enrollment(NamedTuple):
    """One whole enrollment."""

    issued: IssuedBundle
    signed: SignedEnrollmentBundle
    offered: Offered
    preparation: Preparation
    made: NewMessage
    plaintext: bytes
    verified: VerifiedDevice
    accepted: bytes
    rejected: bytes


@cache
def enrollment_service() -> EnrollmentService:
    of = service_party()
    keys = ServiceKeys(of.identity, SecretKey(b"\x41" * 32), of.signing, of.vault.credential, of.vault.verifying)
    return EnrollmentService(keys, ServiceSettings(frozenset(), (BUNDLE_ROUTE,), (MEMBER_ROUTE,)), repeated(0x71))


@cache
def enrollment() -> Enrollment:
    return asyncio.run(_enroll(enrollment_service(), alice(), bob().identity.identifier))


async def _enroll(service: EnrollmentService, device: Party, enroller: Identifier) -> Enrollment:
    issued = await issue_bundle(service.keys, service.settings, None, NOW, repeated(0x51))
    signed = SignedEnrollmentBundle.decode(issued.signed)
    offered = Offered(b"\x61" * 32, PET_NAME)
    bundle = verify_bundle_on_device(signed, NOW, device.vault.verifying)
    preparation = prepare(offered, bundle, device.static.key.public.value, repeated(0x62))
    primary = await device.vault.identity.handle_of(device.identity.latest_public_key)
    proof = await device.vault.identity.sign(primary, preparation.proof_hash)
    history, attestation = device.identity.change_history, device.static.attestation
    made = preparation.complete(history, attestation, proof)
    received = service.receive(b"somewhere", made.state.message, NOW)
    assert isinstance(received, Received)
    row = StoredBundle(
        issued.bundle_id,
        enroller,
        issued.expires_at,
        used=False,
        bundle_hash=issued.bundle_hash,
        history_changes=issued.history_changes,
        signed_prekey=issued.signed_prekey,
        one_time_prekey=issued.one_time_prekey,
    )
    verified = service.check(
        received, MessageLookup(row, StoredEnrollee(record(enroller), offered.offer.eik), None), NOW
    )
    assert isinstance(verified, VerifiedDevice)
    member = await issue_member_credential(
        service.keys, verified.identity, service.attributes(verified), service.settings.credential_ttl, NOW
    )
    accepted = service.accepted_answer(verified, member, NOW)
    reject = Reject(received, RejectReason.INVALID_TIMES, verified.answer_key)
    rejected = service.rejected_answer(reject, NOW)
    plaintext = DeviceIdentity(history, attestation, proof).encode()
    return Enrollment(issued, signed, offered, preparation, made, plaintext, verified, accepted, rejected)


def approval() -> ApprovalEntry:
    offer = Offered(b"\x61" * 32, PET_NAME).offer
    return ApprovalEntry.of_offer(offer, {"site": "berlin"})


def record(enroller: Identifier) -> EnrolleeRecord:
    entry = approval()
    return EnrolleeRecord(
        entry.enrollment_identifier,
        entry.pet_name,
        State.PENDING,
        enroller,
        NOW,
        NOW + 24 * 3600,
        None,
        None,
        entry.attributes,
    )


def link_parties() -> LinkParties:
    eik = Offered(b"\x61" * 32).offer.eik
    return LinkParties(alice().identity.identifier.value, bob().identity.identifier.value, eik)


def link() -> tuple[bytes, bytes, bytes, str]:
    """The three link messages and the code that both sides show."""
    device, enroller = EnrolleeLink(link_parties(), b"\x81" * 16), EnrollerLink(b"\x82" * 16)
    commit = device.commit()
    nonce = enroller.on_commit(commit)
    reveal, code = device.on_nonce(nonce)
    assert enroller.on_reveal(link_parties(), reveal) == code
    return commit.encode(), nonce.encode(), reveal.encode(), code


def request() -> Request:
    return Request("/enrollees", Method.GET, id=7)


def session_keys() -> bytes:
    session = enrollment().preparation.session
    return session.identity_key + session.answer_key + session.channel.k1 + session.channel.k2


EXAMPLES: Final[dict[str, Callable[[], bytes | str]]] = {
    # docs/routing.md
    "address_cbor": lambda: Address.parse("echoer").encode(),
    "address_bare": lambda: Address.parse("echoer").encode_bare(),
    "address_tcp": lambda: Address.parse("1#127.0.0.1:4000").encode(),
    "route_cbor": lambda: route("h1", "echoer").encode(),
    "route_bare": lambda: route("h1", "echoer").encode_bare(),
    "body_text": lambda: bytes(encode_body(HELLO)),
    "tcp_frame": tcp_frame,
    "trace_1": lambda: encode_frame(route("forward_to_bob", "echoer"), FROM_APP, encode_body(HELLO)),
    "trace_2": lambda: encode_frame(TO_ECHOER, route(Address.local("aa"), "app"), encode_body(HELLO)),
    "trace_3": lambda: encode_frame(route("aa", "app"), TO_ECHOER, encode_body(HELLO)),
    "trace_4": lambda: encode_frame(FROM_APP, route("bb", "echoer"), encode_body(HELLO)),
    "flow_control_id": lambda: FlowControlId.random(b"\xc3" * 16).encode(),
    "multiaddr": lambda: MultiAddr.parse("/ip4/127.0.0.1/tcp/4000/service/echo").binary,
    "request": lambda: request().encode(),
    "response": lambda: Response.ok(request(), b"\x80").encode(),
    "failure": lambda: Response.failure(request(), Status.NOT_FOUND, "no such path").encode(),
    # docs/relays.md
    "relay_request": relay_request,
    "relay_any": lambda: bytes(encode_body(EPHEMERAL)),
    "relay_confirmation": relay_confirmation,
    # docs/streams.md
    "stream_payload": lambda: portal.Payload(b"hello").encode(),
    "stream_payload_with_counter": lambda: portal.Payload(b"hello", 0x1234).encode(),
    # docs/identities.md
    "change_data": lambda: alice().identity.change_history.changes[0].data,
    "identifier": lambda: alice().identity.identifier.value,
    "change_history": lambda: alice().identity.export(),
    "rotated_history": lambda: rotated().export(),
    "attestation": lambda: alice().static.attestation.encode(),
    "credential": lambda: credential().encode(),
    # docs/secure-channels.md
    "handshake_payload": lambda: handshake_payload(bob()),
    "message_1": lambda: handshake().messages[0],
    "message_2": lambda: handshake().messages[1],
    "message_3": lambda: handshake().messages[2],
    "handshake_hash": lambda: handshake().responder.h,
    "k1": lambda: handshake().initiator.decrypt_key,
    "k2": lambda: handshake().initiator.encrypt_key,
    "channel_payload": channel_payload,
    "close": lambda: Close().encode(),
    "frame_0": lambda: frames()[0],
    "next_key": next_key,
    "frame_32": lambda: frames()[32],
    "close_frame": lambda: Encryptor(handshake().responder.encrypt_key).seal(Close().encode()),
    # docs/enrollment.md
    "offer": lambda: enrollment().offered.offer.encode(),
    "offer_text": lambda: enrollment().offered.offer.text,
    "prekeys": lambda: enrollment().signed.contents().prekeys.encode(),
    "bundle": lambda: enrollment().signed.bundle,
    "bundle_signature": lambda: enrollment().signed.signature.encode(),
    "bundle_fingerprint": lambda: enrollment().signed.fingerprint,
    "link_commit": lambda: link()[0],
    "link_nonce": lambda: link()[1],
    "link_reveal": lambda: link()[2],
    "link_code": lambda: link()[3],
    "bundles_request": lambda: BundlesRequest(2, request_id=b"\x91" * 16).encode(),
    "approval": lambda: ApprovalRequest((approval(),)).encode(),
    "patch": lambda: PatchRequest(0).encode(),
    "record": lambda: record(bob().identity.identifier).encode(),
    "x3dh": lambda: enrollment().preparation.x3dh,
    "transcript": lambda: enrollment().preparation.session.transcript,
    "session_keys": session_keys,
    "proof_hash": lambda: enrollment().preparation.proof_hash,
    "enrollment_message": lambda: enrollment().made.state.message,
    "message_id": lambda: enrollment().made.state.message_id,
    "rejected": lambda: enrollment().rejected,
    "accepted": lambda: enrollment().accepted,
}
