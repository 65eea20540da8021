"""Transports: how messages cross from node to node."""
