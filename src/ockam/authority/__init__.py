"""Authorities: who says of whom which attributes they have, and gives credentials to those.

members             whom an authority knows
credential_issuer   what it answers; `workers` carries the messages
"""

from ockam.authority.credential_issuer import CredentialIssuer, issue_to_members
from ockam.authority.members import FixedMembers, Members

__all__ = ["CredentialIssuer", "FixedMembers", "Members", "issue_to_members"]
