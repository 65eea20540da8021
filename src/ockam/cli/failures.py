"""What an error looks like from outside: exit code, what happened, what to do next.

    0   success                  69  the other side, or something on this machine, is not available now: try again
    64  the command line, or     70  the command failed
        a text given, is wrong   77  somebody is not allowed, or something is not to be trusted
    130 interrupted

With --output json: {"error": {"code", "hint", "message", "retryable"}} on stderr; `code` as the reference's (OCK404).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from ockam.errors import OckamError

__all__ = ["Conflict", "ExitCode", "Failure", "UnusableText", "failure_of"]

log = logging.getLogger("ockam.cli")

NO_ANSWER_HINT: Final = (
    "Is the device approved? Run it again once it is: the same message is repeated. A used bundle never gets an answer."
)
VERBOSE_HINT: Final = "Run it again with -vvv to see what led to it."


class ExitCode(IntEnum):
    """Source: sysexits.h."""

    USAGE = 64
    UNAVAILABLE = 69
    INTERNAL = 70
    UNAUTHORISED = 77
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as people and programs are told about it."""

    status: ExitCode
    code: str
    message: str
    hint: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the object behind `error`."""
        retryable = self.status is ExitCode.UNAVAILABLE
        return {"code": self.code, "hint": self.hint, "message": self.message, "retryable": retryable}


class UnusableText(click.UsageError):
    """A text that was given (argument, file or stdin) is not what it should be.

    Attributes:
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Conflict(Exception):
    """What is asked for does not fit with what is there.

    Attributes:
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NoAnswer(Exception):
    """Nobody answered in time.

    Attributes:
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class NotAllowed(Exception):
    """A person or a peer said no.

    Attributes:
        hint: what to do next.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def failure_of(error: BaseException) -> Failure:
    """Return what to say about an error of a command."""
    match error:
        case UnusableText():
            return Failure(ExitCode.USAGE, "OCK400", error.message, error.hint)
        case click.UsageError():
            return _usage(error)
        case click.Abort() | KeyboardInterrupt():
            return Failure(ExitCode.INTERRUPTED, "OCK499", "Interrupted.")
        case Conflict():
            return Failure(ExitCode.INTERNAL, "OCK409", str(error), error.hint)
        case NoAnswer():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", str(error), error.hint)
        case NotAllowed():
            return Failure(ExitCode.UNAUTHORISED, "OCK401", str(error), error.hint)
        case click.ClickException():
            return Failure(ExitCode.USAGE, "OCK400", error.format_message())
        case ExceptionGroup() if len(error.exceptions) == 1:
            return failure_of(error.exceptions[0])
        case _:
            return _library_failure(error)


def _usage(error: click.UsageError) -> Failure:
    command = error.ctx.command_path if error.ctx is not None else "ockam"
    return Failure(ExitCode.USAGE, "OCK400", error.format_message(), f"See `{command} --help`.")


def _library_failure(error: BaseException) -> Failure:
    from ockam.cli.settings import InvalidNodeName
    from ockam.errors import OckamError

    if isinstance(error, OckamError):
        return _ockam_failure(error)
    if isinstance(error, InvalidNodeName):
        return Failure(ExitCode.USAGE, "OCK400", str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(ExitCode.INTERNAL, "OCK500", f"{where}{error.strerror or error}")
    log.debug("the command failed", exc_info=error)
    return Failure(
        ExitCode.INTERNAL, "OCK500", f"This is a mistake in ockam itself ({type(error).__name__}).", VERBOSE_HINT
    )


def _ockam_failure(error: OckamError) -> Failure:
    from ockam import errors
    from ockam.core.request import Status
    from ockam.enrollment import errors as enrollment
    from ockam.enrollment.link import CodeNotConfirmed, CommitmentBroken
    from ockam.identity.errors import InvalidIdentifier
    from ockam.multiaddr.errors import InvalidMultiAddr, UnresolvableMultiAddr
    from ockam.storage.errors import HomeInUse
    from ockam.transport import errors as transport

    log.debug("the command failed", exc_info=error)
    message = error.message
    match error:
        case HomeInUse():
            return Failure(ExitCode.UNAVAILABLE, "OCK409", message)
        case enrollment.BundleNotUnderstood():
            return Failure(ExitCode.USAGE, "OCK400", message, "Give the text, its file, or - for stdin.")
        case enrollment.BundleRefused():
            return Failure(ExitCode.UNAUTHORISED, "OCK401", message, "Nothing was sent.")
        case enrollment.RequestRefused(status=Status.BAD_REQUEST):
            return Failure(ExitCode.USAGE, "OCK400", message)
        case enrollment.RequestRefused(status=Status.FORBIDDEN | Status.UNAUTHORIZED):
            return Failure(ExitCode.UNAUTHORISED, "OCK401", message)
        case enrollment.RequestRefused():
            return Failure(ExitCode.INTERNAL, f"OCK{int(error.status)}", message)
        case enrollment.EnrollmentRejected():
            return Failure(ExitCode.UNAUTHORISED, "OCK401", message, "Ask the enroller for another bundle.")
        case enrollment.ServiceUnreachable():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", message, "Check the route, and that the service is running.")
        case enrollment.NoAnswer():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", message, NO_ANSWER_HINT)
        case enrollment.NoBundleLeft():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", message)
        case enrollment.StationEnded() | CodeNotConfirmed() | CommitmentBroken():
            return Failure(ExitCode.UNAUTHORISED, "OCK401", message, "Nothing was sent to the service.")
        case InvalidIdentifier() | InvalidMultiAddr() | UnresolvableMultiAddr() | transport.InvalidSocketAddress():
            return Failure(ExitCode.USAGE, "OCK400", message)
        case transport.PeerNotFound() | transport.ConnectionTimedOut() | transport.TransportFailed():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", message)
        case transport.BindFailed():
            return Failure(ExitCode.UNAVAILABLE, "OCK409", message)
        case errors.TimedOut():
            return Failure(ExitCode.UNAVAILABLE, "OCK503", message)
        case errors.AlreadyExists():
            return Failure(ExitCode.INTERNAL, "OCK409", message)
        case errors.NotFound():
            return Failure(ExitCode.INTERNAL, "OCK404", message)
        case _:
            return Failure(ExitCode.INTERNAL, "OCK500", message)
