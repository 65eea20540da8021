"""The service's API through encoded requests and responses, row by row."""

import asyncio
from typing import Any

import pytest

from ockam.core.request import Method, Response, Status
from ockam.encoding.cbor import NULL, encode_array, encode_bytes, encode_uint
from ockam.enrollment.api import Caller, EnrollmentApi, Role
from ockam.enrollment.api_messages import (
    ApprovalEntry,
    ApprovalRequest,
    BundlesRequest,
    EnrolleeRecord,
    PatchRequest,
    decode_records,
)
from ockam.enrollment.handling import Send
from ockam.enrollment.pending import State
from ockam.enrollment.xeddsa import LOW_ORDER_U
from ockam.identity.identifier import Identifier
from tests.enrollment.model import NOW
from tests.enrollment.parties import ADMINISTRATOR, ALICE, BOB, DEVICE_CALLER, Device, Service

GET, POST, PATCH, DELETE, PUT = Method.GET, Method.POST, Method.PATCH, Method.DELETE, Method.PUT


def refused(response: Response, status: Status, words: str) -> None:
    assert response.status is status, response.error
    assert words in (response.error.message or "")


class TestBundles:
    def test_same_request_id_gives_the_same_bundles(self) -> None:
        async def scenario() -> None:
            service = Service()
            first = await service.bundles(3, request_id=b"r" * 16)
            assert await service.bundles(3, request_id=b"r" * 16) == first
            assert await service.bundles(2, request_id=b"r" * 16) == first
            assert await service.bundles(3, BOB, request_id=b"r" * 16) != first
            assert await service.bundles(3) != await service.bundles(3)
            assert len({bundle.contents().bundle_id for bundle in first}) == 3

        asyncio.run(scenario())

    def test_same_request_twice_at_once(self) -> None:
        async def scenario() -> None:
            service = Service()
            answers = await asyncio.gather(*(service.bundles(2, request_id=b"r" * 16) for _ in range(4)))
            assert len(set(answers)) == 1

        asyncio.run(scenario())

    def test_pauses_between_slices(self) -> None:
        async def scenario() -> None:
            service, pauses = Service(), 0

            async def pause() -> None:
                nonlocal pauses
                pauses += 1

            service.api = EnrollmentApi(service.service, service.repository, pause)
            assert len(await service.bundles(40)) == 40
            assert pauses == 2
            assert len(await Service().bundles(20)) == 20

        asyncio.run(scenario())

    def test_refusals(self) -> None:
        async def scenario() -> None:
            service = Service(quota=3)
            for body, words in [
                (BundlesRequest(0).encode(), "count: "),
                (BundlesRequest(1001).encode(), "count: "),
                (BundlesRequest(1, 0).encode(), "expires_in_seconds: "),
                (BundlesRequest(1, 366 * 86400).encode(), "expires_in_seconds: "),
                (encode_array(encode_uint(1), b"\x20"), "expires_in_seconds: "),
                (encode_array(encode_uint(1), NULL, encode_bytes(b"short")), "request_id: "),
                (b"\x81\x01\x00", "body: "),
                (None, "body: "),
            ]:
                refused(await service.request(ALICE, POST, "/bundles", body), Status.BAD_REQUEST, words)
            await service.bundles(3)
            refused(
                await service.request(ALICE, POST, "/bundles", BundlesRequest(1).encode()), Status.CONFLICT, "unused"
            )
            assert len(await service.bundles(4, ADMINISTRATOR)) == 4
            service.now += 7 * 86400  # the unused ones expired
            assert len(await service.bundles(3)) == 3

        asyncio.run(scenario())


class TestApprovals:
    def test_idempotent_and_conflicts(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            entry = device.entry(attributes={"a": "1", "b": "2"}, expires_in_seconds=100)
            first = await service.approve(entry)
            service.now += 50
            assert await service.approve(entry) == first
            same = ApprovalEntry(entry.eik, entry.pet_name, {"b": "2", "a": "1"}, 100)
            assert await service.approve(same) == first
            others: list[tuple[Caller, ApprovalEntry]] = [
                (ALICE, ApprovalEntry(entry.eik, "other", entry.attributes, 100)),
                (ALICE, ApprovalEntry(entry.eik, entry.pet_name, {"a": "1"}, 100)),
                (ALICE, ApprovalEntry(entry.eik, entry.pet_name, entry.attributes, 101)),
                (BOB, entry),
            ]
            for caller, other in others:
                body = ApprovalRequest((Device("new").entry(), other)).encode()
                response = await service.request(caller, POST, "/enrollees", body)
                refused(response, Status.CONFLICT, device.id.hex()[:20])
                # All or nothing.
                response = await service.request(ADMINISTRATOR, GET, f"/enrollees/{Device('new').id.hex()}")
                refused(response, Status.NOT_FOUND, "No such enrollee")
            assert (await service.request(ALICE, DELETE, f"/enrollees/{device.id.hex()}")).status is Status.OK
            assert (await service.approve(entry))[0].state is State.CANCELLED

        asyncio.run(scenario())

    def test_unusable_keys(self) -> None:
        async def scenario() -> None:
            service = Service()
            for u in [*LOW_ORDER_U, 2**255 - 19, 2**255 - 1, 2**255 + 9]:
                body = ApprovalRequest((ApprovalEntry(u.to_bytes(32, "little")),)).encode()
                refused(await service.request(ALICE, POST, "/enrollees", body), Status.BAD_REQUEST, "eik: ")

        asyncio.run(scenario())

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"pet_name": "a\nb"}, "pet_name: "),
            ({"pet_name": "x" * 65}, "pet_name: "),
            ({"attributes": {"ockam-role": "enroller"}}, "attributes: "),
            ({"attributes": {"a": "x" * 1100}}, "attributes: "),
            ({"expires_in_seconds": 10 * 366 * 86400}, "expires_in_seconds: "),
        ],
    )
    def test_refusals(self, fields: dict[str, Any], words: str) -> None:
        async def scenario() -> None:
            service = Service()
            entry = ApprovalEntry(Device("axiom").state.offer.eik, **fields)
            response = await service.request(ALICE, POST, "/enrollees", ApprovalRequest((entry,)).encode())
            refused(response, Status.BAD_REQUEST, words)

        asyncio.run(scenario())

    def test_administrators_give_roles(self) -> None:
        async def scenario() -> None:
            service = Service()
            entry = Device("axiom").entry(attributes={"ockam-role": "enroller"})
            (record,) = await service.approve(entry, caller=ADMINISTRATOR)
            assert record.attributes == {"ockam-role": "enroller"}

        asyncio.run(scenario())

    def test_count_twice_and_quota(self) -> None:
        async def scenario() -> None:
            service = Service(quota=2)
            devices = [Device(f"device {number}") for number in range(4)]
            twice = ApprovalRequest((devices[0].entry(), devices[0].entry())).encode()
            refused(await service.request(ALICE, POST, "/enrollees", twice), Status.CONFLICT, "given twice")
            empty = ApprovalRequest(()).encode()
            refused(await service.request(ALICE, POST, "/enrollees", empty), Status.BAD_REQUEST, "enrollees: ")
            many = ApprovalRequest((devices[0].entry(),) * 1001).encode()
            refused(await service.request(ALICE, POST, "/enrollees", many), Status.BAD_REQUEST, "enrollees: ")
            await service.approve(*(device.entry(expires_in_seconds=10) for device in devices[:2]))
            await service.approve(devices[0].entry(expires_in_seconds=10))  # known already, not one more
            body = ApprovalRequest((devices[2].entry(),)).encode()
            refused(await service.request(ALICE, POST, "/enrollees", body), Status.CONFLICT, "as many")
            await service.approve(*(device.entry() for device in devices[2:]), caller=ADMINISTRATOR)
            service.now += 10  # expired ones do not count
            await service.approve(devices[0].entry())

        asyncio.run(scenario())


class TestRecords:
    def test_foreign_records_do_not_exist(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry())
            path = f"/enrollees/{device.id.hex()}"
            for method, body in ((GET, None), (PATCH, PatchRequest(5).encode()), (DELETE, None)):
                refused(await service.request(BOB, method, path, body), Status.NOT_FOUND, "No such enrollee")
            listed = await service.request(BOB, GET, "/enrollees")
            assert decode_records(listed.body or b"") == ()
            for caller in (ALICE, ADMINISTRATOR):
                listed = await service.request(caller, GET, "/enrollees?state=0&name=ax&page=0")
                assert [record.id for record in decode_records(listed.body or b"")] == [device.id]

        asyncio.run(scenario())

    def test_prefixes(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry())
            for digits in (20, 21, 63, 64):
                response = await service.request(ALICE, GET, f"/enrollees/{device.id.hex()[:digits].upper()}")
                assert EnrolleeRecord.decode(response.body or b"").id == device.id
            refused(await service.request(ALICE, GET, f"/enrollees/{device.id.hex()[:19]}"), Status.BAD_REQUEST, "id: ")
            # A second record with the same first 20 digits.
            twin = device.id[:10] + b"\xff" * 22

            def insert(connection: Any) -> None:
                connection.execute(
                    """INSERT INTO enrollee (id, state, added_by, created_at, attributes, entry_hash)
                        VALUES (?, 0, ?, 0, x'a0', x'00')""",
                    (twin, BOB.identifier.value),
                )

            await service.database.run(insert)
            path = f"/enrollees/{device.id.hex()[:20]}"
            refused(await service.request(ADMINISTRATOR, GET, path), Status.CONFLICT, "More than one")
            assert (await service.request(ALICE, GET, path)).status is Status.OK  # it sees one only

        asyncio.run(scenario())

    def test_patch(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            await service.approve(device.entry(expires_in_seconds=100))
            path = f"/enrollees/{device.id.hex()}"
            service.now += 10
            response = await service.request(ALICE, PATCH, path, PatchRequest(100, {"site": "x"}).encode())
            record = EnrolleeRecord.decode(response.body or b"")
            assert (record.expires_at, record.attributes) == (NOW + 110, {"site": "x"})
            for change, words in (
                (PatchRequest(10 * 366 * 86400), "expires_in_seconds: "),
                (PatchRequest(None, {"enrolled": "x"}), "attributes: "),
            ):
                refused(await service.request(ALICE, PATCH, path, change.encode()), Status.BAD_REQUEST, words)
            refused(await service.request(ALICE, PATCH, path), Status.BAD_REQUEST, "body: ")
            service.now += 100
            response = await service.request(ALICE, PATCH, path, PatchRequest(100).encode())
            refused(response, Status.CONFLICT, "expired")

        asyncio.run(scenario())

    def test_delete(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            assert isinstance(await service.send((await device.message(bundle)).state.message), Send)
            path = f"/enrollees/{device.id.hex()}"
            for _ in range(2):  # twice is the same as once
                response = await service.request(ALICE, DELETE, path)
                assert EnrolleeRecord.decode(response.body or b"").state is State.REVOKED
            expired = Device("expired")
            await service.approve(expired.entry(expires_in_seconds=1))
            service.now += 1
            refused(await service.request(ALICE, DELETE, f"/enrollees/{expired.id.hex()}"), Status.CONFLICT, "expired")

        asyncio.run(scenario())


class TestRouting:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            (GET, "/audit?from=0&count=10", Status.NOT_IMPLEMENTED),
            (GET, "/revocations", Status.NOT_IMPLEMENTED),
            (POST, f"/enrollees/{'a' * 64}/rotate", Status.NOT_IMPLEMENTED),
            (GET, "/bundles", Status.METHOD_NOT_ALLOWED),
            (PUT, f"/enrollees/{'a' * 64}", Status.METHOD_NOT_ALLOWED),
            (DELETE, "/enrollees", Status.METHOD_NOT_ALLOWED),
            (GET, "/", Status.NOT_FOUND),
            (GET, "", Status.NOT_FOUND),
            (GET, "/enrollees/a/b", Status.NOT_FOUND),
            (GET, "enrollees", Status.OK),
            (GET, "/enrollees?state=9", Status.BAD_REQUEST),
        ],
    )
    def test_paths(self, method: Method, path: str, status: Status) -> None:
        async def scenario() -> None:
            assert (await Service().request(ALICE, method, path)).status is status

        asyncio.run(scenario())

    def test_devices(self) -> None:
        async def scenario() -> None:
            service = Service()
            body = BundlesRequest(1).encode()
            refused(await service.request(DEVICE_CALLER, POST, "/bundles", body), Status.FORBIDDEN, "Only enrollers")
            response = await service.request(DEVICE_CALLER, GET, "/revocations")
            assert response.status is Status.NOT_IMPLEMENTED

        asyncio.run(scenario())

    def test_roles(self) -> None:
        async def scenario() -> None:
            service, device = Service(), Device("axiom")
            role_of = service.api.role_of
            assert await role_of(ADMINISTRATOR.identifier) is Role.ADMINISTRATOR
            assert await role_of(ALICE.identifier) is None
            await service.repository.add_enroller(ALICE.identifier, NOW)
            assert await role_of(ALICE.identifier) is Role.ENROLLER
            stranger = Identifier(b"\x01" * 32)
            assert await role_of(stranger, {"ockam-role": "enroller"}) is Role.ENROLLER
            assert await role_of(stranger, {"ockam-role": "member"}) is None
            (bundle,) = await service.bundles()
            await service.approve(device.entry())
            await service.send((await device.message(bundle)).state.message)
            assert device.identity is not None
            assert await role_of(device.identity.identifier) is Role.DEVICE
            assert await role_of(device.identity.identifier, {"ockam-role": "enroller"}) is Role.ENROLLER
            await service.request(ALICE, DELETE, f"/enrollees/{device.id.hex()}")
            assert await role_of(device.identity.identifier, {"ockam-role": "enroller"}) is None

        asyncio.run(scenario())
