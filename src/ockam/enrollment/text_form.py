"""Text forms for files, stdin and QR codes: a prefix that says what it is, then base64url without padding."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from ockam.errors import DecodeError


def encode_text_form(prefix: str, data: bytes) -> str:
    """Return `prefix` and the base64url of `data`."""
    return prefix + urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_text_form(prefix: str, text: str) -> bytes:
    """Return the bytes of an unauthenticated text; white space around it is ignored.

    Raises:
        DecodeError: another prefix, a character outside base64url, or not the one canonical form.
    """
    text = text.strip()
    if not text.startswith(prefix):
        raise DecodeError(f"a text that starts with `{prefix}` is expected")
    body = text[len(prefix) :]
    try:
        data = urlsafe_b64decode(body.encode("ascii") + b"=" * (-len(body) % 4))
    except ValueError:
        raise DecodeError("the text is damaged: copy it again, complete and unchanged") from None
    if encode_text_form(prefix, data) != text:
        raise DecodeError("the text is damaged: copy it again, complete and unchanged")
    return data
