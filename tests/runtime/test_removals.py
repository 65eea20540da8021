from __future__ import annotations

from functools import partial

from ockam.runtime.removals import Removals
from tests.asynchronous import asynchronous
from tests.runtime.running import Recorder, running


@asynchronous
async def test_who_watches_an_address_is_told_once_that_it_has_gone() -> None:
    async with running() as app:
        told: list[str] = []
        address = await app.start_worker("w", Recorder())
        removals = app.runtime.removals
        one, two = partial(told.append, "one"), partial(told.append, "two")
        removals.watch(address, one)
        removals.watch(address, two)
        removals.watch(app.address, two)
        removals.unwatch(address, two)
        removals.unwatch(address, two)
        removals.unwatch(app.address, two)
        await app.stop_address(address)
        assert told == ["one"]
        removals.unwatch(address, one)
        await app.start_worker("w", Recorder())
        await app.stop_address("w")
        assert told == ["one"]


def test_nobody_watches_at_first() -> None:
    assert not Removals()
