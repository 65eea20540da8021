"""TCP: connections between nodes, each a pair of a sending and a receiving worker."""

from ockam.transport.tcp.connection import Mode, TcpConnection
from ockam.transport.tcp.listener import TcpListener
from ockam.transport.tcp.transport import TcpTransport

__all__ = ["Mode", "TcpConnection", "TcpListener", "TcpTransport"]
