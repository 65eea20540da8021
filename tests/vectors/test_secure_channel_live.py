"""Sessions and window scripts recorded with the running reference at the other end."""

import json
from pathlib import Path
from typing import Any

import pytest

from ockam.core.address import Address
from ockam.core.route import route
from ockam.errors import PeerError
from ockam.identity.verification import verify_change_history, verify_purpose_key_attestation
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import (
    Accept,
    Initialize,
    Initiator,
    MessageReceived,
    PayloadReceived,
    Responder,
    TransportKeys,
)
from ockam.secure_channel.identity_payload import IdentityAndCredentials, check_attested_key
from ockam.secure_channel.messages import Close, Payload, PayloadReader, decode_message
from ockam.secure_channel.noise import AES256_GCM_SHA256
from ockam.vault.software.verifying import SoftwareVerifyingVault
from tests.secure_channel.pair import completed, key, once, sent

LIVE: dict[str, Any] = json.loads((Path(__file__).parent / "data" / "secure-channel-live.json").read_text())
SESSIONS: list[dict[str, Any]] = LIVE["sessions"]
SCRIPTS: list[dict[str, Any]] = LIVE["window_scripts"]


def hexadecimal(session: dict[str, Any], name: str) -> bytes:
    return bytes.fromhex(session[name])


def run_handshake(session: dict[str, Any]) -> tuple[PayloadReceived, TransportKeys]:
    """Play our role; every message of ours must be the recorded one."""
    static_key = key(hexadecimal(session, "our_static_private"))
    ephemeral = once(hexadecimal(session, "our_ephemeral_private"))
    own_payload = hexadecimal(session, "our_identity_payload")
    message_1, message_2, message_3 = (hexadecimal(session, f"message{n}") for n in (1, 2, 3))
    if session["our_role"] == "initiator":
        initiator = Initiator(static_key, ephemeral)
        assert sent(initiator.on_event(Initialize())) == message_1
        (question,) = initiator.on_event(MessageReceived(message_2))
        actions = initiator.on_event(Accept(own_payload))
        assert sent(actions) == message_3
    else:
        responder = Responder(static_key, ephemeral)
        responder.on_event(Initialize())
        responder.on_event(MessageReceived(message_1))
        assert sent(responder.on_event(Accept(own_payload))) == message_2
        (question,) = responder.on_event(MessageReceived(message_3))
        actions = responder.on_event(Accept())
    assert isinstance(question, PayloadReceived)
    return question, completed(actions)


@pytest.fixture(params=SESSIONS, ids=lambda session: str(session["name"]))
def session(request: pytest.FixtureRequest) -> dict[str, Any]:
    parameter: dict[str, Any] = request.param
    return parameter


def test_handshake(session: dict[str, Any]) -> None:
    question, keys = run_handshake(session)
    assert question.payload == hexadecimal(session, "peer_identity_payload")
    assert question.static_key.value == hexadecimal(session, "peer_static_public")
    assert keys.h == hexadecimal(session, "h")
    k1, k2 = hexadecimal(session, "k1"), hexadecimal(session, "k2")
    assert (keys.encrypt_key, keys.decrypt_key) == ((k2, k1) if session["our_role"] == "initiator" else (k1, k2))
    assert keys.encrypt_key == bytes.fromhex(session["keys_ours"][0])
    assert keys.decrypt_key == bytes.fromhex(session["keys_peer"][0])


def test_the_peers_payload_verifies(session: dict[str, Any]) -> None:
    question, _ = run_handshake(session)
    payload = IdentityAndCredentials.decode(question.payload)
    assert payload.encode() == question.payload
    verifier = SoftwareVerifyingVault()
    identity = verify_change_history(payload.change_history, verifier)
    assert str(identity.identifier) == session["peer_identifier"]
    data = verify_purpose_key_attestation(
        payload.purpose_key_attestation, identity, session["recorded_at"], verifier, identity.identifier
    )
    check_attested_key(data, question.static_key)


def test_every_frame(session: dict[str, Any]) -> None:
    _, keys = run_handshake(session)
    encryptor, decryptor = Encryptor(keys.encrypt_key), Decryptor(keys.decrypt_key)
    reader = PayloadReader(Address.local("encryptor"))
    counts = {"ours": 0, "peer": 0}
    for frame in session["frames"]:
        sealed, plaintext = bytes.fromhex(frame["frame"]), bytes.fromhex(frame["plaintext"])
        nonce = frame["nonce"]
        counts[frame["direction"]] += 1
        if frame["direction"] == "ours":
            assert encryptor.nonce == nonce
            assert encryptor.seal(plaintext) == sealed
        else:
            assert decryptor.open(sealed) == (nonce, plaintext)
        message, read = decode_message(plaintext), reader.read(plaintext)
        assert message.encode() == plaintext
        if frame["variant"] == 0:
            assert isinstance(message, Payload)
            assert message.payload == bytes.fromhex(frame["payload"])
            assert read == (message.onward_route, route("encryptor", message.return_route), message.payload)
        else:
            assert message == read == Close()
    assert min(counts.values()) >= 75
    assert decryptor.rekeys >= 2


def test_every_key(session: dict[str, Any]) -> None:
    for direction in ("ours", "peer"):
        bucket_keys = [bytes.fromhex(value) for value in session[f"keys_{direction}"]]
        recorded = [frame for frame in session["frames"] if frame["direction"] == direction]
        for frame in recorded:
            aead = AES256_GCM_SHA256.aead(bucket_keys[frame["nonce"] // 32])
            iv = bytes(4) + frame["nonce"].to_bytes(8, "big")
            assert aead.decrypt(iv, bytes.fromhex(frame["frame"])[8:], None).hex() == frame["plaintext"]


# ---- window scripts --------------------------------------------------------------------------------------------------

VALID = Payload(route("echoer"), route("app"), b"request").encode()
# What the script calls the frame -> what is encrypted in it.
PLAINTEXTS = {
    "badcbor": b"\xff\xff",
    "variant": b"\x82\x82\x03\x80\x40",
    "nopad": b"\x81" + VALID[1:-1],
    "trail": VALID + b"trailing",
    "pad": VALID[:-1] + b"\x43pad",
    # Valid for the channel; whether the worker may be reached is decided by flow control, after it.
    "refused": Payload(route("out of reach"), route("app"), b"request").encode(),
}


def script_frame(frame: dict[str, Any]) -> bytes:
    """Build the frame of a script with the key of the nonce's bucket."""
    if "raw" in frame:
        return bytes.fromhex(frame["raw"])
    kind = frame.get("kind", "")
    encryptor = Encryptor(bytes(32))
    for _ in range(frame["nonce"]):
        encryptor.seal(b"")
    sealed = encryptor.seal(PLAINTEXTS.get(kind, VALID))
    if kind == "forge":
        return sealed[:-1] + bytes([sealed[-1] ^ 1])
    if kind == "shortag":
        return sealed[:-3]
    return sealed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: str(script["name"]))
def test_window_script(script: dict[str, Any]) -> None:
    decryptor = Decryptor(bytes(32))
    reader = PayloadReader(Address.local("encryptor"))
    answered = []
    for index, frame in enumerate(script["frames"]):
        try:
            _, plaintext = decryptor.open(script_frame(frame))
            read = reader.read(plaintext)
        except PeerError:
            continue
        assert isinstance(read, tuple)
        onward_route, _, payload = read
        assert payload == b"request"
        if onward_route == route("echoer"):
            answered.append(index)
    assert answered == script["accepted"]
