"""The server: how a command reaches it, is retried, and is read back."""
