"""Every value of the enrollment model, from both sides, and every way of altering it."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from ockam.enrollment import messages
from ockam.enrollment.api_messages import EnrolleeRecord
from ockam.enrollment.enrollee import (
    AcceptedAnswer,
    Offered,
    Preparation,
    RejectedAnswer,
    Waiting,
    take_answer,
    verify_bundle_on_device,
)
from ockam.enrollment.enrollment_bundle import SignedEnrollmentBundle, verify_bundle
from ockam.enrollment.errors import BundleRefused
from ockam.enrollment.issuing import issue_member_credential
from ockam.enrollment.link import Commit, EnrolleeLink, EnrollerLink, LinkParties, Nonce, Reveal
from ockam.enrollment.messages import (
    Accepted,
    DeviceIdentity,
    EnrolleeOffer,
    EnrollmentMessage,
    Rejected,
    RejectReason,
    SealedAnswer,
    encode_answer,
    message_id,
)
from ockam.enrollment.pending import State
from ockam.enrollment.prekey_bundle import PrekeyBundle, SecretKey
from ockam.enrollment.repository import KnownIdentity, MessageLookup, StoredBundle, StoredEnrollee
from ockam.enrollment.service import Received, Reject, Resend, Silence, VerifiedDevice
from ockam.enrollment.session import SessionKeys, seal_answer
from ockam.enrollment.x3dh import agree, enrollee_agreement, seal_enrollment, service_agreement
from ockam.identity.change_history import ChangeHistory
from ockam.identity.identifier import Identifier
from ockam.identity.verification import read_attestation_data
from ockam.vault.signatures import Ed25519Signature, Signature
from tests.enrollment.model import (
    DEVICE,
    ENROLLER,
    KEYS,
    MESSAGE,
    MODEL,
    NOW,
    SERVICE,
    SIGNED_BUNDLE,
    T0,
    VERIFIER,
    attestation,
    history,
    model_bytes,
    model_service,
    secret_key,
    service_keys,
    signing_vault,
)

EIK = secret_key("enrollee ephemeral identity (EIK)")
EK = secret_key("enrollee ephemeral (EK)")
IK_E = secret_key("enrollee identity (IK_E)")
SPK = secret_key("service signed prekey (SPK)")
OPK = secret_key("service one-time prekey (OPK)")
X3DH = model_bytes("message", "x3dh_176")
AGREEMENT = enrollee_agreement(EIK, EK, SIGNED_BUNDLE.contents().prekeys)
SESSION = SessionKeys.derive(AGREEMENT, SIGNED_BUNDLE.bundle_hash, X3DH)
CONTENTS = SIGNED_BUNDLE.contents()
RECORD = EnrolleeRecord(
    EnrolleeOffer(EIK.public).enrollment_identifier,
    "Robot Axiom",
    State.PENDING,
    ENROLLER,
    T0,
    T0 + 86400,
    None,
    None,
    {"site": "berlin"},
)
STORED_BUNDLE = StoredBundle(
    CONTENTS.bundle_id, ENROLLER, CONTENTS.expires_at, False, SIGNED_BUNDLE.bundle_hash, 1, SPK.secret, OPK.secret
)
LOOKUP = MessageLookup(STORED_BUNDLE, StoredEnrollee(RECORD, EIK.public), None)


def proof(transcript_hash: bytes, who: str = "device identity") -> Signature:
    vault, (handle,) = signing_vault(who)
    return asyncio.run(vault.sign(handle, transcript_hash))


def check_of(message: bytes, lookup: MessageLookup = LOOKUP, now: int = NOW) -> int | str:
    """Return the number of the check that refuses."""
    service = model_service()
    received = service.receive(b"source", message, now)
    if isinstance(received, Silence):
        return received.check
    # What a database would find by the message's bundle id; the record is found by the hash in the message.
    if received.message.bundle_id != CONTENTS.bundle_id:
        lookup = replace(lookup, bundle=None)
    if received.message.enrollment_identifier != RECORD.id:
        lookup = replace(lookup, enrollee=None)
    match service.check(received, lookup, now):
        case Silence() as silence:
            return silence.check
        case Reject(_, RejectReason.INVALID_KEY_SIGNATURE):
            return 5
        case Reject():
            return 6
        case Resend():
            return "stored"
        case VerifiedDevice():
            return "accepted"


class TestValues:
    def test_offer(self) -> None:
        offer = Offered(EIK.secret, "Robot Axiom").offer
        assert offer.encode().hex() == MODEL["offer"]["cbor"]
        assert offer.text == MODEL["offer"]["text"]
        assert offer.enrollment_identifier.hex() == MODEL["offer"]["enrollment_identifier"]
        assert EnrolleeOffer.parse(MODEL["offer"]["text"]) == offer

    def test_bundle(self) -> None:
        entry = MODEL["bundle"]
        assert CONTENTS.bundle_id.hex() == entry["bundle_id"]
        assert CONTENTS.prekeys.encode().hex() == entry["prekey_bundle_160"]
        assert CONTENTS.signed_data().hex() == entry["data"]
        assert SIGNED_BUNDLE.bundle.hex() == entry["data"]
        assert SIGNED_BUNDLE.bundle_hash.hex() == entry["sha256"]
        assert SIGNED_BUNDLE.fingerprint == entry["fingerprint"]
        assert SIGNED_BUNDLE.text == entry["text"]
        assert SIGNED_BUNDLE.encode().hex() == entry["signed_bundle"]
        assert SignedEnrollmentBundle.parse(entry["text"]) == SIGNED_BUNDLE
        vault, (handle,) = signing_vault("service credential key")
        assert asyncio.run(vault.sign(handle, SIGNED_BUNDLE.bundle_hash)) == SIGNED_BUNDLE.signature
        verified = verify_bundle(SIGNED_BUNDLE, NOW, VERIFIER, SERVICE.identifier)
        assert verified.service == SERVICE
        assert verified.routes == CONTENTS.routes

    def test_keys_of_both_sides(self) -> None:
        entry = MODEL["message"]
        service = service_agreement(secret_key("service identity (IK_S)"), SPK, OPK, EIK.public, EK.public)
        assert service == AGREEMENT
        assert AGREEMENT.k0.hex() == entry["K0"] == entry["hkdf_ikm"]
        assert AGREEMENT.k1.hex() == entry["K1"]
        assert AGREEMENT.h.hex() == entry["h"] == entry["hkdf_salt"]
        assert SESSION.transcript.hex() == entry["T"]
        assert (b"ockam enrollment v1" + SESSION.transcript).hex() == entry["hkdf_info"]
        assert SESSION.identity_key.hex() == entry["identity_key"]
        assert SESSION.answer_key.hex() == entry["answer_key"]
        assert SESSION.channel.k1.hex() == entry["k1_service_to_enrollee"]
        assert SESSION.channel.k2.hex() == entry["k2_enrollee_to_service"]
        assert SESSION.proof_hash.hex() == entry["proof_signed_hash"]

    def test_message(self) -> None:
        entry = MODEL["message"]
        preparation = Preparation(Offered(EIK.secret), SIGNED_BUNDLE, CONTENTS.bundle_id, X3DH, SESSION)
        attested = attestation(KEYS["device channel key attestation"])
        made = preparation.complete(history("device identity"), attested, proof(preparation.proof_hash))
        assert made.state.message.hex() == entry["enrollment_message"]
        assert made.state.message_id.hex() == entry["message_id"]
        assert made.channel == SESSION.channel
        identity = DeviceIdentity.decode(bytes.fromhex(entry["identity_plaintext"]))
        assert identity == DeviceIdentity(history("device identity"), attested, proof(preparation.proof_hash))
        message = EnrollmentMessage.decode(MESSAGE)
        assert message.identity.hex() == entry["identity_ciphertext"]
        assert (message.bundle_id + message.x3dh).hex() == entry["identity_aad"]

    def test_service_accepts(self) -> None:
        service = model_service()
        received = service.receive(b"source", MESSAGE, NOW)
        assert isinstance(received, Received)
        device = service.check(received, LOOKUP, NOW)
        assert isinstance(device, VerifiedDevice)
        assert device.identity == DEVICE
        assert device.channel == SESSION.channel
        assert service.check_identity(device, KnownIdentity()) is None
        credential = asyncio.run(
            issue_member_credential(service_keys(), device.identity, {"enrolled": "true", "site": "berlin"}, 86400, NOW)
        )
        accepted = Accepted(
            credential,
            None,
            service.settings.member_routes,
            "forward_to_a0b1c2d3",
            service.settings.credential_ttl,
            NOW,
        )
        entry = MODEL["answer_accepted"]
        assert encode_answer(accepted).hex() == entry["plaintext"]
        assert received.message_id.hex() == entry["aad"]
        nonce = bytes.fromhex(entry["nonce"])
        sealed = seal_answer(device.answer_key, nonce, received.message_id, encode_answer(accepted))
        assert SealedAnswer(nonce, sealed).encode().hex() == entry["answer"]

    def test_device_takes_answers(self) -> None:
        waiting = Waiting(Offered(EIK.secret), SIGNED_BUNDLE.encode(), MESSAGE, SESSION.answer_key)
        answer = take_answer(waiting, model_bytes("answer_accepted", "answer"), DEVICE.identifier, NOW, VERIFIER)
        assert isinstance(answer, AcceptedAnswer)
        assert answer.credential.attributes == {"enrolled": "true", "site": "berlin"}
        assert answer.state.relay_name == "forward_to_a0b1c2d3"
        assert answer.service == SERVICE
        rejected = take_answer(waiting, model_bytes("answer_rejected", "answer"), DEVICE.identifier, NOW, VERIFIER)
        assert isinstance(rejected, RejectedAnswer)
        assert rejected.rejected == Rejected(3, "device clock", NOW)
        assert rejected.rejected == Rejected.because(RejectReason.INVALID_TIMES, NOW)
        assert encode_answer(rejected.rejected).hex() == MODEL["answer_rejected"]["plaintext"]
        assert rejected.try_again
        assert rejected.state.clock_set_aside

    def test_link_code(self) -> None:
        entry = {name: value for name, value in MODEL["link_code"].items() if name != "code"}
        values = {name: bytes.fromhex(value) for name, value in entry.items()}
        parties = LinkParties(values["identifier_enrollee"], values["identifier_enroller"], values["eik"])
        device = EnrolleeLink(parties, values["nonce_enrollee"])
        enroller = EnrollerLink(values["nonce_enroller"])
        commit = Commit.decode(device.commit().encode())
        assert commit.value == values["commit"]
        nonce = Nonce.decode(enroller.on_commit(commit).encode())
        reveal, code = device.on_nonce(nonce)
        assert code == enroller.on_reveal(parties, Reveal.decode(reveal.encode())) == MODEL["link_code"]["code"]

    def test_sizes(self) -> None:
        sizes = MODEL["sizes"]
        assert len(SIGNED_BUNDLE.encode()) == sizes["signed_bundle"]
        assert len(SIGNED_BUNDLE.text) == sizes["bundle_text"]
        assert len(MESSAGE) == sizes["message"]
        assert len(EnrollmentMessage.decode(MESSAGE).identity) == sizes["identity_ciphertext"]
        assert len(model_bytes("answer_accepted", "answer")) == sizes["answer_accepted"]
        assert len(model_bytes("answer_rejected", "answer")) == sizes["answer_rejected"]
        for rotations, size, characters, _ in next(value for name, value in sizes.items() if "rotations" in name):
            changes = history("service identity").changes
            later = replace(
                changes[0], data=changes[0].data + bytes(33), previous_signature=Ed25519Signature(bytes(64))
            )
            longer = replace(SIGNED_BUNDLE, history=ChangeHistory(changes + (later,) * rotations))
            assert (len(longer.encode()), len(longer.text)) == (size, characters)


class TestNegative:
    @pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
    def test_every_byte_of_the_message(self, flip: int) -> None:
        outcomes: Counter[int | str] = Counter()
        for position in range(len(MESSAGE)):
            altered = bytearray(MESSAGE)
            altered[position] ^= flip
            outcomes[check_of(bytes(altered))] += 1
        expected = MODEL["negative"]["every byte of the message flipped once: outcome by check"]
        assert outcomes == {int(check): count for check, count in expected.items()}

    @pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
    def test_every_byte_of_the_signed_bundle(self, flip: int) -> None:
        encoded = SIGNED_BUNDLE.encode()
        refused = 0
        for position in range(len(encoded)):
            altered = bytearray(encoded)
            altered[position] ^= flip
            with pytest.raises(BundleRefused):
                verify_bundle_on_device(SignedEnrollmentBundle.decode(bytes(altered)), NOW, VERIFIER)
            refused += 1
        assert refused == MODEL["negative"]["every byte of the signed bundle flipped once"]["refused"]

    def test_unknown_key_share(self) -> None:
        # A rogue service puts S's prekeys into a bundle of its own; the device takes it, S refuses the message.
        rogue = replace(SIGNED_BUNDLE, bundle=replace(CONTENTS, service=ENROLLER).signed_data())
        session = SessionKeys.derive(AGREEMENT, rogue.bundle_hash, X3DH)
        assert check_of(self._message(session)) == self._expected("prekeys of S under another service")

    def test_history_of_another_identity(self) -> None:
        identity = DeviceIdentity(
            history("enroller identity"), attestation(KEYS["device channel key attestation"]), proof(SESSION.proof_hash)
        )
        message = self._message(SESSION, identity)
        assert check_of(message) == self._expected("history and attestation of another identity")

    def test_proof_of_another_session(self) -> None:
        identity = self._identity(proof(bytes(32)))
        assert check_of(self._message(SESSION, identity)) == self._expected("proof of another session")

    def test_bundle_of_another_enroller(self) -> None:
        other = replace(LOOKUP, bundle=replace(STORED_BUNDLE, owner=DEVICE.identifier))
        assert check_of(MESSAGE, other) == self._expected("another enroller's bundle")

    def test_expired(self) -> None:
        assert check_of(MESSAGE, now=T0 + 86400) == self._expected("expired approval")
        assert check_of(MESSAGE, now=CONTENTS.expires_at) == self._expected("expired bundle")

    def test_same_bytes_again_and_other_message(self) -> None:
        used = replace(LOOKUP, bundle=replace(STORED_BUNDLE, used=True, signed_prekey=None, one_time_prekey=None))
        assert check_of(MESSAGE, replace(used, answer=b"answer")) == self._expected("same bytes again after acceptance")
        assert check_of(MESSAGE, used) == self._expected("other message, used bundle")

    def test_all_zero(self) -> None:
        low = X3DH[:0] + bytes(32) + X3DH[32:]
        assert check_of(EnrollmentMessage(CONTENTS.bundle_id, low, b"").encode()) == 4
        zero = agree(bytes(32), bytes(32), bytes(32), bytes(32))
        session = SessionKeys.derive(zero, SIGNED_BUNDLE.bundle_hash, low)
        sealed = seal_enrollment(zero, EIK, bytes(32), IK_E.public, bytes(64))
        message = EnrollmentMessage(CONTENTS.bundle_id, sealed, session.seal_identity(CONTENTS.bundle_id, sealed, b""))
        assert check_of(message.encode()) == 4

    def test_key_compromise(self) -> None:
        # All secrets of S and an own EK, but not EIK: the agreement works (DH1 with SPK), the signature does not.
        ek = SecretKey(b"\x07" * 32)
        agreement = service_agreement(secret_key("service identity (IK_S)"), SPK, OPK, EIK.public, ek.public)
        attacker = SecretKey(b"\x08" * 32)
        head = ek.public + RECORD.id
        sealed = seal_enrollment(agreement, attacker, ek.public, IK_E.public, bytes(64))
        assert sealed[:32] == head[:32]
        message = EnrollmentMessage(CONTENTS.bundle_id, head + sealed[64:], b"").encode()
        assert check_of(message) == 4  # the AAD binds SHA-256(EIK)
        assert check_of(EnrollmentMessage(CONTENTS.bundle_id, _sealed_as(agreement, ek, attacker), b"").encode()) == 5

    def _identity(self, signature: Signature) -> DeviceIdentity:
        attested = attestation(KEYS["device channel key attestation"])
        return DeviceIdentity(history("device identity"), attested, signature)

    def _message(self, session: SessionKeys, identity: DeviceIdentity | None = None) -> bytes:
        inside = identity or self._identity(proof(session.proof_hash))
        sealed = session.seal_identity(CONTENTS.bundle_id, X3DH, inside.encode())
        return EnrollmentMessage(CONTENTS.bundle_id, X3DH, sealed).encode()

    def _expected(self, start: str) -> Any:
        return next(value for name, value in MODEL["negative"].items() if name.startswith(start))


def _sealed_as(agreement: Any, ek: SecretKey, signer: SecretKey) -> bytes:
    """Seal an enrollment message for the model's EIK with a signature by another key."""

    class Impostor(SecretKey):
        @property
        def public(self) -> bytes:
            return EIK.public

    return seal_enrollment(agreement, Impostor(signer.secret), ek.public, IK_E.public, bytes(64))


def test_model_is_complete() -> None:
    assert message_id(MESSAGE).hex() == MODEL["message"]["message_id"]
    assert read_attestation_data(attestation(KEYS["device channel key attestation"])).subject == DEVICE.identifier
    assert Identifier(bytes.fromhex(KEYS["service identity"]["identifier"])) == SERVICE.identifier
    assert PrekeyBundle.create(secret_key("service identity (IK_S)"), SPK.public, OPK.public, bytes(64)).is_signed()
    assert messages.VERSION == 1
