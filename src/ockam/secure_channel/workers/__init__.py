"""The workers of secure channels: listener, handshake, encryptor and decryptor, on the node runtime."""
