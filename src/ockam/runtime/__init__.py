"""The node runtime: runs workers and carries messages between them. It knows no protocol."""

from ockam.runtime.context import Context
from ockam.runtime.delayed import DelayedEvent
from ockam.runtime.errors import AddressInUse, NodeStopping, NotOwnAddress, UnknownAddress, UnresolvedAddress
from ockam.runtime.lifecycle import WorkerRecord
from ockam.runtime.mailbox import AddressMetadata, Busy, FrameSink, Mailbox
from ockam.runtime.router import Runtime
from ockam.runtime.selector import PollingSelector
from ockam.runtime.stock import Echo, Echoer, Hop, Uppercase
from ockam.runtime.worker import DirectWorker, Processor, Worker

__all__ = [
    "AddressInUse",
    "AddressMetadata",
    "Busy",
    "Context",
    "DelayedEvent",
    "DirectWorker",
    "Echo",
    "Echoer",
    "FrameSink",
    "Hop",
    "Mailbox",
    "NodeStopping",
    "NotOwnAddress",
    "PollingSelector",
    "Processor",
    "Runtime",
    "UnknownAddress",
    "UnresolvedAddress",
    "Uppercase",
    "Worker",
    "WorkerRecord",
]
