"""Programs that stay until they are told to stop: by SIGINT (Ctrl-C), by SIGTERM, or when nobody reads them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["stop_event"]


@contextlib.contextmanager
def stop_event() -> Iterator[asyncio.Event]:
    """Give an event that a signal sets; the second signal ends the program as it would have without this."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop() -> None:
        event.set()
        restore()

    def restore() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield event
    finally:
        restore()
