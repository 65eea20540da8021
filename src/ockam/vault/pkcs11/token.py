"""One token, one login, one session; and what its errors mean.

python-pkcs11 initialises a module without telling it of threads, so only one thread is inside a module at a time. The
login is the process's, not the session's: that is why one process opens a token once and shares the object.
"""

from __future__ import annotations

import contextlib
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ockam.vault.errors import OperationUnsupported, VaultAccessDenied, VaultError, VaultUnavailable
from ockam.vault.extras import optional_module

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Pkcs11Token"]

_module_locks: Final[dict[str, threading.RLock]] = {}

# Names of python-pkcs11's exceptions, which are the PKCS#11 return values.
_LOST: Final = frozenset(
    {
        "DeviceError",
        "DeviceMemory",
        "DeviceRemoved",
        "FunctionFailed",
        "GeneralError",
        "HostMemory",
        "KeyHandleInvalid",
        "NoSuchToken",
        "ObjectHandleInvalid",
        "SessionClosed",
        "SessionHandleInvalid",
        "SlotIDInvalid",
        "TokenNotPresent",
        "TokenNotRecognised",
        "UserNotLoggedIn",
    }
)
_DENIED: Final = {
    "AnotherUserAlreadyLoggedIn": "another user is logged in to the token",
    "PinExpired": "the token's PIN has expired",
    "PinIncorrect": "the token refused the PIN; too many wrong ones lock it",
    "PinInvalid": "the token refused the PIN; too many wrong ones lock it",
    "PinLenRange": "the token refused the PIN: its length is wrong",
    "PinLocked": "the token's PIN is locked after too many wrong ones: its security officer must unlock it",
    "SessionReadOnly": "the token is open for reading only",
    "TokenWriteProtected": "the token is write-protected",
    "UserAlreadyLoggedIn": "the token is open in this process already: share its Pkcs11Token",
    "UserPinNotInitialized": "the token has no user PIN yet",
}
_UNSUPPORTED: Final = frozenset(
    {
        "AttributeTypeInvalid",
        "AttributeValueInvalid",
        "DomainParamsInvalid",
        "FunctionNotSupported",
        "KeySizeRange",
        "KeyTypeInconsistent",
        "MechanismInvalid",
        "MechanismParamInvalid",
        "TemplateIncomplete",
        "TemplateInconsistent",
    }
)


class Pkcs11Token:
    """A token, opened when it is first used, and again after it was away.

    Args:
        module: path of the PKCS#11 library.
        label: of the token, as its maker or `--init-token` named it.
        pin: of the user.

    Raises:
        ExtraMissing: the extra `pkcs11` is not installed.
    """

    def __init__(self, module: str | os.PathLike[str], label: str, pin: str) -> None:
        self.pkcs11: Any = optional_module("pkcs11", "pkcs11")
        self.label = label
        self._module = os.fspath(module)
        self._pin = pin
        self._session: Any = None
        self._generation = 0
        self._lock = _module_locks.setdefault(self._module, threading.RLock())

    def __repr__(self) -> str:
        return f"Pkcs11Token({self._module!r}, {self.label!r})"

    @contextmanager
    def use(self) -> Iterator[Any]:
        """Give the open session to one thread at a time; opens it where needed, and maps errors.

        Raises:
            VaultAccessDenied: the PIN was refused, or the token is open in this process already.
            VaultUnavailable: there is no such token, or it went away.
            OperationUnsupported: it lacks a mechanism.
        """
        with self._lock:
            try:
                if self._session is None:
                    self._session = self._opened()
                    self._generation += 1
                yield self._session
            except self.pkcs11.PKCS11Error as error:
                raise self._meaning(error) from error

    @property
    def generation(self) -> int:
        """Counts sessions: object handles are of one session."""
        return self._generation

    def offers(self, *mechanisms: str) -> bool:
        """Tell whether the token has these mechanisms.

        Raises:
            VaultError: as `use`.
        """
        with self.use() as session:
            names = {getattr(mechanism, "name", None) for mechanism in session.token.slot.get_mechanisms()}
        return names.issuperset(mechanisms)

    def check_present(self) -> None:
        """Ask the slot for the token: some modules just find no keys once a token is gone.

        Raises:
            VaultUnavailable: it is gone, or another one is there.
        """
        with self.use() as session:
            if session.token.slot.get_token().label != self.label:
                self._forget_session()
                raise VaultUnavailable(f"the token {self.label!r} was replaced")

    def close(self) -> None:
        """Log out and close the session. Twice is allowed; use opens it again."""
        with self._lock:
            self._forget_session()

    def _opened(self) -> Any:  # noqa: ANN401 - a session of python-pkcs11
        try:
            library = self.pkcs11.lib(self._module)
        except self.pkcs11.PKCS11Error as error:
            raise VaultUnavailable(f"the PKCS#11 module {self._module} cannot be loaded: {error}") from error
        return library.get_token(token_label=self.label).open(rw=True, user_pin=self._pin)

    def _forget_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            # A token that is gone cannot log us out.
            with contextlib.suppress(self.pkcs11.PKCS11Error):
                session.close()

    def _meaning(self, error: Exception) -> VaultError:
        name = type(error).__name__
        if name in _DENIED:
            return VaultAccessDenied(_DENIED[name])
        if name in _UNSUPPORTED:
            return OperationUnsupported(f"the token {self.label!r} does not do this ({name})")
        if name in _LOST:
            self._forget_session()
            return VaultUnavailable(f"the token {self.label!r} is not there, or failed ({name})")
        return VaultUnavailable(f"the token {self.label!r} failed: {name} {error}".rstrip())
