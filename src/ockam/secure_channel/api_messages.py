"""What a channel's API addresses answer. A request is the raw bytes to encrypt, or the frame to decrypt.

    response    00 <data>      data: uint length, bytes
                01 <text>      string: why not

Local only: these addresses are of this node, and nothing from outside reaches them.

Source: reference ockam_identity secure_channel/api.rs (BARE). There the error is an object; here it is its text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ockam.encoding.bare import Reader, encode_data, encode_string, encode_uint
from ockam.errors import DecodeError, OckamError, Origin

__all__ = ["ApiResponse"]


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """An answer of `encryptor_api` or `decryptor_api`.

    Attributes:
        data: the frame, or the plaintext; None if it failed.
        error: why it failed.
    """

    data: bytes | None = field(default=None, repr=False)
    error: str | None = None

    def unwrap(self) -> bytes:
        """Return the data.

        Raises:
            OckamError: it failed.
        """
        if self.data is None:
            raise OckamError(self.error or "the channel could not do it", origin=Origin.IDENTITY)
        return self.data

    def encode(self) -> bytes:
        """Return the message body."""
        if self.data is not None:
            return encode_uint(0) + encode_data(self.data)
        return encode_uint(1) + encode_string(self.error or "")

    @classmethod
    def decode(cls, data: bytes) -> ApiResponse:
        """Return the answer that a message body holds.

        Raises:
            DecodeError: none.
        """
        reader = Reader(data)
        match reader.uint():
            case 0:
                return cls(data=bytes(reader.bytes()))
            case 1:
                return cls(error=reader.string())
            case _:
                raise DecodeError("an API response is 0 or 1")
