from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from ockam.errors import Misuse
from ockam.testing import FixedRandom
from ockam.vault import CannotUnseal, SealedSecretDamaged, SecretNotSealed, VaultError
from ockam.vault.software import ScryptCost, SealingKey
from ockam.vault.software.sealing import KeyRing, is_sealed

CHEAP = ScryptCost(log2_n=10, r=1, p=1)
KEY = SealingKey.from_key(bytes(range(32)))
PASSPHRASE = SealingKey.from_passphrase("correct horse", CHEAP)
SECRET = bytes(range(32, 64))

# Frozen: what this version wrote must open in every later one.
FROZEN_RING = (
    "4f434b53010101000000ff7f4e7085d711cdca7748704d368a557006872896c365c6b3ac95445c8d49c36d71d0c7923d90d5"
    "1bc8fd80d15be7080616a9701bac437c04dfad31431c8cb330dfa4c2d267e5db3802b9826f83e6ecad7c70e5be736d3ae423"
    "ca65e063eb5bed15149a48039793310c6e0ad9acf9e7"
)
FROZEN_PASSPHRASE_RING = (
    "4f434b530101020a0101115c607ded062679ce5b341f0e554c8809ac8c56b16bb5811b635a10bb0664e060f5d0c355bffd22"
    "ba314c7e8a7b21166e4f52b58505472881d24473e213dfb7eaaa64f9776414cb9f42cef1ffdd4646cf1f31e31ce29c1bfbcf"
    "f912dcd8c904b8d0af1de98ad7773c160dce82d30443"
)
FROZEN_SECRET = (
    "4f434b530102e457c7d5529ba1f5fecbe852633e80fd52b775336407a07b2176bd3120bc488aeaf5a7ace58af09433a65bcb"
    "7749c32cca01f923ae6920e70e502004a22fe3b4"
)


def fixed_ring() -> KeyRing:
    return KeyRing.create(FixedRandom("sealing"))


def test_what_was_written_stays_readable() -> None:
    ring = fixed_ring()
    assert ring.encode(KEY).hex() == FROZEN_RING
    assert ring.encode(PASSPHRASE).hex() == FROZEN_PASSPHRASE_RING
    assert ring.seal(b"place", SECRET).hex() == FROZEN_SECRET
    for encoded, key in ((FROZEN_RING, KEY), (FROZEN_PASSPHRASE_RING, PASSPHRASE)):
        opened = KeyRing.decode(bytes.fromhex(encoded), key)
        assert opened.open(b"place", bytes.fromhex(FROZEN_SECRET)) == SECRET


@pytest.mark.parametrize("key", [KEY, PASSPHRASE])
def test_no_byte_of_a_ring_can_be_changed_cut_or_added(key: SealingKey) -> None:
    encoded = fixed_ring().encode(key)
    for position in range(len(encoded)):
        altered = bytearray(encoded)
        altered[position] ^= 1
        with pytest.raises(CannotUnseal):
            KeyRing.decode(bytes(altered), key)
        with pytest.raises(CannotUnseal):
            KeyRing.decode(encoded[:position], key)
    with pytest.raises(CannotUnseal):
        KeyRing.decode(encoded + b"\0", key)


def test_no_byte_of_a_secret_can_be_changed_cut_or_added() -> None:
    ring = fixed_ring()
    sealed = ring.seal(b"place", SECRET)
    for position in range(len(sealed)):
        altered = bytearray(sealed)
        altered[position] ^= 1
        with pytest.raises((SealedSecretDamaged, SecretNotSealed)):
            ring.open(b"place", bytes(altered))
        with pytest.raises((SealedSecretDamaged, SecretNotSealed)):
            ring.open(b"place", sealed[:position])
    with pytest.raises(SealedSecretDamaged):
        ring.open(b"place", sealed + b"\0")


@pytest.mark.parametrize("place", [b"", b"plac", b"placf", b"place\0"])
def test_a_secret_opens_in_its_place_only(place: bytes) -> None:
    ring = fixed_ring()
    with pytest.raises(SealedSecretDamaged):
        ring.open(place, ring.seal(b"place", SECRET))


def test_a_wrong_passphrase_and_an_altered_ring_look_alike() -> None:
    encoded = fixed_ring().encode(PASSPHRASE)
    texts = set()
    for data, key in (
        (encoded, SealingKey.from_passphrase("wrong")),
        (encoded[:-1] + bytes([encoded[-1] ^ 1]), PASSPHRASE),
        (encoded[:30] + bytes([encoded[30] ^ 1]) + encoded[31:], PASSPHRASE),  # the commitment
    ):
        with pytest.raises(CannotUnseal) as caught:
            KeyRing.decode(data, key)
        texts.add((str(caught.value), caught.value.__cause__))
    assert len(texts) == 1


def test_a_ring_that_would_open_under_two_passphrases_opens_under_the_one_it_is_committed_to() -> None:
    # An altered commitment under a tag that is good: what a forger of a ring for many passphrases has to offer.
    encoded = fixed_ring().encode(KEY)
    header, commitment, nonce, sealed = encoded[:26], encoded[26:58], encoded[58:70], encoded[70:]
    wrapping_key, derived = KEY._derive(header)
    assert derived == commitment
    keys = AESGCM(wrapping_key).decrypt(nonce, sealed, header + commitment + nonce)
    forged = header + bytes(32) + nonce
    with pytest.raises(CannotUnseal):
        KeyRing.decode(forged + AESGCM(wrapping_key).encrypt(nonce, keys, forged), KEY)
    # The same of a ring without keys, of one with half a key, and of one with too many.
    for other in (b"", keys[:-1], keys * 3):
        head = header + commitment + nonce
        with pytest.raises(CannotUnseal):
            KeyRing.decode(head + AESGCM(wrapping_key).encrypt(nonce, other, head), KEY)


def test_the_kind_of_key_is_told() -> None:
    with pytest.raises(CannotUnseal, match="sealed with a passphrase"):
        KeyRing.decode(fixed_ring().encode(PASSPHRASE), KEY)
    with pytest.raises(CannotUnseal, match="sealed with a key file"):
        KeyRing.decode(fixed_ring().encode(KEY), PASSPHRASE)


@pytest.mark.parametrize("cost", [(30, 8, 1), (15, 255, 1), (15, 8, 255), (0, 0, 0)])
def test_a_header_cannot_ask_for_the_whole_memory(cost: tuple[int, int, int]) -> None:
    encoded = bytearray(fixed_ring().encode(PASSPHRASE))
    encoded[7:10] = bytes(cost)
    with pytest.raises(CannotUnseal):
        KeyRing.decode(bytes(encoded), PASSPHRASE)
    with pytest.raises(Misuse):
        ScryptCost(*cost)


def test_an_existing_ring_keeps_its_own_cost() -> None:
    encoded = fixed_ring().encode(PASSPHRASE)
    other = SealingKey.from_passphrase("correct horse", ScryptCost(log2_n=11, r=2, p=2))
    assert len(KeyRing.decode(encoded, other)) == 1


def test_a_ring_has_at_most_two_keys_and_opens_what_either_sealed() -> None:
    old = fixed_ring()
    sealed = old.seal(b"place", SECRET)
    both = old.rotated()
    assert len(both) == len(both.rotated()) == 2
    reread = KeyRing.decode(both.encode(KEY), KEY)
    assert reread.open(b"place", sealed) == SECRET
    assert old.open(b"place", old.seal(b"place", SECRET)) == SECRET
    anew = reread.seal(b"place", SECRET)
    newest = reread.newest_only()
    assert newest.open(b"place", anew) == SECRET
    for ring, secret in ((newest, sealed), (old, anew)):
        with pytest.raises(SealedSecretDamaged):
            ring.open(b"place", secret)


def test_a_rotation_never_repeats_the_id_of_the_old_key() -> None:
    draws = [b"same", bytes(32), b"same", b"else", bytes(32)]
    ring = KeyRing.create(lambda size: draws.pop(0)[:size])
    assert len(ring.rotated()) == 2
    assert draws == []


def test_a_sealed_secret_never_repeats() -> None:
    ring = KeyRing.create()
    assert len({ring.seal(b"place", SECRET) for _ in range(8)}) == 8


def test_a_plain_secret_is_not_taken_for_a_sealed_one() -> None:
    assert not is_sealed(b"OCKS" + bytes(28))
    assert is_sealed(fixed_ring().seal(b"", SECRET))
    with pytest.raises(SecretNotSealed):
        fixed_ring().open(b"place", SECRET)


def test_one_text_written_in_two_ways_is_one_passphrase() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert SealingKey.from_passphrase(composed, CHEAP) == SealingKey.from_passphrase(decomposed, CHEAP)


def test_what_is_no_key() -> None:
    with pytest.raises(Misuse):
        SealingKey.from_passphrase("")
    for size in (0, 31, 33):
        with pytest.raises(Misuse):
            SealingKey.from_key(bytes(size))


def test_a_sealing_key_does_not_show() -> None:
    assert "horse" not in repr(PASSPHRASE)


@given(st.binary(max_size=200))
def test_any_bytes_give_a_vault_error(data: bytes) -> None:
    with pytest.raises(VaultError):
        KeyRing.decode(data, KEY)
    with pytest.raises(VaultError):
        fixed_ring().open(b"place", data)
