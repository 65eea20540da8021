"""The workers of streams, on the node runtime."""
