"""The workers behind the service's channels: who may ask what, and what bad requests get."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ockam import Node, SecureChannelOptions, TimedOut, route
from ockam.core.request import Method, Request, Response, Status
from ockam.enrollment.api_messages import ApprovalEntry, ApprovalRequest, BundlesRequest, EnrolleeRecord
from ockam.enrollment.errors import Forbidden, RecordConflict, RecordNotFound, RequestRefused, ServiceUnreachable
from ockam.enrollment.messages import EnrolleeOffer
from ockam.enrollment.pending import State
from ockam.enrollment.workers.events import Approved, BundlesIssued, CallerDropped, Changed
from ockam.identity.credential import CredentialAndPurposeKey
from tests.asynchronous import asynchronous
from tests.enrollment.parties import Device
from tests.enrollment.workers.world import World

if TYPE_CHECKING:
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.workers.channel import SecureChannel

EIK = Device("somebody").state.offer.eik
YEAR = 365 * 24 * 3600

LOW_ORDER_KEYS = {
    "zero": bytes(32),
    "one": b"\x01" + bytes(31),
    "order 8": bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    "p - 1": bytes.fromhex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p, not canonical": bytes.fromhex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "p + 9, not canonical": bytes.fromhex("f6ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
}


@pytest.mark.parametrize("key", LOW_ORDER_KEYS.values(), ids=LOW_ORDER_KEYS)
def test_enrollment_keys_that_are_no_keys(key: bytes) -> None:
    refused("eik", EnrolleeOffer(key))


BAD_FIELDS: dict[str, tuple[str, dict[str, Any]]] = {
    "empty name": ("pet_name", {"name": ""}),
    "long name": ("pet_name", {"name": "x" * 65}),
    "control character": ("pet_name", {"name": "a\x07b"}),
    "line break": ("pet_name", {"name": "a\nb"}),
    "reserved": ("attributes", {"attributes": {"enrolled": "false"}}),
    "ockam-": ("attributes", {"attributes": {"ockam-relay": "*"}}),
    "role": ("attributes", {"attributes": {"ockam-role": "enroller"}}),
    "project": ("attributes", {"attributes": {"project_id": "1"}}),
    "empty attribute": ("attributes", {"attributes": {"": "x"}}),
    "too much": ("attributes", {"attributes": {"x": "y" * 1024}}),
    "more than ten years": ("expires_in_seconds", {"expires_in": 10 * YEAR + 1}),
}


@pytest.mark.parametrize(("field", "given"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_approvals_with_bad_fields(field: str, given: dict[str, Any]) -> None:
    given = dict(given)
    refused(field, EnrolleeOffer(EIK, given.pop("name", "Robot Axiom")), **given)


@asynchronous
async def refused(field: str, offer: EnrolleeOffer, **given: Any) -> None:
    async with World() as world:
        good = Device("good").state.offer
        with pytest.raises(RequestRefused, match=f"^{field}: ") as caught:
            await world.enroller.approve([good, offer], **given)
        assert caught.value.status is Status.BAD_REQUEST
        # All or nothing.
        assert not await world.service.list()


@asynchronous
async def test_bundles_in_wrong_numbers_and_for_wrong_times() -> None:
    async with World() as world:
        for count, expires_in, field in (
            (0, None, "count"),
            (1001, None, "count"),
            (1, 0, "expires_in_seconds"),
            (1, YEAR + 1, "expires_in_seconds"),
        ):
            with pytest.raises(RequestRefused, match=f"^{field}: ") as caught:
                await world.enroller.request_bundles(count, expires_in)
            assert caught.value.status is Status.BAD_REQUEST
        # Negative: minus one in CBOR.
        with pytest.raises(RequestRefused, match=r"^expires_in_seconds: "):
            await world.enroller.request(Method.POST, "/bundles", b"\x82\x01\x20")
        with pytest.raises(RequestRefused, match=r"^body: ") as caught:
            await world.enroller.request(Method.POST, "/bundles", BundlesRequest(1).encode() + b"\x00")
        assert caught.value.status is Status.BAD_REQUEST
        bundles = await world.enroller.request_bundles(20)
        assert len({bundle.fingerprint for bundle in bundles}) == 20
        assert (await world.event(BundlesIssued)).count == 20


@asynchronous
async def test_conflicts_and_unknown_records() -> None:
    async with World() as world:
        offer = EnrolleeOffer(EIK, "one")
        (record,) = await world.enroller.approve([offer], expires_in=100)
        assert (await world.event(Approved)).record == record
        assert await world.enroller.approve([offer.text], expires_in=100) == [record]
        with pytest.raises(RecordConflict, match=record.short):
            await world.enroller.approve([offer], attributes={"site": "berlin"})
        extended = await world.enroller.extend(record.short, 1000)
        assert extended.expires_at == world.clock() + 1000
        assert (await world.event(Changed)).record == extended
        with pytest.raises(RecordNotFound):
            await world.enroller.show("0" * 20)
        with pytest.raises(RequestRefused, match=r"^id: "):
            await world.enroller.show(record.short[:-1])
        assert (await world.enroller.cancel(record.short)).state is State.CANCELLED
        with pytest.raises(RecordConflict):
            await world.enroller.extend(record.short, 1000)
        # Another enroller does not see it; the service's operator does.
        node = await world.node()
        identifier = await node.create_identity()
        await world.service.add_enroller(identifier)
        other = await world.enroller_of(node, identifier)
        assert await other.list() == ()
        with pytest.raises(RecordNotFound):
            await other.show(record.short)
        assert (await world.service.show(record.short)).state is State.CANCELLED


@asynchronous
async def test_quotas() -> None:
    async with World() as world:
        core = world.service._core
        core.settings = replace(core.settings, quota=3)
        await world.enroller.request_bundles(2)
        with pytest.raises(RequestRefused, match="as it may") as caught:
            await world.enroller.request_bundles(2)
        assert caught.value.status is Status.CONFLICT
        await world.enroller.approve([Device(f"device {number}").state.offer for number in range(3)])
        with pytest.raises(RequestRefused, match="as it may") as caught:
            await world.enroller.approve([Device("one more").state.offer])
        assert caught.value.status is Status.CONFLICT
        assert len(await world.service.list()) == 3


async def channel_of(world: World) -> tuple[Node, Identifier, SecureChannel]:
    """Return a channel of somebody whom the service does not know."""
    stranger = await world.stranger()
    identifier = await stranger.node.create_identity()
    options = SecureChannelOptions(timeout=5)
    channel = await stranger.node.create_secure_channel(identifier, route(stranger.connection, "api"), options)
    return stranger.node, identifier, channel


@asynchronous
async def test_a_caller_who_is_neither_enroller_nor_enrolled(caplog: pytest.LogCaptureFixture) -> None:
    async with World() as world:
        node, identifier, channel = await channel_of(world)
        request = Request("/bundles", Method.POST, BundlesRequest(1).encode(), 1).encode()
        with caplog.at_level(logging.WARNING, "ockam.enrollment"), pytest.raises(TimedOut):
            await node.send_and_receive(route(channel, "enrollment_service"), request, timeout=0.05)
        assert (await world.event(CallerDropped)).identifier == identifier
        assert str(identifier) in caplog.text
        enroller = await world.enroller_of(node, identifier)
        enroller._timeout = 0.05
        with pytest.raises(ServiceUnreachable, match=str(identifier)):
            await enroller.list()


@asynchronous
async def test_credentials_are_issued_to_enrolled_devices_alone() -> None:
    async with World() as world:
        node, _, channel = await channel_of(world)
        issuer = route(channel, "credential_issuer")
        request = Request("/", Method.POST, None, 1)
        response = await node.send_and_receive(issuer, request.encode(), reply=Response)
        assert (response.status, response.error.message) == (Status.FORBIDDEN, "unauthorized member")
        device = await world.node()
        enrollment = await world.enrolled("one", device, site="berlin")
        assert enrollment.channel is not None
        for path in ("/", "/credential", "credential"):
            response = await device.send_and_receive(
                route(enrollment.channel, "credential_issuer"),
                Request(path, Method.POST, None, 7).encode(),
                reply=Response,
            )
            assert (response.status, response.re) == (Status.OK, 7)
            credential = CredentialAndPurposeKey.decode(response.body or b"")
            verified = await device.verify_credential(
                credential.encode(), enrollment.identifier, [world.service_identifier]
            )
            assert verified.attributes == enrollment.attributes
        wrong = Request("/", Method.GET, None, 1).encode()
        response = await device.send_and_receive(route(enrollment.channel, "credential_issuer"), wrong, reply=Response)
        assert response.status is Status.NOT_FOUND
        # An expired credential does not lock out.
        world.clock.advance(10 * 24 * 3600)
        await enrollment.connect()
        await enrollment.renew_credential()
        assert enrollment.credential_expires_at > world.clock()
        # Revocation does.
        await world.service.remove(enrollment.enrollment_identifier.hex())
        with pytest.raises(RequestRefused, match="unauthorized member"):
            await enrollment.renew_credential()


@asynchronous
async def test_a_device_may_not_do_what_enrollers_do() -> None:
    async with World() as world:
        node = await world.node()
        enrollment = await world.enrolled("one", node)
        device = await world.enroller_of(node, enrollment.identifier)
        with pytest.raises(Forbidden):
            await device.request_bundles(1)
        with pytest.raises(RequestRefused) as caught:
            await device.request(Method.GET, "/revocations")
        assert caught.value.status is Status.NOT_IMPLEMENTED


@asynchronous
async def test_an_enroller_by_credential() -> None:
    async with World() as world:
        node = await world.node()
        device = await world.device("phone", node)
        # Roles are given by administrators; the service's operator is one.
        operator = Request("/enrollees", Method.POST, _approval(device.offer, {"ockam-role": "enroller"}), 1)
        assert (await world.service.respond(operator)).is_ok
        (bundle,) = await world.enroller.request_bundles(1)
        enrollment = await device.enroll(bundle)
        enroller = await world.enroller_of(node, enrollment.identifier)
        # A new channel, and what the service has stored of its attributes counts.
        assert len(await enroller.request_bundles(2)) == 2


@asynchronous
async def test_the_operator_of_the_service() -> None:
    async with World() as world:
        (record,) = await world.enroller.approve([EnrolleeOffer(EIK, "one")])
        updated = await world.service.update(record.short, expires_in=0, attributes={"site": "berlin"})
        assert (updated.expires_at, updated.attributes) == (None, {"site": "berlin"})
        response = await world.service.respond(Request(f"/enrollees/{record.short}", Method.GET, None, 1))
        assert EnrolleeRecord.decode(response.body or b"") == updated
        unused = await world.bundle()
        assert await world.service.remove_enroller(world.enroller_identifier)
        assert (await world.service.show(record.short)).state is State.CANCELLED
        assert not await world.service.remove_enroller(world.enroller_identifier)
        device = Device("late")
        stranger = await world.stranger()
        await stranger.send((await device.message(unused)).state.message)
        world.enroller._timeout = 0.05
        with pytest.raises(ServiceUnreachable):
            await world.enroller.list()
        await world.service.close()
        assert world.service_node.list_workers()


def _approval(offer: EnrolleeOffer, attributes: dict[str, str]) -> bytes:
    return ApprovalRequest((ApprovalEntry.of_offer(offer, attributes),)).encode()
