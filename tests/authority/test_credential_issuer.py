"""What a credential issuer answers."""

from __future__ import annotations

import pytest

from ockam.authority import CredentialIssuer, FixedMembers, issue_to_members
from ockam.core.access_control import ALLOW_ALL
from ockam.core.request import Method, Request, Response, Status
from ockam.core.route import route
from ockam.errors import OckamError
from ockam.identity import CredentialAndPurposeKey, Identifier
from ockam.node import Node
from tests.asynchronous import asynchronous, settle
from tests.identity.world import T0, World, run


def ask(method: Method | None = Method.POST, path: str = "/") -> Request:
    return Request(path, method, None, 7)


def test_members_get_what_is_said_of_them() -> None:
    async def main() -> None:
        world = World()
        authority, member, stranger = [await world.identities.create_identity() for _ in range(3)]
        members = FixedMembers({member: {"cluster": "production"}})
        assert members.identifiers == (member,)
        issuer = CredentialIssuer(issue_to_members(world.identities, authority, members, 60))
        for path in ("/", "", "/credential", "credential/"):
            response = await issuer.respond(member, ask(path=path))
            assert (response.status, response.re) == (Status.OK, 7)
            credential = CredentialAndPurposeKey.decode(response.body or b"")
            verified = await world.identities.verify_credential(credential, member, [authority])
            assert verified.attributes == {"cluster": "production"}
            assert verified.expires_at == T0 + 60
        response = await issuer.respond(stranger, ask())
        assert (response.status, response.error.message) == (Status.FORBIDDEN, "unauthorized member")
        for wrong in (ask(Method.GET), ask(None), ask(path="/other"), ask(path="/credential/more")):
            assert (await issuer.respond(member, wrong)).status is Status.NOT_FOUND

    run(main())


def test_a_failure_is_a_fixed_text() -> None:
    async def fail(_: Identifier) -> CredentialAndPurposeKey | None:
        raise OckamError("the token was pulled out: PIN 1234")

    async def main() -> None:
        world = World()
        response = await CredentialIssuer(fail).respond(await world.identities.create_identity(), ask())
        assert response.status is Status.INTERNAL_SERVER_ERROR
        assert response.error.message == "no credential could be issued"

    run(main())


@asynchronous
async def test_who_comes_over_no_channel_gets_no_answer() -> None:
    async with Node() as node:
        authority = await node.create_identity()
        await node.create_credential_issuer(authority, {})
        context = node.new_detached("asking", incoming=ALLOW_ALL, outgoing=ALLOW_ALL)
        await context.send(route("credential_issuer"), ask().encode())
        await context.send(route("asking"), b"the first message that comes")
        await settle()
        assert (await context.receive()).body == b"the first message that comes"
        assert not context._received
        with pytest.raises(OckamError):
            await node.create_credential_issuer(Identifier(bytes(32)), {}, "other")
        assert Response.ok(ask()).is_ok
