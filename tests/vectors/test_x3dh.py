"""The older X3DH key agreement: recorded runs of the retired crate, hard-coded values and our own model."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import xeddsa as wheel
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from ockam.enrollment import x3dh, xeddsa
from ockam.enrollment.errors import InvalidPrekeySignature, InvalidState, LowOrderKey, MessageLengthMismatch
from ockam.enrollment.prekey_bundle import PrekeyBundle, SecretKey
from ockam.errors import Kind, Origin

DATA = Path(__file__).parent / "data"
CRATE: dict[str, Any] = json.loads((DATA / "x3dh-crate.json").read_text())
KNOWN: dict[str, Any] = json.loads((DATA / "x3dh-known.json").read_text())
MODEL: dict[str, Any] = json.loads((DATA / "x3dh-model.json").read_text())


def key(name: str) -> SecretKey:
    return SecretKey(bytes.fromhex(MODEL["keys"][name]["secret"]))


IK_S = key("service identity (IK_S)")
SPK = key("service signed prekey (SPK)")
OPK = key("service one-time prekey (OPK)")
IK_E = key("enrollee identity (IK_E)")
EIK = key("enrollee ephemeral identity (EIK)")
EK = key("enrollee ephemeral (EK)")


class TestCrate:
    @pytest.mark.parametrize("run", CRATE["runs"], ids=[run["name"] for run in CRATE["runs"]])
    def test_run(self, run: dict[str, Any]) -> None:
        keys = {name: SecretKey(bytes.fromhex(entry["secret"])) for name, entry in run["keys"].items()}
        for name, entry in run["keys"].items():
            assert keys[name].public.hex() == entry["public"]
            assert sha256(keys[name].public).hexdigest() == entry["key_id"]
        initiator = x3dh.Initiator(keys["initiator_identity"], keys["initiator_ephemeral"])
        responder = x3dh.Responder(
            keys["responder_identity"], keys["responder_signed_prekey"], keys["responder_one_time_prekey"]
        )
        message_1 = initiator.message_1()
        assert message_1.hex() == run["message_1_initiator_to_responder_64"]
        completed = responder.receive_message_1(message_1)
        assert completed.h.hex() == run["responder"]["h"]
        assert completed.encrypt_key.hex() == run["responder"]["encrypt_key"]
        assert completed.decrypt_key.hex() == run["responder"]["decrypt_key"]
        message_2 = bytes.fromhex(run["message_2_responder_to_initiator_160"])
        if run["forged_signature_bit"]:
            with pytest.raises(InvalidPrekeySignature):
                initiator.receive_bundle(message_2)
            message_2 = message_2[:64] + bytes([message_2[64] ^ 1]) + message_2[65:]
        ours = initiator.receive_bundle(message_2)
        assert ours.h.hex() == run["initiator"]["h"]
        assert ours.encrypt_key.hex() == run["initiator"]["encrypt_key"]
        assert ours.decrypt_key.hex() == run["initiator"]["decrypt_key"]
        assert ours.peer_identity == keys["responder_identity"].public
        bundle = PrekeyBundle.decode(message_2)
        assert bundle.encode() == message_2
        assert PrekeyBundle.decode(responder.bundle(bytes(64))).signed_prekey == bundle.signed_prekey

    @pytest.mark.parametrize("run", CRATE["runs"], ids=[run["name"] for run in CRATE["runs"]])
    def test_steps(self, run: dict[str, Any]) -> None:
        dhs = [bytes.fromhex(run[f"dh{number}"]) for number in range(1, 5)]
        agreement = x3dh.agree(*dhs)
        assert agreement.k0.hex() == run["okm_key0"]
        assert agreement.k1.hex() == run["okm_key1"]
        assert agreement.h.hex() == run["state_hash"]
        assert bytes.fromhex(run["state_hash_input"]) == sha256(x3dh.CSUITE).digest() + bytes.fromhex(
            run["hkdf_ikm_160"]
        )

    @pytest.mark.parametrize("vector", CRATE["xeddsa"])
    def test_xeddsa(self, vector: dict[str, str]) -> None:
        secret, message, nonce = (bytes.fromhex(vector[name]) for name in ("secret", "message", "nonce"))
        signature = xeddsa.sign(secret, message, nonce, xeddsa.OLD_CRATE_PADDING)
        assert signature.hex() == vector["signature"]
        assert xeddsa.verify(bytes.fromhex(vector["public"]), message, signature)

    @pytest.mark.parametrize("vector", CRATE["xeddsa_refusals"])
    def test_xeddsa_refusals(self, vector: dict[str, str]) -> None:
        public, signature = bytes.fromhex(vector["public"]), bytes.fromhex(vector["signature"])
        assert not xeddsa.verify(public, vector["message_ascii"].encode(), signature)

    def test_errors(self) -> None:
        initiator, responder = x3dh.Initiator(IK_E, EK), x3dh.Responder(IK_S, SPK, OPK)
        with pytest.raises(InvalidState, match=r"^invalid state$") as state:
            initiator.receive_bundle(bytes(160))
        assert (state.value.origin, state.value.kind) == (Origin.KEY_EXCHANGE, Kind.INVALID)
        with pytest.raises(InvalidState):
            responder.bundle(bytes(64))
        message_1 = initiator.message_1()
        with pytest.raises(InvalidState):
            initiator.message_1()
        for size in (0, 63, 65):
            with pytest.raises(MessageLengthMismatch, match=r"^message length mismatch$") as length:
                responder.receive_message_1(bytes(size))
            assert (length.value.origin, length.value.kind) == (Origin.KEY_EXCHANGE, Kind.MISUSE)
        completed = responder.receive_message_1(message_1)
        with pytest.raises(InvalidState):
            responder.receive_message_1(message_1)
        bundle = responder.bundle(bytes(64))
        with pytest.raises(InvalidState):
            responder.bundle(bytes(64))
        with pytest.raises(MessageLengthMismatch):
            initiator.receive_bundle(bundle[:159])
        assert initiator.receive_bundle(bundle).encrypt_key == completed.decrypt_key
        with pytest.raises(InvalidState):
            initiator.receive_bundle(bundle)

    def test_accepted_by_the_crate_and_rejected_by_us(self) -> None:
        assert len(CRATE["accepted_by_the_crate_and_to_be_rejected_by_us"]) == 4
        with pytest.raises(LowOrderKey):
            x3dh.Responder(IK_S, SPK, OPK).receive_message_1(bytes(64))
        zero = CRATE["accepted_by_the_crate_and_to_be_rejected_by_us"][1]
        agreement = x3dh.agree(bytes(32), bytes(32), bytes(32), bytes(32))
        assert (agreement.k0.hex(), agreement.k1.hex()) == (zero["okm_key0"], zero["okm_key1"])
        good = bytes.fromhex(MODEL["bundle"]["prekey_bundle_160"])
        bundles = [bytes(160), good[:64] + bytes([good[64] ^ 1]) + good[65:]]
        bundles += [good[:127] + bytes([good[127] | bit]) + good[128:] for bit in (0x20, 0x40, 0x80)]
        for bundle in bundles:
            initiator = x3dh.Initiator(IK_E, EK)
            initiator.message_1()
            with pytest.raises(InvalidPrekeySignature):
                initiator.receive_bundle(bundle)
        # A signed bundle with a one-time prekey of small order: caught by the exchange itself.
        initiator = x3dh.Initiator(IK_E, EK)
        initiator.message_1()
        with pytest.raises(LowOrderKey):
            initiator.receive_bundle(good[:128] + bytes(32))


class TestKnown:
    def test_constants(self) -> None:
        assert x3dh.CSUITE.hex() == KNOWN["csuite_hex"] == MODEL["constants"]["csuite"]
        assert sha256(x3dh.CSUITE).hexdigest() == MODEL["constants"]["sha256_csuite"]
        assert xeddsa.OLD_CRATE_PADDING.hex() == MODEL["constants"]["xeddsa_hash_padding_used_by_old_crate"]
        assert xeddsa.SIGNAL_PADDING.hex() == MODEL["constants"]["xeddsa_hash_padding_of_signal_spec"]

    def test_vectors(self) -> None:
        hashed, derived, key_id, signed = KNOWN["vectors"]
        assert sha256(hashed["input_ascii"].encode()).hexdigest() == hashed["output"]
        hkdf = HKDF(algorithm=SHA256(), length=24, salt=derived["salt_ascii"].encode(), info=b"")
        assert hkdf.derive(derived["ikm_ascii"].encode()).hex() == derived["output"]
        assert sha256(bytes.fromhex(key_id["public_key"])).hexdigest() == key_id["key_id"]
        secret = bytes.fromhex(signed["secret"])
        signature = xeddsa.sign(secret, bytes(200), bytes(64))
        assert xeddsa.verify(SecretKey(secret).public, bytes(200), signature)


class TestModel:
    def test_bundle(self) -> None:
        entry = MODEL["bundle"]
        signature = xeddsa.sign(IK_S.secret, SPK.public, bytes.fromhex(entry["xeddsa_nonce"]), xeddsa.OLD_CRATE_PADDING)
        assert signature.hex() == entry["signature"]
        bundle = PrekeyBundle(IK_S.public, SPK.public, signature, OPK.public)
        assert bundle.encode().hex() == entry["prekey_bundle_160"]
        assert bundle.is_signed()

    def test_generation_a(self) -> None:
        entry = MODEL["generation_A_2020"]
        bundle = PrekeyBundle.decode(bytes.fromhex(MODEL["bundle"]["prekey_bundle_160"]))
        device = x3dh.enrollee_agreement(EIK, EK, bundle)
        service = x3dh.service_agreement(IK_S, SPK, OPK, EIK.public, EK.public)
        assert device == service
        assert device.k0.hex() == entry["okm_key0"]
        assert device.k1.hex() == entry["okm_key1"]
        assert device.h.hex() == entry["state_hash"]
        message = bytes.fromhex(entry["message_3_enrollment_176"])
        opened = x3dh.open_enrollment(service, message)
        assert opened.enrollee_identity == IK_E.public
        assert opened.signature.hex() == entry["signature_of_IK_E_by_EIK"]
        assert opened.is_signed_by(EIK.public)
        assert not opened.is_signed_by(IK_E.public)
        with pytest.raises(MessageLengthMismatch):
            x3dh.open_enrollment(service, message + b"\0")
        # Our own message differs in the signature's nonce derivation only, and opens all the same.
        ours = x3dh.seal_enrollment(device, EIK, EK.public, IK_E.public, bytes.fromhex(entry["xeddsa_nonce"]))
        assert (ours[:96], len(ours)) == (message[:96], 176)
        assert x3dh.open_enrollment(service, ours).is_signed_by(EIK.public)

    def test_generation_a_message_byte_for_byte(self) -> None:
        entry = MODEL["generation_A_2020"]

        class OldSigner(SecretKey):
            def sign(self, message: bytes, nonce: bytes) -> bytes:
                return xeddsa.sign(self.secret, message, nonce, xeddsa.OLD_CRATE_PADDING)

        bundle = PrekeyBundle.decode(bytes.fromhex(MODEL["bundle"]["prekey_bundle_160"]))
        eik = OldSigner(EIK.secret)
        agreement = x3dh.enrollee_agreement(eik, EK, bundle)
        nonce = bytes.fromhex(entry["xeddsa_nonce"])
        message = x3dh.seal_enrollment(agreement, eik, EK.public, IK_E.public, nonce)
        assert message.hex() == entry["message_3_enrollment_176"]

    def test_generation_b(self) -> None:
        entry = MODEL["generation_B_2021_to_2023"]
        initiator = x3dh.Initiator(IK_E, EK)
        assert initiator.message_1().hex() == entry["message_1_initiator_64"]
        completed = initiator.receive_bundle(bytes.fromhex(MODEL["bundle"]["prekey_bundle_160"]))
        assert completed.h.hex() == entry["state_hash"]
        assert completed.encrypt_key.hex() == entry[entry["initiator_encrypt_key"]]
        assert completed.decrypt_key.hex() == entry[entry["initiator_decrypt_key"]]

    def test_xeddsa(self) -> None:
        entry = MODEL["xeddsa_model"]
        secret = bytes(8) + b"\xbd" + bytes(23)
        old = xeddsa.sign(secret, bytes(200), bytes(64), xeddsa.OLD_CRATE_PADDING)
        new = xeddsa.sign(secret, bytes(200), bytes(64))
        assert old.hex() == entry["signature_with_old_crate_padding_fe20"]
        assert new.hex() == entry["signature_with_signal_spec_padding"]
        public = bytes.fromhex(entry["public"])
        assert SecretKey(secret).public == public
        for signature in (old, new):
            assert xeddsa.verify(public, bytes(200), signature)
            assert wheel.ed25519_verify(signature, wheel.curve25519_pub_to_ed25519_pub(public, False), bytes(200))
