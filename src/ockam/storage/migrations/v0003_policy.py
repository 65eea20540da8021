"""Tables of policies and of the resources that they protect.

Names, columns and keys are the reference's final schema. An expression is its text, in the full grammar.

Source:
    reference ockam_node/src/storage/database/migrations/.
"""

from __future__ import annotations

from typing import Final

from ockam.storage.migrations.migration import Migration

MIGRATION: Final = Migration(
    version=3,
    name="policy",
    statements=(
        """CREATE TABLE resource_policy (
            resource_name TEXT NOT NULL,
            action TEXT NOT NULL,
            expression TEXT NOT NULL,
            node_name TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX resource_policy_index ON resource_policy (node_name, resource_name, action)",
        """CREATE TABLE resource_type_policy (
            resource_type TEXT NOT NULL,
            action TEXT NOT NULL,
            expression TEXT NOT NULL,
            node_name TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX resource_type_policy_index ON resource_type_policy (node_name, resource_type, action)",
        """CREATE TABLE resource (
            resource_name TEXT NOT NULL,
            resource_type TEXT NOT NULL,
            node_name TEXT NOT NULL
        )""",
        "CREATE UNIQUE INDEX resource_index ON resource (node_name, resource_name, resource_type)",
    ),
)
