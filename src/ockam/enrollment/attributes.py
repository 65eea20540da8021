"""Which names and attributes an enroller may give a device.

Attributes end up in the device's credential, where policies read them, so names with a meaning of their own are kept
for the service and its administrators. A pet name is for people only: it is not unique and never in a credential.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from ockam.encoding.cbor import encode_map_head, encode_text
from ockam.enrollment.errors import InvalidField

if TYPE_CHECKING:
    from collections.abc import Mapping

# Fixed by the protocol.
MAX_PET_NAME_CHARACTERS: Final = 64
MAX_ATTRIBUTES_BYTES: Final = 1024
_RESERVED: Final = frozenset({"enrolled", "name", "identifier", "has_credential", "trust_context_id"})
_RESERVED_PREFIXES: Final = ("ockam-", "project")
# The one reserved name that administrators may give: it makes a member an enroller.
ROLE_ATTRIBUTE: Final = "ockam-role"
RELAY_ATTRIBUTE: Final = "ockam-relay"
ENROLLED_ATTRIBUTE: Final = "enrolled"

_CONTROL_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


def check_pet_name(name: str | None) -> None:
    """Accept 1 to 64 characters without control characters, or no name.

    Raises:
        InvalidField: `pet_name`.
    """
    if name is None:
        return
    if not 1 <= len(name) <= MAX_PET_NAME_CHARACTERS:
        raise InvalidField("pet_name", f"1 to {MAX_PET_NAME_CHARACTERS} characters are allowed")
    if _has_control_characters(name):
        raise InvalidField("pet_name", "control characters are not allowed")


def check_attributes(attributes: Mapping[str, str], *, administrator: bool = False) -> None:
    """Accept attributes whose encoding has at most 1 KiB and whose names are not reserved.

    Args:
        attributes: names and values, unauthenticated.
        administrator: whether an administrator gives them; it may also give roles (`ockam-role`).

    Raises:
        InvalidField: `attributes`.
    """
    for name, value in attributes.items():
        if not name or _has_control_characters(name) or any(character.isspace() for character in name):
            raise InvalidField("attributes", "a name is not empty and has no white space or control characters")
        role = administrator and name == ROLE_ATTRIBUTE
        if not role and (name in _RESERVED or name.startswith(_RESERVED_PREFIXES)):
            raise InvalidField("attributes", "names `ockam-*`, `project*` and a few others are reserved")
        if _has_control_characters(value):
            raise InvalidField("attributes", "control characters are not allowed in values")
    if len(encode_attributes(attributes)) > MAX_ATTRIBUTES_BYTES:
        raise InvalidField("attributes", f"all together may have {MAX_ATTRIBUTES_BYTES} bytes")


def member_attributes(given: Mapping[str, str], relay_name: str | None) -> dict[str, str]:
    """Return what goes into the credential of an enrolled device; the service's own names win."""
    relay = {} if relay_name is None else {RELAY_ATTRIBUTE: relay_name}
    return {**given, ENROLLED_ATTRIBUTE: "true", **relay}


def encode_attributes(attributes: Mapping[str, str]) -> bytes:
    """Return a map of texts in the order given."""
    pieces = [encode_text(name) + encode_text(value) for name, value in attributes.items()]
    return b"".join((encode_map_head(len(pieces)), *pieces))


def sorted_attributes(attributes: Mapping[str, str]) -> dict[str, str]:
    """Return the attributes in the order of the bytes of their names."""
    return dict(sorted(attributes.items(), key=lambda item: item[0].encode()))


def _has_control_characters(text: str) -> bool:
    return any(unicodedata.category(character) in _CONTROL_CATEGORIES for character in text)
