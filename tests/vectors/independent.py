"""A second implementation of what a secure channel computes, on nothing but integers: no library, and no code of ours.

Slow, and not safe against anybody who measures it. It is what the vectors of our own suites are checked by, as no other
implementation speaks them. Sources: RFC 7748 (X25519), RFC 7693 (BLAKE2s), RFC 8439 (ChaCha20-Poly1305), FIPS 197 and
NIST SP 800-38D (AES-GCM), RFC 2104 and 5869 (HMAC, HKDF), docs/secure-channels.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["SUITES", "Handshake", "IndependentSuite", "blake2s", "chacha20_poly1305", "gcm", "x25519"]

# ---- X25519 ----------------------------------------------------------------------------------------------------------

P = 2**255 - 19


def x25519(secret: bytes, point: bytes = (9).to_bytes(32, "little")) -> bytes:
    scalar = int.from_bytes(secret, "little") & ~7 & (2**255 - 1) | 2**254
    u = int.from_bytes(point, "little") % 2**255
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for position in reversed(range(255)):
        bit = scalar >> position & 1
        if bit != swap:
            x2, z2, x3, z3, swap = x3, z3, x2, z2, bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a, c * b
        x3, z3 = (da + cb) ** 2 % P, u * (da - cb) ** 2 % P
        aa, bb = a * a % P, b * b % P
        x2, z2 = aa * bb % P, (aa - bb) * (aa + 121665 * (aa - bb)) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


# ---- BLAKE2s ---------------------------------------------------------------------------------------------------------

WORD = 0xFFFFFFFF
BLAKE_IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
SIGMA = (
    "0123456789abcdef",
    "ea489fd61c02b753",
    "b8c052fdae367194",
    "7931dcbe265a40f8",
    "905724afe1bc683d",
    "2c6a0b834d75fe19",
    "c51fed4a0763928b",
    "db7ec13950f4862a",
    "6fe9b308c2d714a5",
    "a2847615fb9e3cd0",
)


def rotate_right(word: int, count: int) -> int:
    return (word >> count | word << 32 - count) & WORD


def blake2s(data: bytes) -> bytes:
    h = list(BLAKE_IV)
    h[0] ^= 0x01010020
    blocks = [data[at : at + 64] for at in range(0, len(data), 64)] or [b""]
    done = 0
    for block in blocks:
        done += len(block)
        m = [int.from_bytes(block.ljust(64, b"\0")[at : at + 4], "little") for at in range(0, 64, 4)]
        v = h + list(BLAKE_IV)
        v[12] ^= done & WORD
        v[13] ^= done >> 32
        if block is blocks[-1]:
            v[14] ^= WORD

        def g(a: int, b: int, c: int, d: int, x: int, y: int, v: list[int] = v) -> None:
            for word, first, second in ((x, 16, 12), (y, 8, 7)):
                v[a] = (v[a] + v[b] + word) & WORD
                v[d] = rotate_right(v[d] ^ v[a], first)
                v[c] = (v[c] + v[d]) & WORD
                v[b] = rotate_right(v[b] ^ v[c], second)

        for line in SIGMA:
            s = [m[int(digit, 16)] for digit in line]
            for column in range(4):
                g(column, 4 + column, 8 + column, 12 + column, s[2 * column], s[2 * column + 1])
            for diagonal in range(4):
                b, c, d = 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4
                g(diagonal, b, c, d, s[8 + 2 * diagonal], s[9 + 2 * diagonal])
        h = [h[i] ^ v[i] ^ v[i + 8] for i in range(8)]
    return b"".join(word.to_bytes(4, "little") for word in h)


# ---- ChaCha20-Poly1305 -----------------------------------------------------------------------------------------------


def chacha_block(key: bytes, counter: int, nonce: bytes) -> bytes:
    words = b"expand 32-byte k" + key + counter.to_bytes(4, "little") + nonce
    start = [int.from_bytes(words[at : at + 4], "little") for at in range(0, 64, 4)]
    v = list(start)

    def quarter(a: int, b: int, c: int, d: int) -> None:
        for x, y, z, count in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            v[x] = (v[x] + v[y]) & WORD
            v[z] = rotate_right(v[z] ^ v[x], 32 - count)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return b"".join(((x + y) & WORD).to_bytes(4, "little") for x, y in zip(v, start, strict=True))


def poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at : at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def xor(data: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def chacha20_poly1305(key: bytes, nonce: bytes, associated: bytes, plaintext: bytes) -> bytes:
    stream = b"".join(chacha_block(key, 1 + i, nonce) for i in range(-(-len(plaintext) // 64)))
    ciphertext = xor(plaintext, stream)
    sizes = len(associated).to_bytes(8, "little") + len(ciphertext).to_bytes(8, "little")
    tag = poly1305(chacha_block(key, 0, nonce)[:32], padded(associated) + padded(ciphertext) + sizes)
    return ciphertext + tag


# ---- AES-GCM ---------------------------------------------------------------------------------------------------------


def times_x(value: int) -> int:
    return value << 1 ^ (0x11B if value & 0x80 else 0)


def multiply(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a, b = times_x(a), b >> 1
    return product


def make_sbox() -> bytes:
    box = []
    for value in range(256):
        inverse = next((other for other in range(256) if multiply(value, other) == 1), 0)
        spread = inverse * 0x101
        box.append((inverse ^ spread >> 4 ^ spread >> 5 ^ spread >> 6 ^ spread >> 7) & 0xFF ^ 0x63)
    return bytes(box)


SBOX = make_sbox()


def round_keys(key: bytes) -> list[bytes]:
    words, constant = [key[at : at + 4] for at in range(0, len(key), 4)], 1
    count = len(words)
    while len(words) < 4 * (count + 7):
        word = words[-1]
        if len(words) % count == 0:
            word = bytes(SBOX[byte] for byte in word[1:] + word[:1])
            word = bytes((word[0] ^ constant,)) + word[1:]
            constant = times_x(constant)
        elif count > 6 and len(words) % count == 4:
            word = bytes(SBOX[byte] for byte in word)
        words.append(xor(words[-count], word))
    return [b"".join(words[at : at + 4]) for at in range(0, len(words), 4)]


def aes(keys: list[bytes], block: bytes) -> bytes:
    state = xor(block, keys[0])
    for number, key in enumerate(keys[1:], 1):
        state = bytes(SBOX[state[(at + 4 * (at % 4)) % 16]] for at in range(16))
        if number < len(keys) - 1:
            mixed = []
            for at in range(16):
                column, row = at - at % 4, at % 4
                a, b, c, d = (state[column + (row + i) % 4] for i in range(4))
                mixed.append(times_x(a) ^ times_x(b) ^ b ^ c ^ d)
            state = bytes(mixed)
        state = xor(state, key)
    return state


def ghash(key: int, data: bytes) -> int:
    total = 0
    for at in range(0, len(data), 16):
        total ^= int.from_bytes(data[at : at + 16], "big")
        product, shifted = 0, key
        for bit in reversed(range(128)):
            product ^= shifted if total >> bit & 1 else 0
            shifted = shifted >> 1 ^ (0xE1 << 120 if shifted & 1 else 0)
        total = product
    return total


def gcm(key: bytes, nonce: bytes, associated: bytes, plaintext: bytes) -> bytes:
    keys = round_keys(key)
    counters = range(2, 2 - (-len(plaintext) // 16))
    ciphertext = xor(plaintext, b"".join(aes(keys, nonce + counter.to_bytes(4, "big")) for counter in counters))
    sizes = (8 * len(associated)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    hashed = ghash(int.from_bytes(aes(keys, bytes(16)), "big"), padded(associated) + padded(ciphertext) + sizes)
    return ciphertext + xor(hashed.to_bytes(16, "big"), aes(keys, nonce + b"\0\0\0\1"))


# ---- the channel -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class IndependentSuite:
    name: bytes
    hash: Callable[[bytes], bytes]
    seal: Callable[[bytes, bytes, bytes, bytes], bytes]
    key_size: int

    def hmac(self, key: bytes, data: bytes) -> bytes:
        key = key.ljust(64, b"\0")
        inner = self.hash(bytes(byte ^ 0x36 for byte in key) + data)
        return self.hash(bytes(byte ^ 0x5C for byte in key) + inner)

    def hkdf(self, salt: bytes, secret: bytes) -> tuple[bytes, bytes]:
        temporary = self.hmac(salt, secret)
        first = self.hmac(temporary, b"\1")
        return first, self.hmac(temporary, first + b"\2")

    def next_key(self, key: bytes) -> bytes:
        return self.seal(key, bytes(4) + b"\xff" * 8, b"", bytes(32))[: self.key_size]

    def frame(self, first_key: bytes, nonce: int, plaintext: bytes) -> bytes:
        key = first_key
        for _ in range(nonce // 32):
            key = self.next_key(key)
        head = nonce.to_bytes(8, "big")
        return head + self.seal(key, bytes(4) + head, b"", plaintext)


SUITES = {
    suite.name.decode(): suite
    for suite in (
        IndependentSuite(b"OCKAM_XX_25519_AES256_GCM_SHA256", lambda data: sha256(data).digest(), gcm, 32),
        IndependentSuite(b"OCKAM_XX_25519_AES128_GCM_SHA256", lambda data: sha256(data).digest(), gcm, 16),
        IndependentSuite(b"OCKAM_XX_25519_ChaChaPolyBLAKE2s", blake2s, chacha20_poly1305, 32),
    )
}


class Handshake:
    """Both sides at once: whoever knows all four secrets can write all three messages."""

    def __init__(self, suite: IndependentSuite) -> None:
        self.suite = suite
        self.ck = suite.name
        self.h = suite.hash(suite.name)
        self.k, self.n = b"", 0

    def mix_hash(self, data: bytes) -> bytes:
        self.h = self.suite.hash(self.h + data)
        return data

    def mix_key(self, secret: bytes, point: bytes) -> None:
        self.ck, key = self.suite.hkdf(self.ck, x25519(secret, point))
        self.k, self.n = key[: self.suite.key_size], 0

    def encrypt(self, plaintext: bytes) -> bytes:
        iv = bytes(4) + self.n.to_bytes(8, "big")
        self.n += 1
        return self.mix_hash(self.suite.seal(self.k, iv, self.h, plaintext))

    def run(
        self, initiator: tuple[bytes, bytes], responder: tuple[bytes, bytes], payload_2: bytes, payload_3: bytes
    ) -> dict[str, bytes]:
        """Return messages, hashes and keys; each side is its static and its ephemeral secret."""
        (s_i, e_i), (s_r, e_r) = initiator, responder
        first = self.mix_hash(x25519(e_i)) + self.mix_hash(b"")
        second = self.mix_hash(x25519(e_r))
        self.mix_key(e_r, x25519(e_i))
        second += self.encrypt(x25519(s_r))
        self.mix_key(s_r, x25519(e_i))
        second += self.encrypt(payload_2)
        third = self.encrypt(x25519(s_i))
        self.mix_key(s_i, x25519(e_r))
        third += self.encrypt(payload_3)
        k1, k2 = (key[: self.suite.key_size] for key in self.suite.hkdf(self.ck, b""))
        return {
            "message_1": first,
            "message_2": second,
            "message_3": third,
            "handshake_hash": self.h,
            "responder_to_initiator_key": k1,
            "initiator_to_responder_key": k2,
        }
