"""A listener: takes connections in."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Final

from ockam.core.access_control import DENY_ALL
from ockam.runtime.mailbox import Mailbox
from ockam.transport.host_port import HostPort

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from ockam.core.address import Address
    from ockam.runtime.router import Runtime

__all__ = ["TcpListener"]

log = logging.getLogger("ockam.transport.tcp")

LISTENER_PRIORITY: Final = 5
# Chosen by us.
ACCEPTS_PER_CALLBACK: Final = 64
RETRY_SECONDS: Final = 1.0
_OUT_OF_RESOURCES: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


class TcpListener:
    """Takes connections in until it is closed; closing it leaves them open.

    Attributes:
        socket_address: where it listens, `ip:port`, with the port that was chosen if 0 was asked for.
        flow_control_id: consumers of it are reachable from every connection this listener takes in.
    """

    def __init__(
        self, runtime: Runtime, sock: socket.socket, accept: Callable[[socket.socket, str, TcpListener], None]
    ) -> None:
        self._runtime = runtime
        self._socket = sock
        self._accept = accept
        self._is_closed = False
        host, port = sock.getsockname()[:2]
        self.socket_address = str(HostPort(host, port))
        self.port: int = port
        self.flow_control_id = runtime.random_flow_control_id()
        mailbox = Mailbox(
            runtime.random_address(), lambda _message, _source: None, incoming=DENY_ALL, outgoing=DENY_ALL
        )
        self._address = mailbox.address
        runtime.add_worker([mailbox], priority=LISTENER_PRIORITY, on_stop=self._stop)
        runtime.flow_controls.add_spawner(self.address, self.flow_control_id)
        runtime.loop.add_reader(sock.fileno(), self._on_readable)

    @property
    def address(self) -> Address:
        """The listening worker."""
        return self._address

    async def close(self) -> None:
        """Take no more connections."""
        if not self._is_closed:
            await self._runtime.stop_address(self.address)

    def _on_readable(self) -> None:
        for _ in range(ACCEPTS_PER_CALLBACK):
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES and not self._is_closed:
                    log.warning("no connection can be taken in for now: %s", error)
                    self._runtime.loop.remove_reader(self._socket.fileno())
                    self._runtime.loop.call_later(RETRY_SECONDS, self._try_again)
                    return
                log.warning("a connection could not be taken in: %s", error)
                return
            self._accept(sock, str(HostPort(peer[0], peer[1])), self)

    def _try_again(self) -> None:
        if not self._is_closed:
            self._runtime.loop.add_reader(self._socket.fileno(), self._on_readable)

    def _stop(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._runtime.loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def __repr__(self) -> str:
        return f"TcpListener({self.socket_address})"
