"""Handshakes, frames, rekeys and window scripts of an independent model, for every suite."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ockam.core.route import route
from ockam.errors import PeerError
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import Initiator, Responder
from ockam.secure_channel.messages import encode_payload
from ockam.secure_channel.noise import (
    AES128_GCM_SHA256,
    AES256_GCM_SHA256,
    CHACHAPOLY_BLAKE2S,
    HandshakeState,
    Role,
    Suite,
)
from ockam.secure_channel.noise.cipher_state import CipherState
from ockam.secure_channel.noise.suite import little_endian_iv
from ockam.secure_channel.rekey import rekey
from tests.secure_channel.pair import answer_message_1, answer_message_2, key, once, start_initiator, take_message_3

MODEL: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "secure-channel-model.json").read_text())
INPUTS: dict[str, Any] = MODEL["fixed_inputs"]
PAYLOAD_2 = bytes.fromhex(MODEL["handshake_payloads"]["message2_identity_and_credentials"])
PAYLOAD_3 = bytes.fromhex(MODEL["handshake_payloads"]["message3_identity_and_credentials"])

SUITES = {
    "AES256": AES256_GCM_SHA256,
    "AES128": AES128_GCM_SHA256,
    "ChaChaBE": CHACHAPOLY_BLAKE2S,
    # Not ours, but the core runs it: the IV of Noise.
    "ChaChaLE": replace(CHACHAPOLY_BLAKE2S, iv=little_endian_iv),
}


@pytest.fixture(params=MODEL["suites"], ids=lambda vector: str(vector["variant"]))
def vector(request: pytest.FixtureRequest) -> dict[str, Any]:
    parameter: dict[str, Any] = request.param
    return parameter


@pytest.fixture
def suite(vector: dict[str, Any]) -> Suite:
    return SUITES[vector["variant"]]


def secret(name: str) -> bytes:
    return bytes.fromhex(INPUTS[f"{name}_secret"])


def test_suite(vector: dict[str, Any], suite: Suite) -> None:
    assert suite.name.decode() == vector["suite"]
    assert suite.key_size == vector["aead_key_length"]


def test_handshake(vector: dict[str, Any], suite: Suite) -> None:
    initiator = Initiator(key(secret("initiator_static")), once(secret("initiator_ephemeral")), suite)
    responder = Responder(key(secret("responder_static")), once(secret("responder_ephemeral")), suite)
    message_1 = start_initiator(initiator)
    message_2 = answer_message_1(responder, message_1, PAYLOAD_2)
    question, message_3, keys = answer_message_2(initiator, message_2, PAYLOAD_3)
    assert question.payload == PAYLOAD_2
    assert question.static_key.value.hex() == INPUTS["responder_static_public"]
    question, _ = take_message_3(responder, message_3)
    assert question.payload == PAYLOAD_3
    assert question.static_key.value.hex() == INPUTS["initiator_static_public"]

    assert [m.hex() for m in (message_1, message_2, message_3)] == [vector[f"message{n}"] for n in (1, 2, 3)]
    assert [len(m) for m in (message_1, message_2, message_3)] == vector["message_lengths"]
    assert keys.encrypt_key.hex() == vector["initiator_to_responder_key"]
    assert keys.decrypt_key.hex() == vector["responder_to_initiator_key"]
    assert bytes.fromhex(vector["k2_full_32"]).startswith(keys.encrypt_key)
    assert bytes.fromhex(vector["k1_full_32"]).startswith(keys.decrypt_key)
    assert keys.h.hex() == vector["handshake_trace_h_ck"]["after_message3"]["h"]


def test_handshake_trace(vector: dict[str, Any], suite: Suite) -> None:
    writer = HandshakeState(suite, Role.INITIATOR, key(secret("initiator_static")), once(secret("initiator_ephemeral")))
    reader = HandshakeState(suite, Role.RESPONDER, key(secret("responder_static")), once(secret("responder_ephemeral")))
    trace = vector["handshake_trace_h_ck"]
    assert vector["h0"] == trace["init"]["h"]
    assert vector["ck0"] == trace["init"]["ck"]
    steps = zip(
        ("init", "after_message1", "after_message2", "after_message3"), (b"", PAYLOAD_2, PAYLOAD_3, None), strict=True
    )
    for step, payload in steps:
        for side in (writer, reader):
            state = side.symmetric_state
            assert {"h": state.h.hex(), "ck": state.ck.hex()} == trace[step]
        if payload is not None:
            assert reader.read_message(writer.write_message(payload)) == payload
            writer, reader = reader, writer


def plaintext(name: str, nonce: int) -> bytes:
    plaintexts = MODEL["transport_plaintexts"]
    if "hello" in name:
        return bytes.fromhex(plaintexts["payload_hello"]["padded_message_cbor"])
    if "refresh" in name:
        return bytes.fromhex(plaintexts["refresh_credentials"])
    if "close" in name:
        return bytes.fromhex(plaintexts["close"])
    return encode_payload(route("echoer"), route("app"), bytes([nonce]))


def frames(vector: dict[str, Any], direction: str) -> dict[int, tuple[bytes, bytes]]:
    """Nonce -> (plaintext, frame) of one direction."""
    found = {}
    for name, frame in vector[direction].items():
        nonce = int(name.split("_")[1])
        found[nonce] = (plaintext(name, nonce), bytes.fromhex(frame))
    return found


# A channel has one IV rule, the big-endian one; the other variant is in test_frames_with_the_other_iv.
CHANNELS = [suite for suite in MODEL["suites"] if suite["variant"] != "ChaChaLE"]


@pytest.mark.parametrize("direction", ["initiator_to_responder", "responder_to_initiator"])
@pytest.mark.parametrize("vector", CHANNELS, ids=lambda vector: str(vector["variant"]))
def test_frames(vector: dict[str, Any], direction: str) -> None:
    suite = SUITES[vector["variant"]]
    channel_key = bytes.fromhex(vector[f"{direction}_key"])
    encryptor, decryptor = Encryptor(channel_key, suite), Decryptor(channel_key, suite)
    expected = frames(vector, direction)
    for nonce in range(max(expected) + 1):
        text, frame = expected.get(nonce, (b"not recorded", b""))
        sealed = encryptor.seal(text)
        if frame:
            assert sealed == frame
        assert decryptor.open(sealed) == (nonce, text)
    # The recorded ones alone are close enough to each other, too.
    alone = Decryptor(channel_key, suite)
    for nonce, (text, frame) in expected.items():
        if nonce - alone.top <= 32:
            assert alone.open(frame) == (nonce, text)


def test_frames_with_the_other_iv() -> None:
    vector = next(suite for suite in MODEL["suites"] if suite["variant"] == "ChaChaLE")
    suite = SUITES["ChaChaLE"]
    for direction in ("initiator_to_responder", "responder_to_initiator"):
        for nonce, (text, frame) in frames(vector, direction).items():
            suffix = ["", "_after_1_rekey", "_after_2_rekeys"][nonce // 32]
            if f"{direction}_key{suffix}" not in vector:
                continue
            state = CipherState(suite)
            state.initialize_key(bytes.fromhex(vector[f"{direction}_key{suffix}"]))
            state.n = nonce
            assert nonce.to_bytes(8, "big") + state.encrypt_with_ad(b"", text) == frame


def test_rekeyed_keys(vector: dict[str, Any], suite: Suite) -> None:
    # Keys are not kept, so they are recognised by what they encrypt.
    aead = suite.aead(bytes.fromhex(vector["initiator_to_responder_key"]))
    for name in ("after_1_rekey", "after_2_rekeys"):
        aead = rekey(aead, suite)
        expected = suite.aead(bytes.fromhex(vector[f"initiator_to_responder_key_{name}"]))
        assert aead.encrypt(bytes(12), b"", None) == expected.encrypt(bytes(12), b"", None)


SCRIPTS = {name: script for name, script in MODEL["receiver_window_scripts"].items() if name.startswith("script")}


@pytest.mark.parametrize("name", SCRIPTS)
def test_window_script(name: str) -> None:
    encryptor, decryptor = Encryptor(bytes(32)), Decryptor(bytes(32))
    sealed = [encryptor.seal(b"%d" % nonce) for nonce in range(300)]
    for nonce, outcome, top, rekeys in SCRIPTS[name]:
        number = int(str(nonce).removeprefix("x"))
        frame = sealed[number]
        if str(nonce).startswith("x"):
            frame = frame[:-1] + bytes([frame[-1] ^ 1])
        if outcome == "accept":
            assert decryptor.open(frame) == (number, b"%d" % number)
        else:
            with pytest.raises(PeerError):
                decryptor.open(frame)
        assert (decryptor.top, decryptor.rekeys) == (top, rekeys)
