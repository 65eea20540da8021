"""XEdDSA: Ed25519-style signatures made and checked with X25519 keys.

A Curve25519 key pair signs as an Ed25519 key whose point has sign bit 0. Verification converts the
Montgomery u coordinate and then is ordinary Ed25519, done by the cryptography package. Signing needs
a scalar that no Ed25519 library lets us choose, so the group arithmetic is here.

    k = clamped secret; E = k*B; A = E with the sign bit cleared; a = k, or -k mod q if the sign was 1
    r = SHA-512(padding || a || M || Z) mod q; R = r*B; h = SHA-512(R || A || M) mod q; s = r + h*a mod q
    signature = R || s

Limits: Python integers are not constant time. Every fixed-base multiplication does the same number
of table additions whatever its scalar, and the scalar is blinded with a fresh 64-bit multiple of q,
so that repeated measurements of one key do not add up; table lookups and the time of big-number
operations still depend on the (blinded) digits. An attacker who shares the CPU caches is out of
scope, as for any Python code. Only the public table of multiples of B is kept between calls.

Source:
    Signal, "The XEdDSA and VXEdDSA Signature Schemes"; protocols of the older X3DH key exchange.
"""

from __future__ import annotations

from hashlib import sha512
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# Fixed by the protocol.
SECRET_SIZE: Final = 32
PUBLIC_SIZE: Final = 32
NONCE_SIZE: Final = 64
SIGNATURE_SIZE: Final = 64
SIGNAL_PADDING: Final = b"\xfe" + b"\xff" * 31
# Reference: the retired X3DH crate hashed these two bytes instead (a slip). Only the nonce derivation
# differs, so its signatures verify here and ours there; used to reproduce recorded signatures.
OLD_CRATE_PADDING: Final = b"\xfe\x20"

_P: Final = 2**255 - 19
_Q: Final = 2**252 + 27742317777372353535851937790883648493
_D: Final = -121665 * pow(121666, -1, _P) % _P
_BASE_Y: Final = 4 * pow(5, -1, _P) % _P
_BASE_X: Final = 15112221349535400772501151409588531511454012693041857206046113283949847762202

# Our choice: 6-bit digits; 53 of them hold a scalar below 2**253 plus a 64-bit multiple of q.
_DIGIT_BITS: Final = 6
_DIGITS: Final = 53
_BLINDING_SIZE: Final = 8

# u coordinates of small order, in canonical form: 0, 1, -1 and the two of order 8.
LOW_ORDER_U: Final = frozenset(
    {
        0,
        1,
        _P - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
    }
)

_Affine = tuple[int, int, int]  # (y + x, y - x, 2*d*x*y)
_table: list[tuple[_Affine, ...]] = []


def sign(secret: bytes, message: bytes, nonce: bytes, padding: bytes = SIGNAL_PADDING) -> bytes:
    """Sign `message` with an X25519 secret.

    Args:
        secret: 32 bytes, clamped here.
        message: any length; signed as it is, without domain separation.
        nonce: 64 fresh random bytes (Z).
        padding: domain separation of the nonce hash.

    Returns:
        64 bytes R || s.

    Raises:
        ValueError: secret or nonce of a wrong length (a fault of the caller).
    """
    if len(secret) != SECRET_SIZE or len(nonce) != NONCE_SIZE:
        raise ValueError("an XEdDSA secret has 32 bytes and its nonce 64")
    k = clamp(secret)
    blinding = sha512(b"ockam xeddsa blinding" + secret + nonce).digest()
    edwards = _multiply_base(k % _Q, blinding[:_BLINDING_SIZE])
    # a = k, or -k mod q when E has sign bit 1; both are computed, so the bit does not show in the time.
    a = (k, -k % _Q)[edwards[31] >> 7]
    public = edwards[:31] + bytes([edwards[31] & 0x7F])
    r = int.from_bytes(sha512(padding + a.to_bytes(32, "little") + message + nonce).digest(), "little") % _Q
    r_point = _multiply_base(r, blinding[_BLINDING_SIZE : 2 * _BLINDING_SIZE])
    h = int.from_bytes(sha512(r_point + public + message).digest(), "little") % _Q
    s = (r + h * a) % _Q
    return r_point + s.to_bytes(32, "little")


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Say whether `signature` over `message` was made by the X25519 key `public`.

    Takes unauthenticated bytes and never raises. False also for keys that are not canonical
    (at or above 2**255 - 19), of small order or u = -1, which has no Edwards form.

    Reference: the retired crate panicked on u = -1 and on an s with one of its top three bits set.
    """
    if len(public) != PUBLIC_SIZE or len(signature) != SIGNATURE_SIZE or signature[63] & 0xE0:
        return False
    u = int.from_bytes(public, "little")
    if u >= _P or u in LOW_ORDER_U:
        return False
    y = (u - 1) * pow(u + 1, -1, _P) % _P
    try:
        Ed25519PublicKey.from_public_bytes(y.to_bytes(32, "little")).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def is_usable_public_key(public: bytes) -> bool:
    """Say whether 32 bytes are a canonical X25519 public key that is not of small order."""
    if len(public) != PUBLIC_SIZE:
        return False
    u = int.from_bytes(public, "little")
    return u < _P and u not in LOW_ORDER_U


def clamp(secret: bytes) -> int:
    """Return the X25519 scalar of 32 secret bytes."""
    k = int.from_bytes(secret, "little")
    return (k & ((1 << 254) - 8)) | (1 << 254)


def _multiply_base(scalar: int, blinding: bytes) -> bytes:
    """Return scalar*B in compressed form; B has order q, so a multiple of q hides the scalar."""
    table = _table or _build_table()
    blinded = scalar + int.from_bytes(blinding, "little") * _Q
    p, digit_mask = _P, (1 << _DIGIT_BITS) - 1
    x, y, z, t = 0, 1, 1, 0
    for row in table:
        y_plus_x, y_minus_x, t2d = row[blinded & digit_mask]
        blinded >>= _DIGIT_BITS
        # Extended coordinates, mixed addition (Hisil et al. 2008, a = -1); digit 0 adds the neutral point.
        a = (y - x) * y_minus_x % p
        b = (y + x) * y_plus_x % p
        c = t * t2d % p
        d = z + z
        e, f, g, h = b - a, d - c, d + c, b + a
        x, y, z, t = e * f % p, g * h % p, f * g % p, e * h % p
    inverse = pow(z, -1, p)
    x, y = x * inverse % p, y * inverse % p
    return (y | (x & 1) << 255).to_bytes(32, "little")


def _build_table() -> list[tuple[_Affine, ...]]:
    """Fill the table of digit * 2**(6*i) * B once (about 3,400 points, some 30 ms)."""
    rows: list[list[tuple[int, int, int, int]]] = []
    base = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _P)
    for _ in range(_DIGITS):
        row = [(0, 1, 1, 0)]
        for _ in range((1 << _DIGIT_BITS) - 1):
            row.append(_add(row[-1], base))
        rows.append(row)
        base = _add(row[-1], base)
    # One inversion for all points (Montgomery's trick).
    products = [1]
    for row in rows:
        for point in row:
            products.append(products[-1] * point[2] % _P)
    inverse = pow(products[-1], -1, _P)
    index = len(products) - 1
    affine: list[tuple[_Affine, ...]] = []
    for row in reversed(rows):
        converted: list[_Affine] = []
        for x, y, z, _ in reversed(row):
            index -= 1
            z_inverse = products[index] * inverse % _P
            inverse = inverse * z % _P
            ax, ay = x * z_inverse % _P, y * z_inverse % _P
            converted.append(((ay + ax) % _P, (ay - ax) % _P, 2 * _D * ax * ay % _P))
        affine.append(tuple(reversed(converted)))
    _table[:] = reversed(affine)  # one assignment: two threads may both build, neither sees half a table
    return _table


def _add(first: tuple[int, int, int, int], second: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x1, y1, z1, t1 = first
    x2, y2, z2, t2 = second
    a = (y1 - x1) * (y2 - x2) % _P
    b = (y1 + x1) * (y2 + x2) % _P
    c = 2 * _D * t1 * t2 % _P
    d = 2 * z1 * z2 % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P
