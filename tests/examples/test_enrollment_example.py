"""The three programs of the enrollment example, as their readers would run them."""

from __future__ import annotations

import asyncio

from ockam import Identifier
from tests.program import example

ANY_PORT = "127.0.0.1:0"


def test_10() -> None:
    async def main() -> None:
        async with example("10_enrollment_service", "--listen", ANY_PORT) as service:
            address = await service.starts("Listening on ")
            identifier = Identifier.parse(await service.expect(lambda line: line.startswith("I")))
            async with example("10_enrollment_enroller", "--connect", address, "--listen", ANY_PORT) as enroller:
                station = await enroller.starts("Listening on ")
                assert await enroller.starts("Service ") == str(identifier)
                async with example("10_enrollment_enrollee", "--connect", station, "--name", "Robot ✓") as enrollee:
                    assert await enrollee.ended() == 0, enrollee.output
                    offer, code, enrolled, received = enrollee.lines
                assert await enroller.starts("Code ") == f"{code.removeprefix('Code ')} for Robot ✓"
            short = offer.removeprefix("Offer ")
            assert await service.starts("Approved ") == f"{short} (Robot ✓)"
            own, by = enrolled.removeprefix("Enrolled as ").split(": ")[0].split(" by ")
            assert by == str(identifier)
            assert await service.starts("Enrolled ") == f"{short} (Robot ✓) as {own}"
            assert enrolled.endswith(f"{{'enrolled': 'true', 'ockam-relay': '{short}', 'site': 'berlin'}}")
            assert received == "App Received: Hello Ockam!"

    asyncio.run(main())
