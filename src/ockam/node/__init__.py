"""The node: puts runtime, transports, channels, relays and storage together behind one object."""

from ockam.node.node import Node
from ockam.node.run import run

__all__ = ["Node", "run"]
