"""What a device has once it is enrolled, and what it does with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ockam.core.request import Method
from ockam.core.route import route
from ockam.enrollment.errors import RequestRefused, ServiceUnreachable
from ockam.enrollment.workers.host import API, CREDENTIAL_ISSUER, ENROLLMENT_SERVICE, Way
from ockam.errors import Misuse, OckamError, TimedOut
from ockam.identity.credential import CredentialAndPurposeKey, CredentialData
from ockam.identity.verification import verify_change_history, verify_credential
from ockam.identity.versioned_data import VersionedData
from ockam.relay.workers.remote import RemoteRelay
from ockam.secure_channel.options import SecureChannelListenerOptions, SecureChannelOptions
from ockam.secure_channel.trust_policy import TrustEveryone

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ockam.core.flow_control import FlowControlId
    from ockam.enrollment.enrollee import Enrolled
    from ockam.enrollment.enroller import DeviceStateRepository
    from ockam.enrollment.workers.host import Host
    from ockam.identity.identifier import Identifier
    from ockam.secure_channel.trust_policy import TrustPolicy
    from ockam.secure_channel.workers.channel import SecureChannel

__all__ = ["Enrollment"]

# Chosen by us.
DEFAULT_TIMEOUT_SECONDS: Final = 30.0


class Enrollment:
    """An enrolled device: who it is, what the service says of it, and its ways to the service.

    Attributes:
        identifier: the device's own identity.
        channel: to the service, begun with the enrollment itself; None in a later process, or if it got lost.
    """

    def __init__(
        self,
        host: Host,
        repository: DeviceStateRepository,
        state: Enrolled,
        identifier: Identifier,
        channel: SecureChannel | None,
    ) -> None:
        self._host = host
        self._repository = repository
        self._state = state
        self._relay: RemoteRelay | None = None
        self.identifier = identifier
        self.channel = channel
        self._read_credential()

    # ---- what is known -----------------------------------------------------------------------------------------------

    @property
    def enrollment_identifier(self) -> bytes:
        """SHA-256 of the enrollment key, 32 bytes."""
        return self._state.enrollment_identifier

    @property
    def pet_name(self) -> str | None:
        """The name for people."""
        return self._state.pet_name

    @property
    def service(self) -> Identifier:
        """The service: the authority that members know each other by."""
        return self._state.service

    @property
    def credential(self) -> CredentialAndPurposeKey:
        """What the service says of this device; present it to other members."""
        return self._state.credential

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes in the credential."""
        return dict(self._attributes)

    @property
    def credential_expires_at(self) -> int:
        """The last second in which the credential is valid."""
        return self._expires_at

    @property
    def relay_name(self) -> str | None:
        """The name this device may register a relay by: others reach it at `forward_to_<name>` of the service."""
        return self._state.relay_name

    @property
    def routes(self) -> tuple[str, ...]:
        """MultiAddrs of the service's channel listener, in order of preference."""
        derived = tuple(_listener_route(text) for text in self._state.routes)
        return tuple(dict.fromkeys(self._state.member_routes + derived))

    def channel_options(
        self, trust_policy: TrustPolicy | None = None, timeout: float = DEFAULT_TIMEOUT_SECONDS
    ) -> SecureChannelOptions:
        """Return the options for a channel to another member: the service is the authority, our credential is shown."""
        return SecureChannelOptions(trust_policy or TrustEveryone(), self.service, self.credential, timeout)

    def listener_options(
        self, consumer_of: Sequence[FlowControlId] = (), trust_policy: TrustPolicy | None = None
    ) -> SecureChannelListenerOptions:
        """Return the options for a listener for other members."""
        return SecureChannelListenerOptions(trust_policy or TrustEveryone(), self.service, self.credential, consumer_of)

    # ---- the service -------------------------------------------------------------------------------------------------

    async def connect(self, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> SecureChannel:
        """Open an ordinary channel to the service, over the first route that works; it becomes `channel`.

        Raises:
            ServiceUnreachable: none works.
            OckamError: somebody else answers there.
        """
        unreachable = ServiceUnreachable("the device knows no way to its service")
        for text in self.routes:
            try:
                opened = await self._host.open_channel(
                    Way.parse(text),
                    self.identifier,
                    self.service,
                    timeout=timeout,
                    authority=self.service,
                    credential=self.credential,
                )
            except ServiceUnreachable as error:
                unreachable = error
                continue
            self.channel = opened.channel
            return opened.channel
        raise unreachable

    async def open_channel(self, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> SecureChannel:
        """Return the channel to the service: the one that is open, or a new one."""
        channel = self.channel
        if channel is not None and not channel.is_closed:
            return channel
        return await self.connect(timeout)

    async def create_relay(self, *, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> RemoteRelay:
        """Register the device's relay at the service. Other members reach the node at `forward_to_<relay name>` there.

        What they are to reach, such as a channel listener, must be a consumer of `channel.flow_control_id`.

        Raises:
            Misuse: this service gives no relays.
            TimedOut: the service did not confirm.
        """
        if self.relay_name is None:
            raise Misuse("the service gave this device no relay name")
        channel = await self.open_channel(timeout)
        relay = RemoteRelay(self._host.runtime, route(channel), self.relay_name)
        try:
            await relay.register(timeout)
        except BaseException:
            await relay.close()
            raise
        return relay

    async def renew_credential(self, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> CredentialAndPurposeKey:
        """Ask the service for a fresh credential, verify and store it.

        Raises:
            ServiceUnreachable: no way to the service, or no answer.
            RequestRefused: this device is no member (any more).
        """
        body = await self._request(CREDENTIAL_ISSUER, Method.POST, "/", timeout)
        credential = CredentialAndPurposeKey.decode(body)
        verifier = self._host.identities.vault.verifying
        service = await self._host.identities.identity(self.service)
        verified = verify_credential(credential, service, self._host.now(), verifier, self.identifier, [self.service])
        state = replace(
            self._state,
            credential=credential,
            service_history=service.change_history,
            service_time=max(self._state.service_time, verified.created_at),
        )
        await self._repository.store_state(state.encode())
        self._state = state
        self._read_credential()
        return credential

    async def greet(self, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        """Say something over the channel that the enrollment began, so that the service knows it is used."""
        if self.channel is None or self.channel.is_closed:
            return
        try:
            await self._request(ENROLLMENT_SERVICE, Method.GET, "/revocations", timeout)
        except OckamError:
            return

    async def _request(self, worker: str, method: Method, path: str, timeout: float) -> bytes:
        channel = await self.open_channel(timeout)
        try:
            response = await self._host.ask(channel, worker, method, path, None, timeout)
        except TimedOut as error:
            raise ServiceUnreachable(f"the service did not answer in {timeout:g} s") from error
        if not response.is_ok:
            raise RequestRefused(response.error.message or "the service refuses the request")
        return response.body or b""

    def _read_credential(self) -> None:
        verifier = self._host.identities.vault.verifying
        history = verify_change_history(self._state.service_history, verifier, self._state.service)
        # As of its own creation: one that has expired since can still be read, and renewed.
        data = CredentialData.decode(VersionedData.decode(self.credential.credential.data).data)
        verified = verify_credential(
            self.credential, history, data.created_at, verifier, self.identifier, [self._state.service]
        )
        self._attributes, self._expires_at = verified.attributes, verified.expires_at


def _listener_route(text: str) -> str:
    """Return the MultiAddr of the listener beside the worker `enrollment`."""
    return f"{text.rstrip('/').rpartition('/service/')[0]}/secure/{API}"
