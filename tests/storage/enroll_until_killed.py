"""Enrolls devices in a database until it is killed; prints the message id of each device that was accepted."""

import asyncio
import sys

from ockam.enrollment.handling import Send
from tests.enrollment.parties import Device, Service


async def main(path: str) -> None:
    """Enroll for ever, eight devices at a time."""
    service = Service(path)

    async def enroll(number: int) -> None:
        device = Device(f"device {number}")
        (bundle,) = await service.bundles()
        await service.approve(device.entry())
        outcome = await service.send((await device.message(bundle)).state.message)
        assert isinstance(outcome, Send)
        sys.stdout.write(outcome.message_id.hex() + " " + outcome.answer.hex() + "\n")
        sys.stdout.flush()

    for start in range(0, 1_000_000, 8):
        await asyncio.gather(*(enroll(start + offset) for offset in range(8)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
