"""Runs an asynchronous test to its end, and sees that nothing fails behind its back."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["asynchronous", "settle", "until"]

P = ParamSpec("P")

WAIT_SECONDS = 10.0
"""No test takes so long; one that waits for something that never comes ends then."""


def asynchronous(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make a plain test of an asynchronous one. What its event loop reports as an unhandled error fails it."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        unhandled: list[dict[str, Any]] = []

        async def main() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda _, report: unhandled.append(report))
            async with asyncio.timeout(WAIT_SECONDS):
                await test(*args, **kwargs)

        asyncio.run(main())
        assert not unhandled

    return run


async def settle(turns: int = 20) -> None:
    """Let everything that is ready run; for work inside this process, where nothing is waited for."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let others run until `condition` holds."""
    while not condition():  # noqa: ASYNC110 - what is looked at has no event, and gets none for the tests
        await asyncio.sleep(0)
