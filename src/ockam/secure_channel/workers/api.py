"""The API addresses of a channel: it encrypts and decrypts for workers of this node, whatever carries the frames.

    encryptor_api   raw bytes in, frame out     the nonces and the key are those of the channel's own messages
    decryptor_api   frame in, raw bytes out     and so is the window

Source: reference ockam_identity secure_channel/api.rs, encryptor_worker.rs, decryptor.rs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ockam.core.message import LocalMessage
from ockam.errors import OckamError
from ockam.runtime.mailbox import Busy, Mailbox
from ockam.secure_channel.api_messages import ApiResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from ockam.core.address import Address
    from ockam.runtime.router import Runtime

__all__ = ["ApiAddress"]


class ApiAddress:
    """One address that answers each message with what `operation` makes of its payload.

    Args:
        operation: bytes to bytes.
        address: where; None: at a random one.

    Raises:
        AddressInUse: a worker has that address.
    """

    def __init__(self, runtime: Runtime, operation: Callable[[bytes], bytes], address: Address | None = None) -> None:
        self._runtime = runtime
        self._operation = operation
        self._mailbox = Mailbox(address or runtime.random_address(), self._receive)
        self._record = runtime.add_worker([self._mailbox])

    @property
    def address(self) -> Address:
        """Where requests are sent."""
        return self._mailbox.address

    def remove(self) -> None:
        """Answer no more."""
        self._runtime.remove(self._record)

    def _receive(self, message: LocalMessage, source: Mailbox) -> Busy | None:
        try:
            response = ApiResponse(data=self._operation(bytes(message.payload)))
        except OckamError as error:
            response = ApiResponse(error=error.message)
        answer = LocalMessage(message.return_route, self._mailbox.route, response.encode())
        return self._runtime.forward(self._mailbox, answer)
