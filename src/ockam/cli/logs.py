"""What -v writes to stderr; without it, a command logs nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ockam.cli.settings import Settings

__all__ = ["configure_logs"]


def configure_logs(settings: Settings) -> None:
    """Write logs as -v asked: -v and -vv what happens, -vvv everything of ockam, -vvvv of all libraries too."""
    if settings.verbose == 0:
        return
    import logging
    import time

    handler = logging.StreamHandler()
    formatter = logging.Formatter(
        "    %(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
    )
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger = logging.getLogger("ockam" if settings.verbose < 4 else None)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO if settings.verbose < 3 else logging.DEBUG)
