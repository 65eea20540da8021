"""The workers of relays, on the node runtime."""
