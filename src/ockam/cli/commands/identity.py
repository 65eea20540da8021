"""`ockam identity`: the identities of a node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ockam.cli.command import Group, run
from ockam.cli.output import Output, table

if TYPE_CHECKING:
    from ockam.cli.settings import Settings
    from ockam.identity.change_history import VerifiedChange

DEFAULT_NODE = "default"

group = Group(name="identity", help="Make identities of a node and show them.")

_at = click.option(
    "--at", default=DEFAULT_NODE, show_default=True, metavar="NODE", help="The node that has the identities."
)


@group.command("create")
@click.argument("name", default="default")
@_at
@click.pass_obj
def create(settings: Settings, name: str, at: str) -> None:
    """Make an identity: a key pair of this node, and the identifier that others know it by."""
    run(_create(settings, name, at))


@group.command("show")
@click.argument("name", default="default")
@_at
@click.option(
    "--full", is_flag=True, help="Show the change history: public, and all that others need to know the identity."
)
@click.option(
    "--encoding",
    type=click.Choice(["plain", "hex"]),
    default="plain",
    show_default=True,
    help="How to show the change history.",
)
@click.pass_obj
def show(settings: Settings, name: str, at: str, full: bool, encoding: str) -> None:
    """Print an identifier, or a whole change history."""
    if encoding == "hex" and not full:
        raise click.UsageError("--encoding hex is for --full.")
    run(_show(settings, name, at, full=full, as_hex=encoding == "hex"))


@group.command("list")
@_at
@click.pass_obj
def list_identities(settings: Settings, at: str) -> None:
    """List the identities of a node."""
    run(_list(settings, at))


async def _create(settings: Settings, name: str, at: str) -> None:
    from ockam import Node

    # As the reference: a name that is there already is no error.
    async with Node(home=settings.node_home(at)) as node:
        identifier = str(await node.ensure_identity(name))
    Output(settings).result(
        {"identifier": identifier, "name": name}, plain=f"Identity {name}: {identifier}", machine=identifier
    )


async def _show(settings: Settings, name: str, at: str, *, full: bool, as_hex: bool) -> None:
    from ockam.cli.homes import read_only_repositories
    from ockam.errors import NotFound

    async with read_only_repositories(settings.node_home(at)) as repositories:
        named = await repositories.named_identities.named_identity(name)
        identity = None if named is None else await repositories.change_histories.change_history(named.identifier)
    if identity is None:
        raise NotFound(f"The node {at} has no identity {name}. `ockam identity list --at {at}` lists those it has.")
    value: dict[str, object] = {"identifier": str(identity.identifier)}
    text = str(identity.identifier)
    if as_hex:
        text = identity.change_history.encode().hex()
        value = {"encoded": text}
    elif full:
        value["changes"] = changes = [_change(change) for change in identity.changes]
        text = "\n".join([text, *(_change_text(number, change) for number, change in enumerate(changes))])
    Output(settings).result(value, plain=text, machine=text)


def _change(change: VerifiedChange) -> dict[str, object]:
    from ockam.vault.keys import Ed25519PublicKey

    key = change.primary_public_key
    kind = "EdDSACurve25519" if isinstance(key, Ed25519PublicKey) else "ECDSASHA256CurveP256"
    return {
        "identifier": change.change_hash.value.hex(),
        "primary_public_key": f"{kind}: {key.value.hex()}",
        "revoke_all_purpose_keys": change.data.revoke_all_purpose_keys,
    }


def _change_text(number: int, change: dict[str, object]) -> str:
    return "\n".join([f"Change[{number}]:", *(f"  {name}: {value}" for name, value in change.items())])


async def _list(settings: Settings, at: str) -> None:
    from ockam.cli.homes import read_only_repositories

    async with read_only_repositories(settings.node_home(at)) as repositories:
        identities = await repositories.named_identities.named_identities()
    output = Output(settings)
    if not identities:
        output.note(f"The node {at} has no identities. `ockam identity create --at {at}` makes one.")
    value = [
        {
            "identifier": str(named.identifier),
            "is_default": named.is_default,
            "name": named.name,
            "vault_name": named.vault_name,
        }
        for named in identities
    ]
    rows = [(named.name, str(named.identifier)) for named in identities]
    output.result(value, plain=table(["NAME", "IDENTIFIER"], rows) if rows else "")
