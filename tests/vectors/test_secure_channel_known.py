"""Values that the reference's own unit tests have in their source."""

import json
from pathlib import Path
from typing import Any

import pytest

from ockam.errors import PeerError
from ockam.identity.change_history import ChangeHistory
from ockam.identity.identifier import Identifier
from ockam.secure_channel.errors import InvalidNonce
from ockam.secure_channel.handshake import Initiator, Responder
from ockam.secure_channel.messages import Close, RefreshCredentials, decode_message
from ockam.secure_channel.noise import Suite, SymmetricState, standard_suite
from ockam.secure_channel.nonce_window import mark
from ockam.secure_channel.rekey import KeyChoice, choose_key
from tests.secure_channel.pair import (
    answer_message_1,
    answer_message_2,
    key,
    once,
    start_initiator,
    take_message_3,
)

KNOWN: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "secure-channel-known.json").read_text())
HANDSHAKES: dict[str, Any] = KNOWN["handshake_vectors"]
# The unit tests run under the standard name.
SUITE: Suite = standard_suite(HANDSHAKES["protocol_name_ascii"])


def test_initialisation() -> None:
    state = SymmetricState(SUITE)
    state.mix_hash(b"")
    expected = HANDSHAKES["initialisation"]
    assert (state.ck.hex(), state.h.hex(), state.cipher_state.n) == (expected["ck"], expected["h"], expected["n"])


@pytest.mark.parametrize("vector", HANDSHAKES["vectors"], ids=lambda vector: str(vector["name"]))
def test_handshake(vector: dict[str, Any]) -> None:
    keys = {name: bytes.fromhex(value) for name, value in HANDSHAKES["keys"].items()}
    initiator = Initiator(key(keys["initiator_static_secret"]), once(keys["initiator_ephemeral_secret"]), SUITE)
    responder = Responder(key(keys["responder_static_secret"]), once(keys["responder_ephemeral_secret"]), SUITE)
    payloads = [bytes.fromhex(vector[f"message{n}_payload"]) for n in (1, 2, 3)]
    messages = [bytes.fromhex(vector[f"message{n}"]) for n in (1, 2, 3)]

    if payloads[0]:
        # Our initiator has no payload for message 1: its state is moved there by hand.
        initiator_noise = initiator._noise
        assert initiator_noise is not None
        assert initiator_noise.write_message(payloads[0]) == messages[0]
        responder_noise = responder._noise
        assert responder_noise is not None
        assert responder_noise.read_message(messages[0]) == payloads[0]
        assert responder_noise.write_message(payloads[1]) == messages[1]
        assert initiator_noise.read_message(messages[1]) == payloads[1]
        assert initiator_noise.write_message(payloads[2]) == messages[2]
        assert responder_noise.read_message(messages[2]) == payloads[2]
        k1, k2 = (state.k for state in responder_noise.split())
        h = responder_noise.symmetric_state.h
        assert h == initiator_noise.symmetric_state.h
    else:
        assert start_initiator(initiator) == messages[0]
        assert answer_message_1(responder, messages[0], payloads[1]) == messages[1]
        question, message_3, ours = answer_message_2(initiator, messages[1], payloads[2])
        assert (question.payload, message_3) == (payloads[1], messages[2])
        question, theirs = take_message_3(responder, message_3)
        assert question.payload == payloads[2]
        assert (ours.encrypt_key, ours.decrypt_key, ours.h) == (theirs.decrypt_key, theirs.encrypt_key, theirs.h)
        k1, k2, h = ours.decrypt_key, ours.encrypt_key, ours.h
    derived = vector["derived_by_model_not_in_source"]
    assert k1 is not None
    assert k2 is not None
    assert (h.hex(), k1.hex(), k2.hex()) == (derived["final_h"], derived["k1"], derived["k2"])


def test_nonce_tracker() -> None:
    top, bitmap = 0, 0
    for nonce, outcome in KNOWN["nonce_tracker_vector"]["sequence"]:
        if outcome == "accept":
            top, bitmap = mark(top, bitmap, nonce)
        else:
            with pytest.raises(InvalidNonce):
                mark(top, bitmap, nonce)


@pytest.mark.parametrize(
    ("table", "rekeys", "has_previous"),
    [
        ("first_interval_rekeys_0", 0, False),
        ("middle_rekeys_5_with_previous", 5, True),
        ("max_rekeys_reached", 2**64 - 1, True),
    ],
)
def test_key_tracker(table: str, rekeys: int, has_previous: bool) -> None:
    for nonce, expected in KNOWN["key_tracker_vectors"][table].items():
        if expected == "error":
            with pytest.raises(PeerError):
                choose_key(int(nonce), rekeys, has_previous=has_previous, interval=10)
        else:
            choice = KeyChoice(expected.removesuffix(" (derive)"))
            assert choose_key(int(nonce), rekeys, has_previous=has_previous, interval=10) is choice


def test_close() -> None:
    encoded = bytes.fromhex(KNOWN["transport_message_vectors"]["close_padded_message_cbor"])
    assert Close().encode() == encoded
    assert decode_message(encoded) == Close()


def test_refresh_credentials() -> None:
    vectors = KNOWN["transport_message_vectors"]
    encoded = bytes.fromhex(vectors["refresh_credentials_padded_message_cbor"])
    message = decode_message(encoded)
    assert isinstance(message, RefreshCredentials)
    assert message.encode() == encoded
    first = message.change_history.change_hashes()[0]
    assert str(Identifier(first.value)) == vectors["refresh_credentials_checked_by_model"]["subject_identifier"]
    assert len(message.credentials) == 1


def test_identity() -> None:
    vector = KNOWN["identity_vector"]
    history = ChangeHistory.decode(bytes.fromhex(vector["change_history_cbor"]))
    assert str(Identifier(history.change_hashes()[0].value)) == vector["identifier"]
