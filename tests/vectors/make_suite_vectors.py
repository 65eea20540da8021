"""Makes docs/vectors/secure-channel-suites.json: our code with fixed secrets.

    python -m tests.vectors.make_suite_vectors > docs/vectors/secure-channel-suites.json

`test_suite_vectors.py` checks that the file is what the code makes, and computes all of it a second time by
`independent.py`, from the secrets alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any, Final

from ockam.core.route import route
from ockam.identity import Identifier, Identities
from ockam.secure_channel.decryptor import Decryptor
from ockam.secure_channel.encryptor import Encryptor
from ockam.secure_channel.handshake import (
    Accept,
    Completed,
    Initialize,
    Initiator,
    MessageReceived,
    Responder,
    SendMessage,
)
from ockam.secure_channel.identity_payload import IdentityAndCredentials
from ockam.secure_channel.messages import Close, encode_payload
from ockam.secure_channel.noise import SUITES, Suite
from ockam.storage import create_memory_repositories
from ockam.testing import FixedClock, FixedRandom
from ockam.vault.software import create_software_vault
from ockam.vault.software.secure_channel import SoftwareDiffieHellmanKey

NOW: Final = 1_735_689_600
NONCES: Final = (0, 1, 31, 32, 33, 63, 64, 65, 95, 96, 97)
LAST: Final = 97
SECRETS: Final = {
    name: bytes((byte,)) * 32
    for name, byte in (
        ("initiator_static", 0x21),
        ("initiator_ephemeral", 0x22),
        ("responder_static", 0x23),
        ("responder_ephemeral", 0x24),
    )
}


async def payload(seed: str, static_secret: bytes) -> tuple[Identifier, bytes]:
    """An identity whose static key is the given one, and what it says of itself."""
    made = FixedRandom(seed)
    secrets = iter((made(32), static_secret))
    identities = Identities(
        create_software_vault(random=lambda _: next(secrets)), create_memory_repositories(), FixedClock(NOW)
    )
    identifier = await identities.create_identity()
    key = await identities.secure_channel_purpose_key(identifier)
    identity = await identities.identity(identifier)
    return identifier, IdentityAndCredentials(identity.change_history, key.attestation).encode()


def plaintext(nonce: int) -> bytes:
    """A payload to `echoer` from `app`; the last message closes."""
    return Close().encode() if nonce == LAST else encode_payload(route("echoer"), route("app"), b"message %d" % nonce)


def direction(suite: Suite, key: bytes) -> dict[str, Any]:
    keys = [key]
    for _ in range(LAST // 32):
        # The rule once more, as no code of ours gives a key away.
        iv = bytes(4) + b"\xff" * 8
        keys.append(suite.aead(keys[-1]).encrypt(iv, bytes(32), None)[: suite.key_size])
    encryptor, decryptor, frames = Encryptor(key, suite), Decryptor(key, suite), {}
    for nonce in range(LAST + 1):
        frame = encryptor.seal(plaintext(nonce))
        assert decryptor.open(frame) == (nonce, plaintext(nonce))
        if nonce in NONCES:
            frames[str(nonce)] = {"plaintext": plaintext(nonce).hex(), "frame": frame.hex()}
    return {"keys": [each.hex() for each in keys], "frames": frames}


def vector(suite: Suite, payload_2: bytes, payload_3: bytes) -> dict[str, Any]:
    keys = {name: SoftwareDiffieHellmanKey(secret) for name, secret in SECRETS.items()}
    initiator = Initiator(keys["initiator_static"], lambda: keys["initiator_ephemeral"], suite)
    responder = Responder(keys["responder_static"], lambda: keys["responder_ephemeral"], suite)
    (first,) = initiator.on_event(Initialize())
    responder.on_event(Initialize())
    assert isinstance(first, SendMessage)
    responder.on_event(MessageReceived(first.data))
    (second,) = responder.on_event(Accept(payload_2))
    assert isinstance(second, SendMessage)
    initiator.on_event(MessageReceived(second.data))
    third, ours = initiator.on_event(Accept(payload_3))
    assert isinstance(third, SendMessage)
    responder.on_event(MessageReceived(third.data))
    (theirs,) = responder.on_event(Accept())
    assert isinstance(ours, Completed)
    assert isinstance(theirs, Completed)
    assert ours.keys.encrypt_key == theirs.keys.decrypt_key
    return {
        "suite": suite.name.decode(),
        "key_size": suite.key_size,
        "message_1": first.data.hex(),
        "message_2": second.data.hex(),
        "message_3": third.data.hex(),
        "handshake_hash": ours.keys.h.hex(),
        "initiator_to_responder": direction(suite, ours.keys.encrypt_key),
        "responder_to_initiator": direction(suite, ours.keys.decrypt_key),
    }


def make() -> dict[str, Any]:
    """Return the contents of the file."""
    alice, payload_3 = asyncio.run(payload("initiator", SECRETS["initiator_static"]))
    bob, payload_2 = asyncio.run(payload("responder", SECRETS["responder_static"]))
    return {
        "source": "this project; the first suite is that of the reference, for comparison",
        "how": "python -m tests.vectors.make_suite_vectors > docs/vectors/secure-channel-suites.json",
        "expect": "ok",
        "note": "all bytes hexadecimal; keys[i] is for the nonces 32 i to 32 i + 31; the last frame closes the channel",
        "time": NOW,
        "secrets": {name: secret.hex() for name, secret in SECRETS.items()},
        "initiator": str(alice),
        "responder": str(bob),
        "payload_2": payload_2.hex(),
        "payload_3": payload_3.hex(),
        "suites": [vector(suite, payload_2, payload_3) for suite in SUITES.values()],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(make(), indent=1) + "\n")
