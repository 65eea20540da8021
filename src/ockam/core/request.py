"""The API envelope: requests and responses between workers.

    body on the wire = BARE uint length, CBOR header map, body bytes
    request header    {1: id u32, 2: path text, 3: method, 4: has_body}
    response header   {1: id u32, 2: re u32, 3: status, 4: has_body}
    error body        {1: path, 2: method, 3: message, 4: cause}, each optional

The body follows the header directly, with no wrapper. Whatever follows the header of a response that is not 200 is read
as an error: a map, a text, or bytes that hold UTF-8.

Source: reference ockam_core/src/api.rs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeVar

from ockam.encoding.bare import Reader, encode_data
from ockam.encoding.cbor import Decoder, encode_bool, encode_map_head, encode_text, encode_uint
from ockam.errors import DecodeError

__all__ = ["ErrorBody", "Method", "Request", "Response", "Status"]

MAX_PATH_SEGMENTS = 5
MAX_CAUSES = 8
"""Chosen by us: how deep the causes in an error body are read; the rest is dropped."""


class Method(IntEnum):
    """Source: ockam_core/src/api.rs `Method`."""

    GET = 0
    POST = 1
    PUT = 2
    DELETE = 3
    PATCH = 4


class Status(IntEnum):
    """Source: ockam_core/src/api.rs `Status`."""

    OK = 200
    BAD_REQUEST = 400
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    NOT_FOUND = 404
    METHOD_NOT_ALLOWED = 405
    TIMEOUT = 408
    CONFLICT = 409
    INTERNAL_SERVER_ERROR = 500
    NOT_IMPLEMENTED = 501


E = TypeVar("E", bound=IntEnum)


def _known(kind: type[E], number: int | None) -> E | None:
    try:
        return None if number is None else kind(number)
    except ValueError:
        return None


def _number_or_null(decoder: Decoder) -> int | None:
    if decoder.is_null():
        decoder.null()
        return None
    return decoder.uint(32)


def _text_or_null(decoder: Decoder) -> str | None:
    if decoder.is_null():
        decoder.null()
        return None
    return decoder.text()


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        path: as sent; `segments` splits it.
        method: None if the number is unknown.
        body: the bytes after the header; None if the header says that there is no body.
        id: random, never 0.
    """

    path: str
    method: Method | None
    body: bytes | None = field(default=None, repr=False)
    id: int = 1

    @property
    def segments(self) -> tuple[str, ...]:
        """The path without its leading slashes, split into at most five pieces."""
        return tuple(self.path.lstrip("/").split("/", MAX_PATH_SEGMENTS - 1))

    def encode(self) -> bytes:
        """Return the message body that carries this request."""
        pieces = [encode_uint(1), encode_uint(self.id), encode_uint(2), encode_text(self.path)]
        if self.method is not None:
            pieces += [encode_uint(3), encode_uint(self.method)]
        return _envelope(pieces, self.body)

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """Return the request that unauthenticated `data` holds.

        Raises:
            DecodeError: not a request.
        """
        decoder = Decoder(Reader(data).bytes())
        number, path, method, has_body = None, None, None, None
        entries = decoder.map()
        while entries.next():
            match decoder.uint(32):
                case 1:
                    number = decoder.uint(32)
                case 2:
                    path = decoder.text(4096)
                case 3:
                    method = _number_or_null(decoder)
                case 4:
                    has_body = decoder.bool()
                case _:
                    decoder.skip()
        if number is None or path is None or has_body is None:
            raise DecodeError("a request header has an id, a path and a body flag")
        body = bytes(decoder.data[decoder.position : decoder.end]) if has_body else None
        return cls(path, _known(Method, method), body, number)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """Why a request failed, in the reference's form."""

    message: str | None = None
    path: str | None = None
    method: Method | None = None
    cause: ErrorBody | None = None

    def encode(self) -> bytes:
        """Return the CBOR map, absent fields left out."""
        pieces: list[bytes] = []
        if self.path is not None:
            pieces += [encode_uint(1) + encode_text(self.path)]
        if self.method is not None:
            pieces += [encode_uint(2) + encode_uint(self.method)]
        if self.message is not None:
            pieces += [encode_uint(3) + encode_text(self.message)]
        if self.cause is not None:
            pieces += [encode_uint(4) + self.cause.encode()]
        return b"".join((encode_map_head(len(pieces)), *pieces))

    @classmethod
    def read(cls, decoder: Decoder, depth: int = 0) -> ErrorBody:
        """Return the error that comes next in unauthenticated CBOR."""
        entries = decoder.map()
        path, method, message, cause = None, None, None, None
        while entries.next():
            match decoder.uint(32):
                case 1:
                    path = _text_or_null(decoder)
                case 2:
                    method = _known(Method, _number_or_null(decoder))
                case 3:
                    message = _text_or_null(decoder)
                case 4 if depth < MAX_CAUSES and not decoder.is_null():
                    cause = cls.read(decoder, depth + 1)
                case 4 if depth < MAX_CAUSES:
                    decoder.null()
                    cause = None
                case _:
                    decoder.skip()
        return cls(message, path, method, cause)

    @classmethod
    def decode(cls, data: bytes) -> ErrorBody:
        """Return the error that unauthenticated `data` holds in any of its forms; an empty one if in none."""
        try:
            first = data[0] >> 5 if data else 0
            if first == 3:
                return cls(Decoder(data).text())
            if first == 2:
                return cls(Decoder(data).bytes().decode())
            return cls.read(Decoder(data))
        except (DecodeError, UnicodeDecodeError):
            return cls()


@dataclass(frozen=True, slots=True)
class Response:
    """One response.

    Attributes:
        re: the id of the request, 0 if there was none.
        status: None if the number is unknown.
        body: the bytes after the header; None if the header says that there is no body.
    """

    re: int
    status: Status | None
    body: bytes | None = field(default=None, repr=False)
    id: int = 1

    @property
    def is_ok(self) -> bool:
        """Whether the request succeeded."""
        return self.status is Status.OK

    @property
    def error(self) -> ErrorBody:
        """The error that the body holds; empty where it holds none."""
        return ErrorBody.decode(self.body or b"")

    @classmethod
    def ok(cls, request: Request, body: bytes | None = None) -> Response:
        """Return the answer that `request` succeeded."""
        return cls(request.id, Status.OK, body)

    @classmethod
    def failure(cls, request: Request, status: Status, message: str | None = None) -> Response:
        """Return the answer that `request` failed; `message` is our own fixed text, never what the peer sent."""
        return cls(request.id, status, ErrorBody(message, request.path, request.method).encode())

    def encode(self) -> bytes:
        """Return the message body that carries this response."""
        pieces = [encode_uint(1), encode_uint(self.id), encode_uint(2), encode_uint(self.re)]
        if self.status is not None:
            pieces += [encode_uint(3), encode_uint(self.status)]
        return _envelope(pieces, self.body)

    @classmethod
    def decode(cls, data: bytes) -> Response:
        """Return the response that unauthenticated `data` holds.

        Raises:
            DecodeError: not a response.
        """
        decoder = Decoder(Reader(data).bytes())
        number, re, status, has_body = None, None, None, None
        entries = decoder.map()
        while entries.next():
            match decoder.uint(32):
                case 1:
                    number = decoder.uint(32)
                case 2:
                    re = decoder.uint(32)
                case 3:
                    status = _number_or_null(decoder)
                case 4:
                    has_body = decoder.bool()
                case _:
                    decoder.skip()
        if number is None or re is None or has_body is None:
            raise DecodeError("a response header has an id, the id of the request, and a body flag")
        known = _known(Status, status)
        # Reference: after any status but 200 the rest is an error, whatever the body flag says.
        rest = bytes(decoder.data[decoder.position : decoder.end])
        body = rest if has_body or (known is not Status.OK and rest) else None
        return cls(re, known, body, number)


def _envelope(entries: list[bytes], body: bytes | None) -> bytes:
    head = b"".join((encode_map_head(len(entries) // 2 + 1), *entries, encode_uint(4), encode_bool(body is not None)))
    return encode_data(head + (body or b""))
